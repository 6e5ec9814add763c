"""What all tests share: the cores, a fresh start for each, blank pictures, the size of campaigns,
and hypothesis' same examples on any machine.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests import campaign, pictures, workers
from tests.ids import ADDRESS

# Folders and files whose tests hang on no arithmetic, and so on no CPU, or are about one CPU. What
# is not named here is marked `numerical`: .ci/run repeats it as on other CPUs.
ELSEWHERE = frozenset(
    {
        "cli",
        "comparison",
        "datasets",
        "devices",
        "distributed",
        "docs/test_check_links.py",
        "docs/test_docstrings.py",
        "docs/test_pictures.py",
        "docs/test_project.py",
        "drop_in",
        "examples",
        "fitting",
        "grading",
        "kernels/test_aarch64.py",
        "kernels/test_arguments.py",
        "kernels/test_avx2.py",
        "kernels/test_jit.py",
        "kernels/test_thread_pool.py",
        "onnx/test_hostile.py",
        "onnx/test_layers.py",
        "onnx/test_pytorch.py",
        "onnx/test_strangers.py",
        "plots",
        "reference",
        "runs",
        "serialization",
        "sklearn/test_callbacks.py",
        "sklearn/test_errors.py",
        "sklearn/test_manual.py",
        "sklearn/test_pickles.py",
        "sklearn/test_pipelines.py",
        "test_advice.py",
        "test_benchmarks.py",
        "test_coming_from_pytorch.py",
        "test_drop_in.py",
        "test_extras.py",
        "test_files.py",
        "test_fit_function.py",
        "test_forks.py",
        "test_imports.py",
        "test_layering.py",
        "test_memory.py",
        "test_packaging.py",
        "test_replaced_data.py",
        "test_run.py",
        "test_shared_tensors.py",
        "test_signals.py",
        "test_slim.py",
        "test_tensor_repr.py",
        "test_threads.py",
        "test_unchanged_by_errors.py",
        "training/test_config.py",
        "training/test_dataset_recorded.py",
        "training/test_details.py",
        "training/test_faults.py",
        "training/test_flags.py",
        "training/test_frictions.py",
        "training/test_notebook.py",
        "training/test_own.py",
        "training/test_recipes.py",
        "training/test_resume.py",
        "training/test_saved.py",
        "training/test_stopped.py",
        "training/test_terminal.py",
        "typing",
        "utils",
    }
)

# PyTorch's samples: in float32 by kernels, which CPUs do in their ways; the rest NumPy does alike.
SAMPLES = frozenset({"moduleinfo", "opinfo", "optiminfo"})

workers.limit_threads()
hypothesis.settings.register_profile(
    "npnet", deadline=None, derandomize=True, max_examples=100, database=None
)
hypothesis.settings.load_profile("npnet")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--campaign",
        choices=campaign.SIZES,
        default=campaign.SIZES[0],
        help="how many random cases the tests marked 'campaign' try",
    )


def pytest_configure(config: pytest.Config) -> None:
    campaign.choose(config.getoption("--campaign"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    return workers.count()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if ADDRESS.search(item.nodeid):
            raise pytest.UsageError(
                f"{item.nodeid}: an address is no id; write ids=tests.ids.named"
            )
        path = item.path.relative_to(here)
        is_sample = path.parts[0] in SAMPLES and "float32" not in item.name
        if ELSEWHERE.isdisjoint({path.as_posix(), path.parts[0]}) and not is_sample:
            item.add_marker("numerical")


@pytest.fixture(autouse=True)
def _start_afresh() -> None:
    workers.start_afresh()


@pytest.fixture(params=["numpy", "numba"])
def backend(request: pytest.FixtureRequest) -> str:
    """Each backend in turn, in force for the test; `_start_afresh` undoes the choice."""
    workers.choose_backend(request.param)
    return str(request.param)


@pytest.fixture
def numba() -> None:
    """The kernels, whatever NPNET_BACKEND says."""
    workers.choose_backend("numba")


@pytest.fixture(autouse=True)
def _blank_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("pictures") is None:
        monkeypatch.setattr("matplotlib.figure.Figure.savefig", pictures.save_blank)


@pytest.fixture(autouse=True)
def _heard_signals() -> Iterator[None]:
    """Heed what `nohup` made this process, and so the children of tests, ignore."""
    defaults: dict[int, Any] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGHUP: signal.SIG_DFL,
    }
    ignored = [number for number in defaults if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, defaults[number])
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
