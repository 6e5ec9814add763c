"""The wheel in an empty environment with NumPy alone, as it requires: it is small, and infers.

All of it from what is on the machine, without an index: the wheel is built without isolation, and
NumPy is copied from where the tests run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import npnet
from npnet import train
from npnet.base.extras import EXTRAS

pytestmark = pytest.mark.slow

ROOT = Path(npnet.__file__).parent.parent
MEGABYTE = 2**20  # as du counts
LARGEST = 60 * MEGABYTE  # npnet and NumPy, which has 54.8 of them
LARGEST_OWN = 4.5 * MEGABYTE  # npnet alone
# Seconds of import and first prediction, of which NumPy's import takes a third. Where other work
# slows the machine, that says how much.
LONGEST, NUMPYS = 0.3, 0.1
MOST_MEMORY = 100  # megabytes; a Python with NumPy has 30
LEAST_ACCURACY = 0.8  # of the digits, by a network that was trained for a few seconds

# What a build of the manual writes into docs/, which git ignores.
WRITTEN = re.compile("docs/(examples|project|reference)/").match
SOURCES = ("npnet", "reference", "tests", "benchmarks", "docs", "examples", ".packaging")

IMPORT_NUMPY = """
import time
cpu = time.thread_time()
import numpy
print(time.thread_time() - cpu)
"""

INFER = """
import json, sys, time
start, cpu = time.perf_counter(), time.thread_time()
import npnet
from npnet import models

model = models.from_checkpoint(sys.argv[1])
with npnet.no_grad():
    model(model.preprocess(npnet.zeros(28, 28).numpy()))
seconds, wall = time.thread_time() - cpu, time.perf_counter() - start

from npnet.datasets import load

digits, right = load("digits"), 0
with npnet.no_grad():
    for at in range(0, len(digits.y_test), 16):
        x, y = digits.x_test[at : at + 16], digits.y_test[at : at + 16]
        right += int((model(model.preprocess(x)).argmax(1).numpy() == y).sum())
# Not resource.getrusage: it counts the process that started this one too.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
libraries = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
print(json.dumps({
    "file": npnet.__file__,
    "seconds": seconds,
    "wall": wall,
    "accuracy": right / len(digits.y_test),
    "megabytes": int(status["VmHWM"].split()[0]) / 1024,
    "libraries": sorted(libraries),
}))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the clone, to build in."""
    folder = tmp_path_factory.mktemp("source") / "npnet"
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    for path in ROOT.iterdir():
        if path.is_file() and path.name != ".git":
            shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="module")
def built(source: Path) -> Path:
    """The folder of the source distribution, and of the wheel that was built from it."""
    folder = source.parent / "dist"
    done = _run("-m", "build", "--no-isolation", "--outdir", str(folder), str(source))
    said = (done.stdout + done.stderr).lower()
    assert "warn" not in said, said
    assert "deprecat" not in said, said
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (file,) = built.glob("*.whl")
    return file


class Environment(NamedTuple):
    """Its interpreter, and where its libraries are."""

    python: str
    packages: Path


@pytest.fixture(scope="module")
def environment(wheel: Path) -> Iterator[Environment]:
    """An environment with NumPy alone, into which pip installed the wheel."""
    folder = wheel.parent.parent / "environment"
    python, packages = _empty_environment(folder)
    _copy("numpy", packages)
    install = ("-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-compile")
    _run(*install, str(wheel))  # with what it requires
    yield Environment(python, packages)
    shutil.rmtree(folder)


def _empty_environment(folder: Path) -> Environment:
    _run("-m", "venv", "--without-pip", str(folder))
    python = str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Environment(python, Path(_run("-c", where, python=python).stdout.strip()))


def _copy(name: str, packages: Path) -> None:
    """Copy an installed library's files, without bytecode."""
    found = distribution(name)
    for file in found.files or ():
        if ".." not in file.parts and file.suffix != ".pyc":
            target = packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(found.locate_file(file)), target)


