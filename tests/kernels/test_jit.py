"""The kernel cache: kept once, safe between processes, and never a reason to fail."""

from __future__ import annotations

import cProfile
import os
import pickle
import shutil
import stat
import subprocess
import sys
import time
import types
from pathlib import Path

import numba
import pytest

from npnet.kernels import _jit, _pool

CODE = """
import numpy as np
from npnet.kernels import lanes
x = np.arange(40, dtype=np.float32).reshape(20, 2)
assert (lanes.from_lanes(lanes.to_lanes(x), 20) == x).all()
"""
COMPILING = "compiling kernels that are new to this machine"


def start(cache: Path, code: str = CODE) -> subprocess.Popen[str]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    return subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> str:
    _, messages = process.communicate(timeout=120)
    assert process.returncode == 0, messages
    return messages


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder of compiled kernels, not to be changed, and what was said of it."""
    folder = tmp_path_factory.mktemp("kernels")
    return folder, finish(start(folder))


@pytest.mark.slow
def test_compiles_once_and_says_so(compiled: tuple[Path, str]) -> None:
    folder, messages = compiled
    assert messages.count(f"{COMPILING}; they are kept") == 1
    assert finish(start(folder)) == ""


@pytest.mark.slow
def test_two_processes_at_once(tmp_path: Path) -> None:
    both = [start(tmp_path), start(tmp_path)]
    for process in both:
        assert COMPILING in finish(process)
    assert finish(start(tmp_path)) == ""


@pytest.mark.slow
def test_a_torn_file_is_compiled_anew(compiled: tuple[Path, str], tmp_path: Path) -> None:
    shutil.copytree(compiled[0], tmp_path, dirs_exist_ok=True)
    kept = [p for p in tmp_path.rglob("*") if p.suffix in (".nbi", ".nbc")]
    assert kept
    for path in kept:
        path.write_bytes(path.read_bytes()[:40])
    assert COMPILING in finish(start(tmp_path))


@pytest.mark.slow
def test_nowhere_to_keep_them(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    messages = finish(start(file))  # a file where a folder should be: also for root
    assert messages.count("RuntimeWarning: compiled kernels can't be kept") == 1
    assert f"{COMPILING}; they are kept" not in messages


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write anywhere")
def test_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert "RuntimeWarning: compiled kernels can't be kept" in finish(start(tmp_path))


def test_users_own_cache_folder_is_left_alone(compiled: tuple[Path, str]) -> None:
    code = f"{CODE}import numba\nassert numba.config.CACHE_DIR == {str(compiled[0])!r}"
    finish(start(compiled[0], code))


def test_digest_follows_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _jit._digest()
    (tmp_path / "kernel.py").write_text("x = 1")
    monkeypatch.setattr(_jit, "__file__", str(tmp_path / "_jit.py"))
    other = _jit._digest()
    (tmp_path / "kernel.py").write_text("x = 2")
    assert len({before, other, _jit._digest()}) == 3


def test_unused_folders_of_other_versions_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_jit.numba_config, "CACHE_DIR", str(tmp_path))
    old, recent, foreign = (tmp_path / f"kernels-{name}" for name in ("0" * 16, "1" * 16, "mine"))
    for folder in (old, recent, foreign):
        folder.mkdir()
        (folder / "kernel.nbc").write_bytes(b"code")
    for folder in (old, foreign):
        os.utime(folder, (0, 0))
    ours = _jit.make_folder()
    assert sorted(tmp_path.iterdir()) == sorted([ours, recent, foreign])


def test_the_folder_in_use_is_never_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_jit.numba_config, "CACHE_DIR", str(tmp_path))
    ours = _jit.make_folder()
    (ours / "kernel.nbc").write_bytes(b"code")
    os.utime(ours, (0, 0))
    assert _jit.make_folder() == ours
    assert (ours / "kernel.nbc").exists()
    assert time.time() - ours.stat().st_mtime < 60  # used now


def test_threads() -> None:
    before = _jit.get_num_threads()
    _jit.set_num_threads(1)
    assert _jit.get_num_threads() == 1
    _jit.set_num_threads(10_000)
    assert _jit.get_num_threads() >= before
    _jit.set_num_threads(before)


def test_pytorch_keeps_its_number_of_threads() -> None:
    ask = "assert torch.get_num_threads() == 3\n"  # asked before, it has begun to go by the number
    code = f"import torch\ntorch.set_num_threads(3)\n{ask}{CODE}{ask}"
    environment = {**os.environ, "NUMBA_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have another OpenMP")
@pytest.mark.parametrize(
    ("users", "spins"),
    [({}, _pool.SPINS), ({"GOMP_SPINCOUNT": "77"}, "77"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "0")],
)
def test_waiting_threads_sleep_soon(users: dict[str, str], spins: str) -> None:
    code = f"import os\nbefore = dict(os.environ)\n{CODE}assert dict(os.environ) == before"
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "OMP_DISPLAY_ENV": "VERBOSE", **users},
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    ).stderr
    assert f"GOMP_SPINCOUNT = '{spins}'" in told


@pytest.mark.slow
def test_plans_of_other_packages_leave_the_index_readable(tmp_path: Path) -> None:
    of_tests = "from tests.kernels import test_task\ntest_task.test_programs_take_plans()"
    assert COMPILING in finish(start(tmp_path, of_tests))
    indices = [path.read_bytes() for path in tmp_path.rglob("program.*.nbi")]
    assert indices
    assert not any(b"test_task" in index for index in indices)


class _Raises:
    """Unpickles to an error that no one thought of."""

    def __reduce__(self) -> tuple[object, ...]:
        return __import__, ("no_such_module",)


@pytest.mark.slow
def test_an_index_that_names_what_is_gone_is_begun_anew(
    compiled: tuple[Path, str], tmp_path: Path
) -> None:
    shutil.copytree(compiled[0], tmp_path, dirs_exist_ok=True)
    for path in tmp_path.rglob("*.nbi"):
        path.write_bytes(pickle.dumps(numba.__version__) + pickle.dumps(_Raises()))
    assert COMPILING in finish(start(tmp_path))
    assert finish(start(tmp_path)) == ""


def test_a_profiler_sees_nothing_of_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_jit, "_folder", lambda: None)  # nothing is kept of a test's kernel
    seen: set[str] = set()

    def observer(frame: types.FrameType, event: str, arg: object) -> None:
        seen.add(str(frame.f_globals.get("__name__")))

    @_jit.kernel
    def added(a, b):  # type: ignore[no-untyped-def] # as kernels are
        return a + b

    before = sys.getprofile()
    sys.setprofile(observer)
    try:
        assert added(1, 2) == 3
        assert sys.getprofile() is observer
    finally:
        sys.setprofile(before)
    assert not [name for name in seen if name.startswith("numba.core.typeinfer")]


def test_cprofile_goes_on_after_a_kernel_was_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until Python 3.12 it stands in the profiler's place as an object, which nobody may call."""
    monkeypatch.setattr(_jit, "_folder", lambda: None)

    @_jit.kernel
    def taken(a, b):  # type: ignore[no-untyped-def] # as kernels are
        return a - b

    profile = cProfile.Profile()
    profile.enable()
    try:
        assert taken(3, 2) == 1
        divmod(7, 3)
    finally:
        profile.disable()
    assert any("divmod" in str(entry.code) for entry in profile.getstats())
