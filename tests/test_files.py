"""Files: a user's path is read as it is meant; what is written is whole or not there."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from npnet.base import files as _files
from npnet.base.files import atomic_write, open_regular, printable, user_path
from tests.alarm import ends_within

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


# ---- reading -----------------------------------------------------------------------------------


@pytest.fixture
def in_time() -> Iterator[None]:
    """Fail, and do not hang, where a pipe is waited for."""
    with ends_within(20, AssertionError("waited for a writer")):
        yield


def test_path_of_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/a") == tmp_path / "a"
    assert user_path(Path("~") / "a") == tmp_path / "a"
    assert user_path("a/~") == Path("a/~")
    assert user_path(os.fsdecode(b"caf\xe9")) == Path(os.fsdecode(b"caf\xe9"))  # bytes, no text


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("a\0b", r"NUL character, which no path can; write it without: 'a\\\\x00b'"),
        ("a\ud800", r"half a surrogate pair, .*; write the character itself: 'a\\\\ud800'"),
        ("~nobody-has-this-name/a", r"home folder ~nobody-has-this-name; write .* or \./~nobody"),
    ],
)
def test_path_that_cannot_be(path: str, message: str) -> None:
    for use in (user_path, open_regular):
        with pytest.raises(OSError, match=message) as caught:
            use(path)
        assert caught.value.strerror is not None
        assert "\n" not in str(caught.value)


def test_regular_files_are_opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = path.with_name("link")
    link.symlink_to("file")
    monkeypatch.setenv("HOME", str(path.parent))
    for way in (path, str(path), link, "~/file"):
        with open_regular(way) as file:
            assert file.read() == b"old"


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "device"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str, linked: bool) -> None:
    place = tmp_path / "it"
    with socket.socket(socket.AF_UNIX) as listener:
        if kind == "pipe":
            os.mkfifo(place)
        elif kind == "socket":
            listener.bind(str(place))
        elif kind == "folder":
            place.mkdir()
        else:
            place = Path("/dev/zero")
        if linked:
            (tmp_path / "link").symlink_to(place)
            place = tmp_path / "link"
        said = "Is a directory" if kind == "folder" else f"it is a (named )?{kind}, where a regular"
        with pytest.raises(OSError, match=said) as caught:
            open_regular(place)
    assert caught.value.filename == str(place)


@pytest.mark.usefixtures("in_time")
def test_pipe_that_comes_in_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "it")
    regular = os.stat(__file__)
    monkeypatch.setattr(_files.os, "stat", lambda path: regular)
    with pytest.raises(OSError, match="it is a named pipe"):
        open_regular(tmp_path / "it")


def test_system_errors_stay(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="Too many levels"):
        open_regular(tmp_path / "loop")
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")
    with pytest.raises(OSError, match="File name too long"):
        open_regular(tmp_path / ("n" * 300))


def test_printable() -> None:
    assert printable("Zürich/a b.npz") == "Zürich/a b.npz"
    assert printable("a\nb\x1b[31m") == r"a\nb\x1b[31m"
    assert printable(os.fsdecode(b"\xff")) == r"\udcff"
    assert printable("/" + "a" * 5000 + ".npz").endswith("a.npz")
    assert len(printable("a" * 5000)) <= 200