def _run(*argv: str, python: str = sys.executable, cwd: str | Path = "/", ok: bool = True) -> Any:
    """What Python makes of this command line, outside of the clone and without its settings."""
    ours = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "NPNET_DATA", "NPNET_BACKEND")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    done = subprocess.run(
        [python, *argv], capture_output=True, text=True, cwd=cwd, env=environment, check=False
    )
    assert not ok or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    argv = ["--model", "lenet5", "--dataset", "digits", "--optimizer", "adam", "--epochs", "4"]
    places = ["--checkpoint_dir", str(folder), "--log_dir", str(folder / "log")]
    assert train.main([*argv, "--learning_rate", "2e-3", *places]) == 0
    return folder / "best.safetensors"


def test_the_wheel_holds_npnet_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {"npnet", "npnet-0.1.0.dist-info"}
    held = {path.relative_to(ROOT).as_posix() for path in (ROOT / "npnet").rglob("*.*")}
    held = {name for name in held if "__pycache__" not in name}
    assert {name for name in names if name.startswith("npnet/")} == held
    assert "npnet-0.1.0.dist-info/licenses/LICENSE" in names


def test_the_source_distribution_holds_the_tests(built: Path) -> None:
    (file,) = built.glob("*.tar.gz")
    with tarfile.open(file) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    must = {"LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", ".packaging/backend.py"}
    assert must <= names
    for folder in SOURCES:
        files = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.py")}
        assert {name for name in files if "__pycache__" not in name and not WRITTEN(name)} <= names
    assert not any(map(WRITTEN, names))


@pytest.fixture(scope="module")
def editable(source: Path) -> Path:
    """The folder of the metadata and of the wheel of an editable install, as pip asks for them."""
    folder = source.parent / "editable"
    folder.mkdir()
    code = f"""
import os, sys
sys.path.insert(0, {str(source / ".packaging")!r})
os.chdir({str(source)!r})
import backend
backend.prepare_metadata_for_build_editable({str(folder)!r})
backend.build_editable({str(folder)!r})
"""
    _run("-c", code)
    return folder


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as file:
        (name,) = (name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(file.read(name).decode())


def _required(metadata: Message) -> set[str]:
    """What is required whatever the extras."""
    lines = metadata.get_all("Requires-Dist") or []
    return {_name(line) for line in lines if "extra ==" not in line}


def _name(requirement: str) -> str:
    return requirement.partition(">")[0].partition("=")[0].partition(";")[0].strip()


def test_a_wheel_requires_numpy_and_a_clone_what_training_needs(
    wheel: Path, editable: Path
) -> None:
    whole = _metadata(wheel)
    assert _required(whole) == {"numpy"}
    (file,), (folder,) = editable.glob("*.whl"), editable.glob("*.dist-info")
    ours = _metadata(file)
    for extra in ("kernels", "train", "pictures", "datasets", "bfloat16"):
        assert set(EXTRAS[extra].values()) <= _required(ours)
    assert "tensorboard" in _required(ours)
    assert not any("npnet" in name for name in _required(ours))
    prepared = Parser().parsestr((folder / "METADATA").read_text())
    assert _required(prepared) == _required(ours)
    assert ours.get_payload() == whole.get_payload()


def test_type_checkers_and_the_folder_above_find_an_editable_install(
    source: Path, editable: Path, tmp_path: Path
) -> None:
    (file,) = editable.glob("*.whl")
    python, packages = _empty_environment(tmp_path / "environment")
    _run("-m", "pip", "--python", python, "install", "-q", "--no-index", "--no-deps", str(file))
    assert not (packages / "npnet").exists()
    where = "from importlib.util import find_spec; print(find_spec('npnet').origin)"
    assert source.name == "npnet"
    for folder in (source.parent, source, tmp_path):
        found = _run("-c", where, python=python, cwd=folder).stdout.strip()
        assert found == str(source / "npnet" / "__init__.py")
    program = tmp_path / "program.py"
    program.write_text("import npnet\nreveal_type(npnet.zeros(2))\n")
    mypy = ("-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"))
    said = _run(*mypy, "--python-executable", python, str(program), cwd=tmp_path).stdout
    assert 'Revealed type is "npnet.tensor.Tensor"' in said
    assert "Success" in said


