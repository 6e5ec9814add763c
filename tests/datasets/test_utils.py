"""datasets.utils: downloads from a server on this machine, archives, and what they may not do."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from npnet.datasets import DataError, DownloadError, utils

CONTENT = b"pictures " * 1000
MD5 = hashlib.md5(CONTENT).hexdigest()
# Named, since bytes that hold the time of their making are no name that two workers share.
ARCHIVES = ("tar", "tgz", "tar.bz2", "tar.xz", "gz", "bz2", "xz", "zip")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = archive("w:gz") if self.path.endswith(".tar.gz") else CONTENT
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def archive(mode: str, name: str = "sub/a.txt", kind: bytes = tarfile.REGTYPE) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as tar:  # type: ignore[call-overload]
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd"
        member.size = len(CONTENT) if kind == tarfile.REGTYPE else 0
        tar.addfile(member, io.BytesIO(CONTENT))
    return stream.getvalue()


def test_a_file_is_downloaded_once(server: str, tmp_path: Path) -> None:
    utils.download_url(f"{server}/a.bin", tmp_path, md5=MD5)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    utils.download_url("http://127.0.0.1:1/a.bin", str(tmp_path), md5=MD5)  # nobody is asked
    utils.download_url(f"{server}/a.bin", tmp_path, "b.bin")
    assert utils.check_integrity(tmp_path / "b.bin", MD5)
    (tmp_path / "a.bin").write_bytes(b"other")
    utils.download_url(f"{server}/a.bin", tmp_path, md5=MD5)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_nothing_of_an_attempt_without_checksum_is_kept(server: str, tmp_path: Path) -> None:
    (tmp_path / "a.bin.part").write_bytes(b"half of something else")
    utils.download_url(f"{server}/a.bin", tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_what_is_not_to_be_had_is_told(server: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"missing\.bin could not be downloaded.*404"):
        utils.download_url(f"{server}/missing.bin", tmp_path)
    with pytest.raises(DownloadError, match="wrong checksum"):
        utils.download_url(f"{server}/a.bin", tmp_path, md5="0" * 32)
    assert not (tmp_path / "a.bin").exists()


def test_an_archive_is_downloaded_and_unpacked(server: str, tmp_path: Path) -> None:
    utils.download_and_extract_archive(
        f"{server}/a.tar.gz", tmp_path / "down", tmp_path / "out", remove_finished=True
    )
    assert (tmp_path / "out/sub/a.txt").read_bytes() == CONTENT
    assert list((tmp_path / "down").glob("*.gz")) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tar", archive("w")),
        ("a.tgz", archive("w:gz")),
        ("a.tar.bz2", archive("w:bz2")),
        ("a.tar.xz", archive("w:xz")),
        ("a.txt.gz", gzip.compress(CONTENT)),
        ("a.txt.bz2", bz2.compress(CONTENT)),
        ("a.txt.xz", lzma.compress(CONTENT)),
        ("a.zip", None),
    ],
    ids=ARCHIVES,
)
def test_archives(name: str, content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / name
    if content is None:
        with zipfile.ZipFile(path, "w") as zipped:
            zipped.writestr("sub/a.txt", CONTENT)
    else:
        path.write_bytes(content)
    is_one = ".txt" in name
    made = utils.extract_archive(str(path), str(tmp_path / "out"))
    assert made == str(tmp_path / "out" / ("a.txt" if is_one else "")).rstrip("/")
    file = tmp_path / "out" / ("a.txt" if is_one else "sub/a.txt")
    assert file.read_bytes() == CONTENT
    broken = tmp_path / f"b{''.join(path.suffixes)}"
    broken.write_bytes(path.read_bytes()[: len(path.read_bytes()) // 2])
    if not name.endswith("a.tar"):  # half of it may be a whole one
        with pytest.raises(DataError, match="damaged"):
            utils.extract_archive(broken)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("../a.txt", tarfile.REGTYPE), ("/tmp/a.txt", tarfile.REGTYPE), ("link", tarfile.SYMTYPE)],
)
def test_an_archive_writes_nothing_elsewhere(name: str, kind: bytes, tmp_path: Path) -> None:
    path = tmp_path / "in/a.tar"
    path.parent.mkdir()
    path.write_bytes(archive("w", name, kind))
    with pytest.raises(DataError, match=r"leads out of the folder|is no file and no folder"):
        utils.extract_archive(path, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(RuntimeError, match="must end in one of"):
        utils.extract_archive(tmp_path / "a.rar")


def test_names(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "b").mkdir()
    assert utils.list_files(tmp_path, ".png") == ["a.png"]
    assert utils.list_dir(tmp_path, prefix=True) == [str(tmp_path / "b")]
    assert utils.verify_str_arg("a", "split", ("a", "b")) == "a"
    with pytest.raises(ValueError, match=r"Unknown value 'c' for argument split.*'a', 'b'"):
        utils.verify_str_arg("c", "split", ("a", "b"))
    with pytest.raises(ValueError, match="Expected type str for argument split"):
        utils.verify_str_arg(1, "split")  # type: ignore[type-var]
