"""Signals that end a command: at every moment one line and the exit code, and no file torn."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from npnet.base import signals as _signals
from npnet.runs.commands import run_command
from npnet.runs.errors import ConfigError
from tests.campaign import trials

HANDLER = signal.default_int_handler
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
PATIENCE = 120.0  # seconds, on a machine that does much else


@pytest.fixture(autouse=True)
def _handler() -> object:
    """As in a program that was started at a terminal; a shell's background jobs ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, HANDLER)
    yield
    signal.signal(signal.SIGINT, before)


def press(number: int = signal.SIGINT) -> None:
    signal.raise_signal(number)


# ---- held --------------------------------------------------------------------------------------


def test_a_held_signal_comes_afterwards() -> None:
    done = False
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012  # which statement raises is the test
        with _signals.held():
            with _signals.held():
                press()
            done = True
        done = False
    assert done
    assert signal.getsignal(signal.SIGINT) is HANDLER


def test_users_handler_is_called_afterwards() -> None:
    calls: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: calls.append(number))
    with _signals.held():
        press()
        assert not calls
    assert calls == [signal.SIGINT]


def test_an_error_in_a_held_block_gives_way_to_the_signal() -> None:
    with pytest.raises(KeyboardInterrupt), _signals.held():  # noqa: PT012  # two statements
        press()
        raise RuntimeError("no compiled object yet")


def test_other_threads_hold_nothing() -> None:
    found: list[object] = []

    def work() -> None:
        with _signals.held():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [HANDLER]


def test_kernels_are_compiled_undisturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Python drops in LLVM's callbacks comes when the compiler is done."""
    pytest.importorskip("numba")
    from npnet.kernels import _jit

    finished = []

    class Dispatcher:
        py_func = press

        def compile(self, signature: object) -> None:
            press()
            finished.append(signature)

    dispatcher = _jit._with_cache(Dispatcher(), None)
    with pytest.raises(KeyboardInterrupt):
        dispatcher.compile("float32")
    assert finished == ["float32"]


# ---- commands ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_ends_a_command(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    before = [signal.getsignal(n) for n in SIGNALS]
    assert run_command(lambda: press(number), "x", "stopped") == 128 + number
    assert capsys.readouterr().err == "x: stopped\n"
    assert [signal.getsignal(n) for n in SIGNALS] == before


def as_another() -> None:
    try:
        press()
    except KeyboardInterrupt:
        raise RuntimeError("no compiled object yet") from None


def in_a_callback() -> None:
    ctypes.CFUNCTYPE(None)(press)()  # which drops the exception
    time.sleep(PATIENCE)


def in_a_finalizer() -> None:
    class Closed:
        def __del__(self) -> None:
            press()

    Closed()
    time.sleep(PATIENCE)


def twice() -> None:
    try:
        press()
    finally:
        press()


def held_twice() -> None:
    with _signals.held():
        press()
        press()


@pytest.mark.parametrize("work", [as_another, in_a_callback, in_a_finalizer, twice, held_twice])
def test_signal_is_not_lost(work: Callable[[], None], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(work, "x", "stopped") == 130
    assert capsys.readouterr().err == "x: stopped\n"


def test_errors_after_a_stopped_command_are_errors(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ConfigError("wrong")

    assert run_command(press, "x", "stopped") == 130
    assert run_command(fail, "x", "stopped") == 2
    assert capsys.readouterr().err.endswith("x: error: wrong\n")


def test_ignored_signals_stay_ignored(capsys: pytest.CaptureFixture[str]) -> None:
    """As after nohup, and in the background of a shell."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run_command(lambda: press(signal.SIGHUP), "x", "stopped") == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("argv", "started", "expected"),
    [
        (["-m", "--lr", "1"], ["python", "-X", "dev", "-m", "npnet.train", "--lr", "1"], True),
        (["-m"], ["python", "-mreference.train"], True),
        (["-m", "train"], ["python", "-m", "npnet", "train"], True),
        (["-m", "tests"], ["python", "-m", "pytest", "tests"], False),
        (["-m"], ["python", "-m", "npnetwork.train"], False),
        (["/usr/bin/npnet", "train"], ["python", "/usr/bin/npnet", "train"], True),
        (["-c"], ["python", "-c", "import npnet.train"], False),
        (["train.py"], ["python", "train.py"], False),
        ([""], ["python"], False),
    ],
)
def test_only_commands_heed_signals_from_the_start(
    argv: list[str], started: list[str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", started)
    assert _signals._is_command() == expected


# ---- processes ---------------------------------------------------------------------------------


def started(folder: Path, module: str, *flags: str, **environment: str) -> subprocess.Popen[str]:
    """A command, from the moment on when it heeds signals."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *flags],
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    status, handled = Path(f"/proc/{process.pid}/status"), 0
    latest = time.monotonic() + PATIENCE
    while not handled & 1 << signal.SIGTERM - 1 and time.monotonic() < latest:
        lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
        handled = int(lines["SigCgt"], 16)
    return process


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code, and the last line of what it said on stderr."""
    with process:
        _, error = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in error
    assert "Exception ignored" not in error
    return process.returncode, (error.splitlines() or [""])[-1]


linux = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc for the moment")


@linux
@pytest.mark.parametrize("number", SIGNALS)
def test_signal_while_npnet_is_imported(tmp_path: Path, number: int) -> None:
    process = started(tmp_path, "npnet", "train", "--dataset", "digits")
    process.send_signal(number)
    code, said = ended(process)
    assert code == 128 + number
    assert said == "npnet: stopped"
    assert not list(tmp_path.iterdir())


def whole(folder: Path) -> None:
    """Fail unless every file that a command left can be read."""
    from npnet.comparison.outcome import read_columns, read_json
    from npnet.serialization import load

    for path in folder.rglob("*"):
        assert not path.name.endswith(".tmp"), path
        if path.suffix == ".safetensors":
            assert load(path)
        elif path.suffix == ".json":
            assert read_json(path)
        elif path.name == "metrics.csv":
            assert read_columns(path)
        elif path.suffix == ".png":
            assert path.read_bytes().endswith(b"IEND\xaeB`\x82")


def commands(compiled: bool) -> list[Sequence[str]]:
    train = ("npnet.train", "--model", "mlp", "--dataset", "digits", "--epochs", "2")
    fit = ("npnet.fit_function", "--epochs", "300")
    return [train] if compiled else [train, fit]


@linux
@pytest.mark.campaign
@pytest.mark.parametrize("backend", ["numpy", "numba"][: trials(1, 2)])
def test_campaign_of_interrupts(tmp_path: Path, backend: str) -> None:
    """At random moments of import, start, training, pictures and exit.

    The large form also compiles everything anew in each run, and is interrupted there.
    """
    rng = np.random.default_rng(13)
    length = 12.0 if backend == "numba" else 4.0  # seconds of a whole run, and more
    for case in range(trials(2, 30)):
        folder = tmp_path / str(case)
        folder.mkdir()
        known = commands(backend == "numba")
        command, *flags = known[case % len(known)]
        environment = {"NPNET_BACKEND": backend}
        if backend == "numba":
            environment |= {"NUMBA_CACHE_DIR": str(folder / "kernels")}
        process = started(folder, command, *flags, **environment)
        number = SIGNALS[rng.integers(3)]
        for _ in range(rng.integers(1, 4)):  # the user presses it again
            time.sleep(length * rng.random() ** 2)
            if process.poll() is None:
                process.send_signal(number)
        code, said = ended(process)
        assert code in (0, 128 + number), said
        if code:
            assert ": stopped" in said or not said
        whole(folder)
