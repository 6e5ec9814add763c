"""atomic_write: the file is the old or the new one, whatever happens in between."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from npnet import _files
from npnet._files import atomic_write

STEPS = ["open", "os.fsync", "os.chmod", "os.replace"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that is there already."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    return path


def _failing(error: BaseException) -> Callable[..., NoReturn]:
    def fail(*args: Any, **kwargs: Any) -> NoReturn:
        raise error

    return fail


def test_writes_and_replaces(path: Path) -> None:
    atomic_write(path, b"new")
    atomic_write(str(path.with_name("other")), b"")
    assert path.read_bytes() == b"new"
    assert sorted(os.listdir(path.parent)) == ["file", "other"]


def test_writes_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    atomic_write("file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_name_of_the_greatest_length(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 127)  # 254 bytes
    atomic_write(path, b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device", "beside"), KeyboardInterrupt()]
)
def test_error_leaves_the_previous_file_alone(
    path: Path, step: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, _, name = step.rpartition(".")
    owner = getattr(_files, target) if target else _files
    monkeypatch.setattr(owner, name, _failing(error), raising=bool(target))
    with pytest.raises(type(error)) as caught:
        atomic_write(path, b"new")
    monkeypatch.undo()
    if isinstance(caught.value, OSError):
        assert caught.value.errno == errno.ENOSPC
        assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == ["file"]


def test_is_synced_before_it_is_moved(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = []

    def fsync(handle: int) -> None:
        folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        done.append("folder" if folder else os.fstat(handle).st_size)

    replace = os.replace
    monkeypatch.setattr(_files.os, "fsync", fsync)
    monkeypatch.setattr(_files.os, "replace", lambda *args: done.append("moved") or replace(*args))
    atomic_write(path, b"12345")
    assert done == [5, "moved", "folder"]


def test_full_disk() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("the system has no /dev/full")
    with pytest.raises(OSError, match="/dev/full") as caught:
        atomic_write("/dev/full", b"data")
    assert caught.value.errno == errno.ENOSPC
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)  # still the device


@pytest.mark.parametrize(
    ("name", "error"),
    [("", IsADirectoryError), ("missing/file", FileNotFoundError), ("file/x", NotADirectoryError)],
)
def test_no_file_can_be_there(path: Path, name: str, error: type[OSError]) -> None:
    wrong = path.parent / name
    with pytest.raises(error) as caught:
        atomic_write(wrong, b"new")
    assert caught.value.filename == str(wrong)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_without_permission(path: Path) -> None:
    path.chmod(0o444)
    with pytest.raises(PermissionError):
        atomic_write(path, b"new")
    path.parent.chmod(0o555)
    with pytest.raises(PermissionError):
        atomic_write(path.with_name("other"), b"new")
    path.parent.chmod(0o755)
    assert path.read_bytes() == b"old"


def test_read_only_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_files.os, "access", lambda path, mode: False)  # as where root runs tests
    with pytest.raises(PermissionError, match="file"):
        atomic_write(path, b"new")
    assert path.read_bytes() == b"old"


def test_permissions(path: Path) -> None:
    path.chmod(0o640)
    atomic_write(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    other = path.with_name("other")
    umask = os.umask(0o027)
    try:
        atomic_write(other, b"new")
    finally:
        os.umask(umask)
    assert stat.S_IMODE(other.stat().st_mode) == 0o640


def test_link_is_followed(path: Path) -> None:
    link = path.with_name("link")
    link.symlink_to("file")
    atomic_write(link, b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