def test_extras_bring_what_they_are_asked_for(wheel: Path) -> None:
    metadata = _metadata(wheel)
    brought: dict[str, set[str]] = {}
    for line in metadata.get_all("Requires-Dist") or []:
        what, _, marker = line.partition(";")
        if marker:
            brought.setdefault(marker.split('"')[1], set()).add(_name(what))
    assert EXTRAS.keys() < brought.keys()
    for extra, modules in EXTRAS.items():
        assert set(modules.values()) <= brought[extra], extra
    assert metadata["License-Expression"] == "MIT"
    assert metadata.get_all("Project-URL")
    assert "Programming Language :: Python :: 3.13" in (metadata.get_all("Classifier") or [])


def _size(*folders: Path) -> int:
    return sum(
        path.stat().st_size
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    )


def test_it_is_small(environment: Environment) -> None:
    assert _size(environment.packages / "npnet") < LARGEST_OWN
    names = {path.name.partition("-")[0] for path in environment.packages.iterdir()}
    assert names == {"npnet", "numpy", "numpy.libs"}
    assert _size(environment.packages) < LARGEST


def test_it_infers(environment: Environment, checkpoint: Path, tmp_path: Path) -> None:
    """In the time of a processor, as others may be at work on this machine."""
    script = tmp_path / "infer.py"
    script.write_text(INFER)
    python = environment.python
    runs, numpys = [], []
    for _ in range(4):
        numpys.append(float(_run("-c", IMPORT_NUMPY, python=python).stdout))
        runs.append(json.loads(_run(str(script), str(checkpoint), python=python).stdout))
    assert runs[0]["file"].startswith(str(environment.packages))
    assert runs[0]["accuracy"] > LEAST_ACCURACY
    assert not {*runs[0]["libraries"]} & {m for modules in EXTRAS.values() for m in modules}
    longest = LONGEST * max(min(numpys) / NUMPYS, 1)
    assert min(run["seconds"] for run in runs[1:]) < longest  # the first has written the bytecode
    assert max(run["megabytes"] for run in runs) < MOST_MEMORY


def test_its_commands_work_or_tell_what_is_missing(
    environment: Environment, checkpoint: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "seven.png"
    picture.write_bytes(b"\x89PNG")
    weights, to = str(checkpoint), ("--output", str(tmp_path / "weights"))
    commands: dict[tuple[str, ...], str] = {
        ("summary", "lenet5"): "",
        ("evaluate", weights, "--dataset", "digits"): "",
        ("export", weights, "--format", "safetensors", *to): "",
        ("datasets", "verify"): "",
        ("doctor", "--no_test"): "",
        ("predict", weights, str(picture)): "pictures",
        ("export", weights, "--format", "onnx", *to, "--overwrite"): "onnx",
        ("train", "--model", "lenet5"): "train",
        ("plot", str(checkpoint.parent / "log")): "train",
        ("recipes",): "train",
        ("datasets", "download", "mnist", "--data_dir", str(tmp_path)): "datasets",
    }
    for argv, extra in commands.items():
        done = _run("-m", "npnet", *argv, python=environment.python, cwd=tmp_path, ok=not extra)
        if extra:
            assert done.returncode == 2, argv
            assert done.stderr.count("\n") == 1, argv
            assert done.stderr.endswith(f": pip install 'npnet[{extra}]'\n"), argv


def test_pip_says_that_nothing_is_broken(environment: Environment) -> None:
    said = _run("-m", "pip", "--python", environment.python, "check").stdout
    assert "No broken requirements" in said
