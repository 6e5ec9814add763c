"""Comparisons on a Dask cluster: whoever dies, every run ends once, and as on one machine."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from npnet.base.memory import available_memory
from npnet.cli.compare import main, parse
from npnet.comparison import alike, cluster, connection, machine, on_worker, spec
from npnet.comparison.connection import check_address
from npnet.training.config import Config
from tests.comparison.conftest import FakeRuns
from tests.comparison.test_orphans import runs_of, wait
from tests.missing import hide
from tests.training.test_trainer import assert_same_weights, weights_of

distributed = pytest.importorskip("distributed")

COMPARE = [sys.executable, "-m", "npnet", "compare"]
PATIENCE = 120.0  # seconds, on a machine that does much else
THREE = ["--seeds", "3", "--epochs", "2"]


@pytest.fixture(scope="module")
def cluster_of_three() -> Iterator[Any]:
    """A client of three workers, each a process with one thread."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NPNET_BACKEND", "numpy")  # whose runs start at once
        with (
            distributed.LocalCluster(
                n_workers=3, threads_per_worker=1, memory_limit=0, dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
            ) as workers,
            distributed.Client(workers, set_as_default=False) as client,
        ):  # fmt: skip
            yield client


@pytest.fixture
def client(cluster_of_three: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The three workers, as they were at first."""
    monkeypatch.setenv("NPNET_BACKEND", "numpy")
    cluster_of_three.wait_for_workers(3)
    cluster_of_three.run(_as_at_first)
    return cluster_of_three


@pytest.fixture
def faked(client: Any, fake: FakeRuns, tmp_path: Path) -> Any:
    """The three workers, whose runs are made up."""
    program = str(Path(__file__).with_name("fake_run.py"))
    client.run(_fake, program, str(tmp_path / "fake.json"))
    return client


# What is done on workers.

_kept: dict[Any, Any] = {}


def _fake(program: str, options: str) -> None:
    train = _kept.setdefault("train", spec.COMMANDS["train"])
    programs = dict.fromkeys(train.programs, (program, options))
    spec.COMMANDS["train"] = spec.Command(train.settings, programs)


def _be_elsewhere() -> None:
    _kept.setdefault("is_seen", on_worker.Comparison.is_seen)
    on_worker.Comparison.is_seen = False  # type: ignore[method-assign, assignment]


def _as_at_first() -> None:
    if "train" in _kept:
        spec.COMMANDS["train"] = _kept["train"]
    if "is_seen" in _kept:
        on_worker.Comparison.is_seen = _kept["is_seen"]  # type: ignore[method-assign]


def address_of(client: Any) -> list[str]:
    return ["--cluster", client.scheduler.address]


def calls(tmp_path: Path) -> list[str]:
    return sorted((tmp_path / "calls.txt").read_text().splitlines())


# ---- the runs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("elsewhere", [False, True])
def test_runs_are_made_once_and_reported(
    faked: Any, tmp_path: Path, elsewhere: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [*THREE, "--output", str(tmp_path / "out")]
    if elsewhere:
        faked.run(_be_elsewhere)
    assert main([*argv, *address_of(faked)]) == 0
    shown = capsys.readouterr().out
    assert "3 runs; 3 at once with 1 thread each" in shown
    assert "seed_2: test 90.00 %" in shown
    assert calls(tmp_path) == [f"seed_{seed} new 1" for seed in range(3)]
    assert not list((tmp_path / "out/runs").glob(".comparison-*"))
    report = (tmp_path / "out/report.md").read_text()
    assert main([*argv, "--cluster", "tcp://127.0.0.1:9"]) == 0  # nothing is left to make there
    assert main(argv) == 0
    assert len(calls(tmp_path)) == 3
    without = report.replace(" " + " ".join(address_of(faked)), "")
    assert (tmp_path / "out/report.md").read_text() == without


def test_failed_runs_are_told_as_on_one_machine(
    faked: Any, fake: FakeRuns, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake(fail=0.5)
    faked.run(_be_elsewhere)
    argv = ["--learning_rate", "0.1", "0.5", "--epochs", "2", "--output", str(tmp_path / "out")]
    assert main([*argv, *address_of(faked), "--jobs", "1"]) == 1
    shown = capsys.readouterr()
    assert "1 at once" in shown.out
    assert "learning_rate_0.5: failed: diverged | lower --learning_rate" in shown.out
    assert "1 of 2 runs failed" in shown.err
    assert "diverged" in (tmp_path / "out/runs/learning_rate_0.5/errors.txt").read_text()


def many_epochs(small: Config, output: Path) -> list[str]:
    """Two real runs, long enough that one can be killed in its middle."""
    return [
        "--dataset", small.dataset, "--batch_size", "32", "--epochs", "25", "--seeds", "2",
        "--learning_rate", "0.05", "--output", str(output),
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("elsewhere", [False, True])
def test_run_of_a_killed_worker_is_gone_on_with(
    client: Any, small: Config, tmp_path: Path, elsewhere: bool
) -> None:
    output, whole = tmp_path / "out", tmp_path / "whole"
    if elsewhere:
        client.run(_be_elsewhere)
    command = [*COMPARE, *many_epochs(small, output), *address_of(client)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with process:
        last = output / "runs/seed_0/last.safetensors"
        wait(lambda: process.poll() is not None or last.exists())
        maker = next(a for a, n in client.run(on_worker_names).items() if "seed_0" in n)
        os.kill(client.run(os.getpid, workers=[maker])[maker], signal.SIGKILL)
        shown, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert f"lost     seed_0: {maker} is gone" in shown
    assert shown.count("started  seed_0") == 2
    for seed in range(2):
        assert shown.count(f"] seed_{seed}: test") == 1
    epochs = (output / "runs/seed_0/metrics.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in epochs[1:]] == [str(n) for n in range(1, 26)]
    never_killed = [*COMPARE, *many_epochs(small, whole), "--threads", "1"]
    subprocess.run(never_killed, check=True, capture_output=True)
    for seed in range(2):
        run = f"runs/seed_{seed}"
        assert_same_weights(weights_of(str(whole / run)), weights_of(str(output / run)))


def on_worker_names() -> list[str]:
    """The runs that are made on the worker where this is called."""
    return [name for _, name in on_worker._visits]


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_runs_end_with_their_comparison(client: Any, tmp_path: Path, number: int) -> None:
    output = tmp_path / "out"
    flags = ["--epochs", "200000", "--seeds", "2", "--output", str(output)]
    command = [*COMPARE, "fit-function", *flags, *address_of(client)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait(lambda: process.poll() is not None or len(runs_of(output)) == 2)
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE)
        wait(lambda: not runs_of(output))
    assert process.returncode == (130 if number == signal.SIGINT else -number), said
    assert "Traceback" not in said
    assert not any(client.run(on_worker_names).values())


def test_second_comparison_is_refused_while_the_first_is_at_work(
    faked: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out/.lock"):
        argv = [*THREE, "--output", str(tmp_path / "out"), *address_of(faked)]
        assert main(argv) == 2
    assert "another run is writing to" in capsys.readouterr().err


def test_run_that_kills_its_workers_is_blamed(
    faked: Any, fake: FakeRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers that come and go are played: a real one takes seconds to start."""
    fake(seconds=0.2)
    argv = ["--seeds", "1", "--epochs", "20", "--output", str(tmp_path / "out")]

    def lose(pool: cluster.Workers) -> None:
        for task in pool.running.values():
            task.address = "tcp://gone"

    monkeypatch.setattr(cluster.Workers, "_beat", lose)
    assert main([*argv, *address_of(faked)]) == 1
    assert "3 workers that made it are gone" in (tmp_path / "out/report.md").read_text()


# ---- the scheduler -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["", "here", "localhost:8786", "http://localhost:8786", "tcp://localhost", "tcp://:8786",
     "tcp://localhost:0", "tcp://localhost:70000", "tcp://a b:1"],
)  # fmt: skip
def test_wrong_address_is_one_line_and_code_2(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*THREE, "--output", str(tmp_path / "out"), "--cluster", address]) == 2
    error = capsys.readouterr().err
    assert "cluster: must be local, or the address of a Dask scheduler, such as tcp://" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("ca_file", "says"),
    [(None, "tls:// wants certificates"), ("/missing.pem", "certificates can't be read: ")],
)
def test_tls_without_certificates(
    ca_file: str | None, says: str, fake: FakeRuns, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    import dask

    names = ("ca-file", "client.cert", "client.key")
    argv = [*THREE, "--output", str(tmp_path / "out"), "--cluster", "tls://127.0.0.1:9"]
    with dask.config.set({f"distributed.comm.tls.{name}": ca_file for name in names}):
        assert main(argv) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_right_addresses() -> None:
    for address in ("local", "tcp://192.168.0.5:8786", "tls://head.example:1", "tcp://[::1]:8786"):
        check_address(address)


def test_address_given_as_the_schedule_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*THREE, "--scheduler", "tcp://localhost:8786"]) == 2
    assert "named by --cluster tcp://localhost:8786" in capsys.readouterr().err


