"""The scripts of examples/: each runs alone, with few images, and prints what it claims."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(path for path in EXAMPLES.glob("*.py") if path.name != "execute.py")
SECONDS = 120  # after which a script that hangs has failed
LONGEST = 80  # lines
MPIEXEC = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")

# Flags that make it short, the packages that it needs, and what it must print.
CASES: dict[str, tuple[list[str], list[str], str]] = {
    "fine_tuning": (
        ["--few", "2", "--steps", "4"],
        [],
        r"a new last layer: .*\nthen all layers at",
    ),
    "onnx_in_and_out": (["--epochs", "1"], ["onnx"], r"read back by npnet: logits differ by "),
    "own_data_set": (["--count", "120", "--epochs", "1"], ["PIL"], r"96 pictures to learn, 24 to"),
    "own_loop": (["--epochs", "2"], [], r"the same weights, to the bit"),
    "own_module": (["--images", "200", "--epochs", "1"], [], r"the hook saw one batch: \d+ %"),
    "scikit_learn": (
        ["--samples", "200", "--epochs", "2", "--folds", "2"],
        ["sklearn"],
        r"the best of the grid on the test samples: \d",
    ),
}
MPI = ["--steps", "10", "--batch", "64"]


def run(command: list[str], folder: Path) -> str:
    """What a program prints. It is started elsewhere, and must leave nothing there."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("PMI", "OMPI"))}
    # npnet is the one of this test, also where the child's folder is not in the clone
    path = f"{EXAMPLES.parent}{os.pathsep}{ours.get('PYTHONPATH', '')}"
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        cwd=folder,
        env=ours | {"NPNET_NUM_THREADS": "1", "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr
    assert not list(folder.iterdir())
    return done.stdout


def test_every_script_is_tried() -> None:
    assert {path.stem for path in SCRIPTS} == {*CASES, "mpi"}


@pytest.mark.parametrize("name", CASES)
def test_a_script_shows_what_it_says(name: str, tmp_path: Path) -> None:
    flags, packages, says = CASES[name]
    for package in packages:
        pytest.importorskip(package)
    output = run([sys.executable, str(EXAMPLES / f"{name}.py"), *flags], tmp_path)
    assert re.search(says, output), output


def test_the_module_is_trained_by_the_command_too(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    places = "--checkpoint_dir", str(folder / "checkpoint"), "--log_dir", str(folder / "logs")
    network = "--model", f"{EXAMPLES / 'own_module.py'}:Net", "--model_args", "width=4"
    command = [sys.executable, "-m", "npnet.train", *network, "--dataset", "digits"]
    work = tmp_path / "work"
    work.mkdir()
    assert "test accuracy" in run([*command, "--epochs", "1", *places], work)


def test_a_loop_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    command = [sys.executable, str(EXAMPLES / "own_loop.py"), "--checkpoint", str(tmp_path / "run")]
    assert "goes on" not in run([*command, "--epochs", "1"], work)
    output = run([*command, "--epochs", "2"], work)
    assert "goes on after epoch 1" in output
    assert "epoch 2:" in output


def test_processes_have_the_weights_of_one(tmp_path: Path) -> None:
    pytest.importorskip("mpi4py.MPI", exc_type=(ImportError, RuntimeError))
    if MPIEXEC is None:
        pytest.skip("there is no mpiexec")
    script = str(EXAMPLES / "mpi.py")
    alone = run([sys.executable, script, *MPI], tmp_path)
    many = [MPIEXEC, "-n", "2", sys.executable, "-m", "mpi4py", script, *MPI]
    together = run(many, tmp_path)
    assert "processes: 1; " in alone
    assert "processes: 2; parts of a batch were shared: True" in together
    assert sums(alone) == sums(together)


def sums(output: str) -> list[str]:
    found = re.findall(r"sum of the weights: (\w{16})", output)
    assert len(found) == 1, output
    return found


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_is_short_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST
    assert f"python examples/{path.name}" in (ast.get_docstring(ast.parse(text)) or "")
