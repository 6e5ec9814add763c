"""Runs that mpiexec starts: the bits of one process, one message of an error, and all end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from npnet.models.checkpoint import BEST
from npnet.runs.files import LAST

pytest.importorskip("mpi4py", exc_type=ImportError)
MPIEXEC = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
if MPIEXEC is None:
    pytest.skip("there is no mpiexec", allow_module_level=True)

HERE = Path(__file__).parent
SECONDS = 300  # after which a run that hangs has failed
EVERYTHING = (
    *("--model", f"{HERE / 'networks.py'}:Dropping", "--dataset", "digits", "--epochs", "3"),
    *("--batch_size", "64", "--augment", "--label_smoothing", "0.1", "--ema", "0.9"),
    *("--clip_grad_norm", "1", "--scheduler", "warmup_cosine", "--weight_decay", "1e-3"),
)  # the last batch has 46 images: three parts, which four ranks do not share
SHARDS = (
    *("--batch_norm", "shard", *EVERYTHING[2:]),
    *("--model", f"{HERE / 'networks.py'}:Normed", "--batch_size", "128"),
)
LENET = ("--model", "lenet5", "--dataset", "digits", "--epochs", "1")
RESIDUAL = (
    *("--model", "resnet20", "--dataset", "digits", "--epochs", "1", "--batch_size", "64"),
    *("--image_size", "32", "--val_ratio", "0.8", "--learning_rate", "0.1"),
)


def environment() -> dict[str, str]:
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("PMI", "OMPI"))}
    return ours | {"NPNET_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def train(ranks: int, folder: Path, *arguments: str) -> list[str]:
    """The command of a run in a folder: one process where `ranks` is 0."""
    places = "--checkpoint_dir", str(folder / "checkpoint"), "--log_dir", str(folder / "logs")
    return [*mpi(ranks), "-m", "npnet.train", *arguments, *places]


def mpi(ranks: int) -> list[str]:
    assert MPIEXEC is not None
    if ranks == 0:
        return [sys.executable]
    return [MPIEXEC, "-n", str(ranks), sys.executable, "-m", "mpi4py"]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, env=environment()
    )


def bits(folder: Path) -> list[bytes]:
    return [(folder / "checkpoint" / name).read_bytes() for name in (LAST, BEST)]


@pytest.mark.parametrize(
    ("arguments", "ranks"),
    [
        (EVERYTHING, (1, 2, 3, 4)),
        (LENET, (1, 2, 3, 4)),
        (RESIDUAL, (1, 2, 3, 4)),
        (SHARDS, (1, 2, 3)),
        ((*RESIDUAL, "--batch_norm", "shard"), (2,)),
    ],
    ids=["everything", "lenet5", "residual", "shards", "residual-shards"],
)
def test_any_number_of_ranks_ends_with_the_bits_of_one_process(
    tmp_path: Path, arguments: tuple[str, ...], ranks: tuple[int, ...]
) -> None:
    for number in (0, *ranks):
        done = run(train(number, tmp_path / str(number), *arguments))
        assert done.returncode == 0, done.stderr
        assert "whole batches" not in done.stdout
        assert done.stdout.count("test accuracy") == 1
        assert ("MB a step to every other" in done.stdout) == (number > 1)
        assert bits(tmp_path / str(number)) == bits(tmp_path / "0")


@pytest.mark.parametrize("arguments", [EVERYTHING, SHARDS], ids=["everything", "shards"])
def test_a_killed_rank_ends_all_and_the_run_goes_on_with_another_number(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run(train(0, whole, *arguments)).returncode == 0
    process = subprocess.Popen(
        train(3, killed, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None
    while not process.stdout.readline().startswith("epoch 1"):
        assert process.poll() is None, "the run ended before it was killed"
    os.kill(ranks_of(process.pid)[-1], signal.SIGKILL)
    start = time.monotonic()
    process.communicate(timeout=SECONDS)
    assert process.returncode != 0
    assert time.monotonic() - start < 30
    resumed = run(train(2, killed, "--resume", *arguments))
    assert resumed.returncode == 0, resumed.stderr
    assert "resuming after" in resumed.stdout
    assert bits(killed) == bits(whole)


def ranks_of(mpiexec: int) -> list[int]:
    """The processes that run npnet below mpiexec."""
    found, below = [], [mpiexec]
    for parent in below:
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        except OSError:
            continue
        below += map(int, children)
    for pid in below[1:]:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"mpi4py" in words and words[0] == sys.executable.encode():
            found.append(pid)
    return found


def test_mpis_own_sum_trains_too(tmp_path: Path) -> None:
    done = run(train(2, tmp_path, *RESIDUAL, "--allreduce"))
    assert done.returncode == 0, done.stderr
    assert "test accuracy" in done.stdout


def test_what_no_program_can_be_made_of_is_right_and_told(tmp_path: Path) -> None:
    arguments = "--model", f"{HERE / 'networks.py'}:Branching", "--dataset", "digits"
    for number in (0, 2):
        done = run(train(number, tmp_path / str(number), *arguments, "--epochs", "1"))
        assert done.returncode == 0, done.stderr
    assert "every rank computes whole batches, which is right but no faster" in done.stdout
    assert bits(tmp_path / "2") == bits(tmp_path / "0")


def test_each_rank_may_have_batches_of_its_own() -> None:
    means = []
    for number in (1, 2, 3):
        done = run([*mpi(number), str(HERE / "loop.py")])
        assert done.returncode == 0, done.stderr
        means.append(json.loads(done.stdout))
    for mean in means[1:]:
        assert mean == pytest.approx(means[0], rel=1e-4)  # rounding of sums in another order


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        (("--model", "lenet"), ("--model", "lenet5"), "ranks differ in their settings: rank 0"),
        (("--batch_size", "16"), ("--batch_size", "16"), "of 16 images no more than 1 parts"),
        (
            ("--model", "resnet20", "--batch_norm", "shard", "--batch_size", "127"),
            ("--model", "resnet20", "--batch_norm", "shard", "--batch_size", "127"),
            "no more than 1 parts can be made, of one size, of sixteen images or more each",
        ),
        (("--model", "lenett"), ("--model", "lenett"), "did you mean 'lenet'?"),
        ((), ("--dataset", "/missing.npz"), "has dataset '/missing.npz'; start all with the same"),
        ((), ("--threads", "5000"), "(rank 1 on "),
    ],
)
def test_an_error_is_said_once_and_ends_all(
    tmp_path: Path, first: tuple[str, ...], second: tuple[str, ...], says: str
) -> None:
    one, other = ("--dataset", "digits", *first), ("--dataset", "digits", *second)
    done = run(two_programs(tmp_path, one, other))
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if "error: " in line]
    assert len(lines) == 1
    assert says in lines[0]
    assert "Traceback" not in done.stderr


def two_programs(folder: Path, first: tuple[str, ...], second: tuple[str, ...]) -> list[str]:
    """Two ranks with flags of their own."""
    mpiexec, *_ = mpi(1)
    one, other = ([*mpi(1)[1:], *train(0, folder, *flags)[1:]] for flags in (first, second))
    return [mpiexec, *one, ":", *other]


def test_any_rank_may_stop_the_run(tmp_path: Path) -> None:
    flags = ("--dataset", "digits", "--epochs", "3")
    done = run(train(2, tmp_path, *flags, "--callbacks", f"{HERE / 'networks.py'}:StopsInRankOne"))
    assert done.returncode == 0, done.stderr
    assert "stopped early: rank 1 has seen enough" in done.stdout
    assert "epoch 2/3" not in done.stdout


def test_nothing_is_written_by_ranks_that_are_refused(tmp_path: Path) -> None:
    done = run(train(2, tmp_path / "new", "--dataset", "digits", "--batch_size", "16"))
    assert done.returncode == 2
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("who", [0, 1])
def test_one_rank_alone_can_not_go_on_with_a_run(tmp_path: Path, who: int) -> None:
    flags = ("--dataset", "digits", "--epochs", "1")
    assert run(train(0, tmp_path, *flags)).returncode == 0
    of_each = [flags, flags]
    of_each[who] = (*flags, "--resume")
    done = run(two_programs(tmp_path, of_each[0], of_each[1]))
    assert done.returncode == 2
    assert f"has resume {who == 0}, rank 1 (" in done.stderr
    assert f"has resume {who == 1}; start all with the same flags" in done.stderr


def test_ranks_that_would_wait_for_ever_are_refused(tmp_path: Path) -> None:
    command = [c for c in train(2, tmp_path, "--dataset", "digits") if c not in ("-m", "mpi4py")]
    command[4:4] = ["-m"]
    done = run(command)
    assert done.returncode == 2
    assert done.stderr.count("start every rank as python -m mpi4py") == 1