def test_scheduler_that_is_not_there(
    fake: FakeRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(connection, "CONNECT", 0.5)
    argv = [*THREE, "--output", str(tmp_path / "out"), "--cluster", "tcp://127.0.0.1:9"]
    assert main(argv) == 1
    error = capsys.readouterr().err
    assert "tcp://127.0.0.1:9 can't be reached within" in error
    assert error.count("\n") == 1


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Starts a scheduler, and workers with their own environment; ends all of them."""
    monkeypatch.setenv("NPNET_BACKEND", "numpy")
    file, started = tmp_path / "scheduler.json", []

    def begin(what: str, *flags: str, **environment: str) -> Any:
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}"]
        command += ["--scheduler-file", str(file), *flags]
        process = subprocess.Popen(
            command, env=os.environ | environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, cwd=tmp_path,
        )  # fmt: skip
        started.append(process)
        wait(file.exists)
        return process

    yield begin
    for process in reversed(started):
        process.kill()
        process.wait()


SCHEDULER = ["--port", "0", "--no-dashboard", "--host", "127.0.0.1"]
WORKER = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0"]


@pytest.mark.slow
def test_scheduler_that_goes_away(
    alone: Callable[..., Any], small: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler, output = alone("scheduler", *SCHEDULER), tmp_path / "out"
    alone("worker", *WORKER)
    with distributed.Client(scheduler_file=str(tmp_path / "scheduler.json")) as client:
        client.wait_for_workers(1)
        address = address_of(client)
    argv = many_epochs(small, output)
    with subprocess.Popen([*COMPARE, *argv, *address], stderr=subprocess.PIPE) as process:
        last = output / "runs/seed_0/last.safetensors"
        wait(lambda: process.poll() is not None or last.exists())
        scheduler.kill()
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, said
    assert b"error: cluster: the scheduler is gone; what is finished stays" in said
    assert said.count(b"\n") == 1
    assert main([*argv, "--threads", "1"]) == 0  # waits for the run, if the worker still ends it
    assert (output / "report.md").read_text().startswith("# ")


@pytest.mark.slow
def test_worker_with_another_npnet_is_refused(
    alone: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)  # out of a clone, whose npnet Python finds first
    shadow = tmp_path / "older/npnet/__init__.py"
    shadow.parent.mkdir(parents=True)
    real = Path(spec.__file__).parent.parent / "__init__.py"
    shadow.write_text(
        f"__file__ = {str(real)!r}\n__path__ = [{str(real.parent)!r}]\n"
        "exec(open(__file__).read())\n__version__ = '0.0.9'\n"
    )
    alone("scheduler", *SCHEDULER)
    alone("worker", *WORKER, PYTHONPATH=str(shadow.parent.parent))
    with distributed.Client(scheduler_file=str(tmp_path / "scheduler.json")) as client:
        client.wait_for_workers(1)
        (worker,) = client.nthreads()
        address = address_of(client)
    assert main([*THREE, "--output", str(tmp_path / "out"), *address]) == 2
    error = capfd.readouterr().err
    assert f"1 of 1 worker can't make these runs: {worker}: npnet is 0.0.9 (sources" in error
    assert "install npnet" in error
    assert error.count("\n") == 1


def test_without_dask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hide(monkeypatch, "distributed")
    assert main([*THREE, "--output", str(tmp_path / "out"), "--cluster", "local"]) == 2
    line = "npnet compare --cluster needs distributed: pip install 'npnet[dask]'"
    assert line in capsys.readouterr().err


# ---- who may -------------------------------------------------------------------------------------


def told(**facts: str) -> dict[str, dict[str, str]]:
    """What a worker says, that is like the others but for these."""
    return {
        "facts": {"npnet": machine.version(), "BLAS": "Zen"} | facts,
        "data": {"mnist": "mnist"},
    }


def test_what_differs_is_told_with_what_to_do() -> None:
    reference = alike.most_common([told(), told(), told(BLAS="Haswell")], {"a.py": ""})
    assert alike.differences(told(), reference) == ""
    assert alike.differences(told(BLAS="Haswell"), reference) == (
        "BLAS is Haswell, not Zen; the same seed would give other bits: use workers of one kind"
    )
    lacking = told() | {"data": {"mnist": ""}}
    assert alike.differences(lacking, reference) == (
        "mnist is not there: npnet datasets download mnist, or name a shared folder by --data_dir"
    )


def test_data_that_a_machine_has(stripes: Path, tmp_path: Path) -> None:
    grid, _ = parse(["--dataset", str(stripes), "digits", str(tmp_path / "none.npz")])
    asked = machine.asked_of(grid.specs())
    found = machine.found(asked)
    assert found["facts"] == machine.facts()
    assert found["data"][str(stripes)].startswith("checksum ")
    assert found["data"]["digits"] == "digits"
    assert found["data"][str(tmp_path / "none.npz")] == ""
    (tmp_path / "none").mkdir()
    grid, _ = parse(["--dataset", "mnist", "auto", "--data_dir", str(tmp_path / "none")])
    assert machine.found(machine.asked_of(grid.specs()))["data"] == {"mnist": "", "auto": "digits"}


def test_worker_without_the_data_is_refused(
    faked: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--dataset", "mnist", "--data_dir", str(tmp_path / "none"), "--seeds", "2"]
    assert main([*argv, "--output", str(tmp_path / "out"), *address_of(faked)]) == 2
    error = capsys.readouterr().err
    assert "3 of 3 workers can't make these runs: tcp://" in error
    assert "mnist is not there: npnet datasets download mnist" in error


def test_more_threads_than_a_worker_has(
    faked: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [*THREE, "--threads", "4", "--jobs", "2", "--output", str(tmp_path / "out")]
    assert main([*argv, *address_of(faked)]) == 2
    assert "threads: 2 for each run, and no worker has more than 1" in capsys.readouterr().err


def test_runs_are_given_the_memory_they_need(
    faked: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [*THREE, "--output", str(tmp_path / "out"), *address_of(faked)]
    assert main([*argv, "--memory", "1000T"]) == 2
    assert (
        "memory: 1024000.0G for each run, and no worker has more than " in capsys.readouterr().err
    )
    half = available_memory() // 3 // 2**20  # of the machine's three workers each has a third
    assert main([*argv, "--memory", f"{half}M"]) == 0
    assert "3 runs; 3 at once with 1 thread each" in capsys.readouterr().out
    offered = {w["resources"]["npnet memory"] for w in faked.scheduler_info()["workers"].values()}
    assert offered == {available_memory() // 3}
