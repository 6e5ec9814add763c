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
from typing import Any

import pytest

from npnet.datasets import DownloadError, _fetch
from npnet.datasets._fetch import fetch

CONTENT = bytes(range(256)) * 4000
FILE = {"file.gz": hashlib.sha256(CONTENT).hexdigest()}


class Mirrors(BaseHTTPRequestHandler):
    """The first part of the path says how the file is served."""

    def do_HEAD(self) -> None:
        self._begin(len(CONTENT))

    def do_GET(self) -> None:
        if self._begin(len(CONTENT)):
            if self.path.startswith("/wrong/"):
                self.wfile.write(CONTENT[::-1])
            elif self.path.startswith("/cut/"):
                self.wfile.write(CONTENT[: len(CONTENT) // 2])
            elif self.path.startswith("/stall/"):
                self.wfile.write(CONTENT[: len(CONTENT) // 2])
                self.wfile.flush()
                time.sleep(1)
            else:
                self.wfile.write(CONTENT)

    def _begin(self, length: int) -> bool:
        missing = self.path.startswith("/missing/")
        self.send_response(404 if missing else 200)
        self.send_header("Content-Length", "0" if missing else str(length))
        self.end_headers()
        return not missing

    def log_message(self, *args: Any) -> None:
        """Stay silent."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirrors) as http:
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


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
        ("wrong", "what arrived has the wrong SHA-256"),
        ("cut", "512000 bytes read"),
        ("stall", "no answer in time|timed out"),
    ],
)
def test_every_mirror_fails(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, reason: str
) -> None:
    monkeypatch.setattr(_fetch, "_PAUSE", 0.2)
    with pytest.raises(DownloadError, match=rf"/{how}/ \([^;]*({reason})[^;]*\); \S*/wrong/ \("):
        fetch(FILE, [f"{server}/{how}/", f"{server}/wrong/"], tmp_path)
    assert names(tmp_path) == [], "nothing is left behind, under any name"


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


def fail_in_the_middle(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the second block of a download raise."""
    import requests

    original = requests.Response.iter_content

    def iter_content(self: requests.Response, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        if self.request.method == "HEAD":
            return
        yield next(original(self, 1024))
        self.close()
        raise error

    monkeypatch.setattr(requests.Response, "iter_content", iter_content)


def test_interrupt_leaves_nothing(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_in_the_middle(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        fetch(FILE, [f"{server}/good/"], tmp_path)
    assert names(tmp_path) == []


def test_full_disk(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_in_the_middle(monkeypatch, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(DownloadError, match=r"file\.gz could not be written to .*: No space left"):
        fetch(FILE, [f"{server}/good/", f"{server}/good/"], tmp_path)
    assert names(tmp_path) == []


def test_folder_that_cannot_be_made(server: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match=r"could not be written to .*: Not a directory"):
        fetch(FILE, [f"{server}/good/"], tmp_path / "file" / "mnist")


def test_folder_without_permission(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("os.makedirs", refuse)  # chmod would not keep out an administrator
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
