"""Downloads from a server on this machine that fails in every way a mirror can."""

from __future__ import annotations

import errno
import hashlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from npnet.datasets import DownloadError, _fetch
from npnet.datasets._fetch import fetch

CONTENT = bytes(range(256)) * 4096
HALF = len(CONTENT) // 2
FILE = {"file.gz": hashlib.sha256(CONTENT).hexdigest()}


class Mirrors(BaseHTTPRequestHandler):
    """The first part of the path says how the file is served."""

    asked: ClassVar[list[str]] = []  # path, and the range asked for

    def do_GET(self) -> None:
        how, asked = self.path.split("/")[1], self.headers.get("Range", "")
        type(self).asked.append(f"{self.path} {asked}".strip())
        content = CONTENT[::-1] if how == "wrong" else CONTENT
        start = int(asked.removeprefix("bytes=").rstrip("-") or 0)
        if how in ("missing", "no-ranges", "wrong"):
            start = 0
        status = 404 if how == "missing" else 206 if start else 200
        body = b"" if how == "missing" else content[start:]
        if start >= len(content):
            status, body = 416, b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 206:
            at = 0 if how == "other-range" else start
            self.send_header("Content-Range", f"bytes {at}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if how in ("cut", "stall") and status == 200:
            body = body[:HALF]
        self.wfile.write(body)
        if how == "stall":
            self.wfile.flush()
            time.sleep(1)

    def log_message(self, *args: Any) -> None:
        """Stay silent."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(Mirrors, "asked", [])
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirrors) as http:
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def names(folder: Path) -> list[str]:
    """The files of a folder; the lock may stay, as older versions of filelock leave it."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def test_download(server: str, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "mnist"
    assert fetch(FILE, [f"{server}/good/"], folder) == [folder / "file.gz"]
    assert (folder / "file.gz").read_bytes() == CONTENT
    assert names(folder) == ["file.gz"]
    assert (folder / "file.gz").stat().st_mode & 0o444 == 0o444, "others may read it"


def test_second_mirror_serves_where_the_first_fails(server: str, tmp_path: Path) -> None:
    for first in ("missing", "wrong", "cut"):
        folder = tmp_path / first
        fetch(FILE, [f"{server}/{first}/", f"{server}/good/"], folder)
        assert names(folder) == ["file.gz"]
        assert (folder / "file.gz").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("missing", "HTTP 404"),
        ("wrong", "what arrived has the wrong checksum"),
        ("cut", f"{HALF} bytes read"),
        ("stall", "no answer in time|timed out"),
    ],
)
def test_every_mirror_fails(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, reason: str
) -> None:
    monkeypatch.setattr(_fetch, "_PAUSE", 0.2)
    with pytest.raises(DownloadError, match=rf"/{how}/ \([^;]*({reason})[^;]*\); \S*/wrong/ \("):
        fetch(FILE, [f"{server}/{how}/", f"{server}/wrong/"], tmp_path)
    assert names(tmp_path) == [], "the last mirror's whole was wrong and is thrown away"


def test_unreachable_mirrors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,mirror.invalid")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DownloadError, match=r"\(Connection refused\); .*invalid/ \(.*[Nn]ame"):
        fetch(FILE, [f"http://127.0.0.1:{port}/", "http://mirror.invalid/"], tmp_path)


def test_a_silent_mirror_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(_fetch, "_ANSWER", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts and never answers
        begin = time.monotonic()
        with pytest.raises(DownloadError, match=r"\(no answer in time\)"):
            fetch(FILE, [f"http://127.0.0.1:{silent.getsockname()[1]}/"], tmp_path)
        assert time.monotonic() - begin < 5


def test_a_mirror_that_failed_is_asked_last_for_the_next_file(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    original = _fetch._fetch_from
    monkeypatch.setattr(
        _fetch, "_fetch_from", lambda url, *rest: asked.append(url) or original(url, *rest)
    )
    two = {"a.gz": FILE["file.gz"], "b.gz": FILE["file.gz"]}
    fetch(two, [f"{server}/missing/", f"{server}/good/"], tmp_path)
    assert [url.removeprefix(server) for url in asked] == [
        "/missing/a.gz",
        "/good/a.gz",
        "/good/b.gz",
    ]


def test_md5(server: str, tmp_path: Path) -> None:
    md5 = hashlib.md5(CONTENT).hexdigest()
    fetch({"file.gz": f"md5:{md5}"}, [f"{server}/good/"], tmp_path)
    assert (tmp_path / "file.gz").read_bytes() == CONTENT
    with pytest.raises(DownloadError, match="wrong checksum"):
        fetch({"other.gz": f"md5:{md5[::-1]}"}, [f"{server}/good/"], tmp_path)


def test_a_file_that_is_there_is_not_asked_for(server: str, tmp_path: Path) -> None:
    for _ in range(2):
        fetch(FILE, [f"{server}/good/"], tmp_path)
    assert Mirrors.asked == ["/good/file.gz"]


@pytest.mark.parametrize(
    ("part", "mirrors", "asked"),
    [
        (CONTENT[:1000], ["good"], ["good bytes=1000-"]),
        (b"", ["good"], ["good"]),
        (CONTENT[:1000], ["no-ranges"], ["no-ranges bytes=1000-"]),
        (CONTENT, ["good"], [f"good bytes={len(CONTENT)}-"]),
        (b"older" * 100, ["good"], ["good bytes=500-", "good"]),
        (CONTENT + b"more", ["good"], [f"good bytes={len(CONTENT) + 4}-", "good"]),
        (CONTENT[:9], ["missing", "good"], ["missing bytes=9-", "good bytes=9-"]),
        (CONTENT[:9], ["other-range", "good"], ["other-range bytes=9-", "good bytes=9-"]),
        (CONTENT[:9], ["wrong", "good"], ["wrong bytes=9-", "good"]),
        (b"", ["cut", "good"], ["cut", f"good bytes={HALF}-"]),
        (b"", ["cut", "no-ranges"], ["cut", f"no-ranges bytes={HALF}-"]),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else "+".join(value),
)
def test_resume(
    server: str, tmp_path: Path, part: bytes, mirrors: list[str], asked: list[str]
) -> None:
    """From where it broke off, at whatever mirror; a wrong whole is fetched anew."""
    (tmp_path / "file.gz.part").write_bytes(part)
    fetch(FILE, [f"{server}/{how}/" for how in mirrors], tmp_path)
    assert (tmp_path / "file.gz").read_bytes() == CONTENT
    assert names(tmp_path) == ["file.gz"]
    assert [line.replace("/file.gz", "").lstrip("/") for line in Mirrors.asked] == asked


def test_killed_in_the_middle(server: str, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from npnet.datasets._fetch import fetch;"
        f"fetch({FILE!r}, ['{server}/stall/'], pathlib.Path(sys.argv[1]))"
    )
    part = tmp_path / "file.gz.part"
    run = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.DEVNULL)
    for _ in range(3000):
        if part.exists() and part.stat().st_size:
            break
        time.sleep(0.01)
    run.kill()
    run.wait(60)
    have = part.stat().st_size
    assert 0 < have <= HALF
    assert names(tmp_path) == ["file.gz.part"]
    fetch(FILE, [f"{server}/good/"], tmp_path)
    assert Mirrors.asked[-1] == f"/good/file.gz bytes={have}-"
    assert (tmp_path / "file.gz").read_bytes() == CONTENT
    assert names(tmp_path) == ["file.gz"]


def fail_in_the_middle(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the second block of a download raise."""
    import requests

    original = requests.Response.iter_content

    def iter_content(self: requests.Response, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        yield next(original(self, 1024))
        self.close()
        raise error

    monkeypatch.setattr(requests.Response, "iter_content", iter_content)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")]
)
def test_what_arrived_before_an_error_is_kept(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    with monkeypatch.context() as patch:
        fail_in_the_middle(patch, error)
        expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else DownloadError
        with pytest.raises(expected) as caught:
            fetch(FILE, [f"{server}/good/", f"{server}/good/"], tmp_path)
    if expected is DownloadError:
        start = f"file.gz could not be written to {tmp_path}: No space left"
        assert str(caught.value).startswith(start)
    assert names(tmp_path) == ["file.gz.part"]
    fetch(FILE, [f"{server}/good/"], tmp_path)
    assert Mirrors.asked == ["/good/file.gz", "/good/file.gz bytes=1024-"]
    assert names(tmp_path) == ["file.gz"]


def test_folder_that_cannot_be_made(server: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match=r"could not be written to .*: Not a directory"):
        fetch(FILE, [f"{server}/good/"], tmp_path / "file" / "mnist")


def test_folder_without_permission(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("os.mkdir", refuse)  # chmod would not keep out an administrator
    with pytest.raises(DownloadError, match=r"could not be written to .*: Permission denied; free"):
        fetch(FILE, [f"{server}/good/"], tmp_path / "new")


def test_two_processes_at_once(server: str, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from npnet.datasets._fetch import fetch;"
        f"fetch({FILE!r}, ['{server}/good/'], pathlib.Path(sys.argv[1]))"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(2)]
    assert [run.wait(60) for run in runs] == [0, 0]
    assert names(tmp_path) == ["file.gz"]
    assert (tmp_path / "file.gz").read_bytes() == CONTENT
    assert Mirrors.asked == ["/good/file.gz"]


def test_the_second_of_two_waits_and_says_so(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with _fetch._locked(tmp_path):
        second = threading.Thread(target=fetch, args=(FILE, [f"{server}/good/"], tmp_path))
        second.start()
        second.join(0.3)
        assert second.is_alive()
        assert names(tmp_path) == []
    second.join(30)
    assert names(tmp_path) == ["file.gz"]
    assert f"another process downloads to {tmp_path}; waiting" in capsys.readouterr().err


def test_a_terminal_sees_a_bar(
    server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fetch(FILE, [f"{server}/good/"], tmp_path / "plain")
    assert "MB" not in capsys.readouterr().err
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes stderr for a terminal
    monkeypatch.setenv("TERM", "xterm")
    fetch(FILE, [f"{server}/cut/", f"{server}/good/"], tmp_path / "bar")
    shown = capsys.readouterr().err
    assert "file.gz" in shown
    assert "1.0/1.0 MB" in shown
