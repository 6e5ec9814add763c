"""Odd things where data files are looked for: each is told in a line, and hides no good file."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import socket
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from npnet.datasets import MNIST, DataError, cifar10, default_data_dir, load, read_npz
from tests.alarm import ends_within
from tests.datasets.cifar_files import (
    ARCHIVE,
    FILES,
    FOLDER,
    RECORDS,
    write_archive,
    write_cifar_files,
)
from tests.datasets.idx_files import FILES as IDX_FILES
from tests.datasets.idx_files import write_idx_files

TRAIN_IMAGES, TRAIN_LABELS = IDX_FILES["train"]
Place = Callable[[Path], object]


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """Fail, and do not hang, where a pipe is waited for."""
    with ends_within(60, AssertionError("waited for a writer")):
        yield


def listen(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        before = os.getcwd()
        os.chdir(path.parent)  # a socket's path is short
        listener.bind(path.name)
        os.chdir(before)


ODD: dict[str, tuple[Place, str]] = {
    "folder": (Path.mkdir, "Is a directory"),
    "pipe": (os.mkfifo, "it is a named pipe"),
    "socket": (listen, "it is a socket"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "it is a device"),
    "empty": (Path.touch, "nothing|empty|has no data|bytes"),
    "garbage": (lambda path: path.write_bytes(b"garbage" * 99), ""),
}


def refused(call: Callable[[], object]) -> str:
    """The text of the DataError of a call: one line."""
    with pytest.raises(DataError) as caught:
        call()
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 700
    return text


# ---- .npz --------------------------------------------------------------------------------------


def write_npz(path: Path) -> Path:
    np.savez(path, x=np.zeros((24, 4, 5), np.uint8), y=np.arange(24) % 3)
    return path


@pytest.mark.parametrize("kind", ODD)
def test_npz_that_is_no_file(tmp_path: Path, kind: str) -> None:
    make, _ = ODD[kind]
    path = tmp_path / "own.npz"
    make(path)
    assert refused(lambda: load(path)).startswith(f"{path} ")


@pytest.mark.parametrize("name", ["B.NPZ", "b.Npz", os.fsdecode(b"caf\xe9.npz"), "a\nb.npz"])
def test_names_of_npz(tmp_path: Path, name: str) -> None:
    path = write_npz(tmp_path / "own.npz").rename(tmp_path / name)
    data = load(path)
    assert len(data.x_train) == 21
    assert data.name.isprintable()
    path.write_bytes(b"PK")
    assert "own.npz" not in refused(lambda: load(path))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("a\0b.npz", "NUL character"),
        ("a\ud800.npz", "half a surrogate pair"),
        ("~nobody-has-this-name/a.npz", "nobody knows the home folder ~nobody-has-this-name"),
        ("n" * 300 + ".npz", "File name too long"),
        ("x/" * 3000 + ".npz", "File name too long"),
        ("\n.npz", r"\\n\.npz does not exist"),
    ],
)
def test_paths_that_cannot_be(path: str, message: str) -> None:
    text = refused(lambda: load(path))
    assert re.search(message, text), text
    folder = path.removesuffix(".npz")
    if "\n" not in path and "n" * 99 not in path and "x/x/" not in path:
        assert "data_dir" in refused(lambda: load("mnist", folder))
        assert "root" in refused(lambda: MNIST(folder))


def test_data_folder_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPNET_DATA", "~nobody-has-this-name/data")
    assert "$NPNET_DATA: no folder can be ~nobody" in refused(default_data_dir)


def test_loops_and_dead_links(tmp_path: Path) -> None:
    loop = tmp_path / "loop.npz"
    loop.symlink_to(loop)
    assert "Too many levels" in refused(lambda: load(loop))
    dead = tmp_path / "dead.npz"
    dead.symlink_to("nowhere")
    assert "does not exist" in refused(lambda: load(dead))
    (tmp_path / "data").symlink_to("data")
    assert "mnist: needs" in refused(lambda: load("mnist", tmp_path / "data", download=False))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_without_permission(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "own.npz")
    path.chmod(0)
    assert "Permission denied" in refused(lambda: load(path))


def test_members_that_are_no_arrays(tmp_path: Path) -> None:
    good = write_npz(tmp_path / "good.npz")
    path = tmp_path / "own.npz"

    def told(*members: tuple[str, bytes], flags: int = 0) -> str:
        with zipfile.ZipFile(path, "w") as archive, zipfile.ZipFile(good) as source:
            for name, content in (*members, ("y.npy", source.read("y.npy"))):
                archive.writestr(name, content)
        content = path.read_bytes()
        if flags:
            at = content.index(b"PK\x01\x02") + 8
            path.write_bytes(content[:at] + bytes([flags]) + content[at + 1 :])
        return refused(lambda: read_npz(path))

    with zipfile.ZipFile(good) as archive:
        x = archive.read("x.npy")
    with pytest.warns(UserWarning, match="Duplicate"):
        assert "x is there 2 times" in told(("x.npy", x), ("x.npy", x))
    assert "x is there 2 times" in told(("x.npy", x), ("x", x))
    assert "x is encrypted; write the file anew without a password" in told(("x.npy", x), flags=1)
    assert "has no x, only data/x, y" in told(("data/x.npy", x))
    many = [(f"image{i}.npy", x) for i in range(99)]
    assert "image9 and 90 more" in told(*many)
    assert "is no .npz file" in told(("x.npy", b"abc"))
    assert "takes 479 bytes, not the 480" in told(
        ("x.npy", x.replace(b"(24, 4, 5)", b"(479,)    "))
    )


@pytest.mark.parametrize(
    ("begins", "told"),
    [
        (b"\x93NUMPY\x01\x00", "it holds one array, as np.save writes it"),
        (b"\x80\x04", "it is a pickle, which is not executed"),
        (b"\x1f\x8b\x08", "it is compressed by gzip"),
        (b"\x89HDF\r\n", "it is an HDF5 file"),
        (b"MATLAB 5.0", "it is a MATLAB file"),
        (b"", "it is empty"),
        (b"<html>", "it is no zip archive"),
    ],
)
def test_other_files_under_the_name(tmp_path: Path, begins: bytes, told: str) -> None:
    path = tmp_path / "own.npz"
    path.write_bytes(begins + (b"\0" * 200 if begins else b""))
    assert told in refused(lambda: load(path))


@pytest.mark.skipif(sys.platform != "linux", reason="sparse files, and what memory there is")
def test_more_than_there_is_memory(tmp_path: Path) -> None:
    """A file that is as long as it says, of which nothing is on the disk."""
    path = tmp_path / TRAIN_IMAGES
    count = 2**32 - 1
    with path.open("wb") as file:
        file.write(bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in (count, 28, 28)))
        try:
            file.truncate(16 + count * 28 * 28)
        except OSError:
            pytest.skip("the file system has no file as large")
    write_idx_files(tmp_path / "good", zipped=False)
    shutil.copy(tmp_path / "good" / TRAIN_LABELS, tmp_path / TRAIN_LABELS)
    assert "more than this machine's memory" in refused(lambda: MNIST(tmp_path))


def test_too_little_memory_for_a_good_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise MemoryError("Unable to allocate 9 GiB")

    path = write_npz(tmp_path / "own.npz")
    monkeypatch.setattr("npnet.datasets.arrays._images", fail)
    assert "needs more memory than there is (Unable to allocate 9 GiB); store" in refused(
        lambda: load(path)
    )


# ---- IDX ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", IDX_FILES["train"])
@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("kind", ODD)
def test_good_idx_files_elsewhere_are_found(tmp_path: Path, kind: str, end: str, bad: str) -> None:
    make, told = ODD[kind]
    write_idx_files(tmp_path / "mnist", seed=1)
    (tmp_path / "mnist" / f"{bad}.gz").unlink()
    odd = tmp_path / "mnist" / f"{bad}{end}"
    make(odd)
    text = refused(lambda: load("mnist", tmp_path))
    assert text.startswith(f"{odd} ")
    assert re.search(told, text), text
    arrays = write_idx_files(tmp_path / "MNIST" / "raw", zipped=False)
    data = load("mnist", tmp_path, download=False)
    assert_array_equal(data.x_train[:, 0], arrays[TRAIN_IMAGES])
    assert_array_equal(data.y_train, arrays[TRAIN_LABELS])


def test_the_nearest_good_idx_files_are_taken(tmp_path: Path) -> None:
    near = write_idx_files(tmp_path / "mnist", seed=1)
    write_idx_files(tmp_path / "MNIST" / "raw")
    assert_array_equal(load("mnist", tmp_path).x_train[:, 0], near[TRAIN_IMAGES])


def test_images_are_not_paired_with_labels_of_elsewhere(tmp_path: Path) -> None:
    """Where the nearest images are damaged, others of the same name may be of other things."""
    write_idx_files(tmp_path / "mnist", seed=1)
    path = tmp_path / "mnist" / f"{TRAIN_IMAGES}.gz"
    other = path.read_bytes()
    path.write_bytes(other[:-9])
    (tmp_path / path.name).write_bytes(other)
    assert refused(lambda: load("mnist", tmp_path)).startswith(f"{path} is damaged")


def test_files_of_two_folders_where_none_has_both(tmp_path: Path) -> None:
    arrays = write_idx_files(tmp_path / "mnist")
    (tmp_path / "mnist" / f"{TRAIN_LABELS}.gz").rename(tmp_path / f"{TRAIN_LABELS}.gz")
    (tmp_path / "mnist" / f"{TRAIN_LABELS}.gz").mkdir()  # in the place of the file
    assert_array_equal(load("mnist", tmp_path).y_train, arrays[TRAIN_LABELS])


@pytest.mark.parametrize("form", ["{0}/{0}", "{1}", "{1}/{1}"])
def test_names_of_unpacked_archives(tmp_path: Path, form: str) -> None:
    arrays = write_idx_files(tmp_path / "mnist", zipped=False)
    for name in arrays:
        old = (tmp_path / "mnist" / name).rename(tmp_path / "old")
        new = tmp_path / "mnist" / form.format(name, name.replace("-idx", ".idx"))
        new.parent.mkdir(exist_ok=True)
        old.rename(new)
    assert_array_equal(load("mnist", tmp_path).x_train[:, 0], arrays[TRAIN_IMAGES])


def test_gzip_in_two_members(tmp_path: Path) -> None:
    arrays = write_idx_files(tmp_path)
    path = tmp_path / f"{TRAIN_IMAGES}.gz"
    plain = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(plain[:500]) + gzip.compress(plain[500:]))
    assert_array_equal(MNIST(tmp_path).data, arrays[TRAIN_IMAGES])
    path.write_bytes(gzip.compress(plain) + gzip.compress(b"more"))
    assert "but there are more" in refused(lambda: MNIST(tmp_path))


# ---- CIFAR-10 ----------------------------------------------------------------------------------


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar10, "_RECORDS", RECORDS)


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("kind", ODD)
def test_odd_folders_do_not_hide_the_archive(tmp_path: Path, kind: str) -> None:
    make, told = ODD[kind]
    records = write_cifar_files(tmp_path)
    good = write_archive(tmp_path)
    (tmp_path / "cifar10").mkdir()
    odd = tmp_path / "cifar10" / FOLDER
    make(odd)
    assert_array_equal(load("cifar10", tmp_path).y_test, records[5, :, 0])
    good.unlink()
    text = refused(lambda: load("cifar10", tmp_path))
    assert text.startswith(f"{odd} ")
    assert kind == "folder" or re.search(told, text), text


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("kind", ODD)
def test_an_odd_batch_does_not_hide_the_archive(tmp_path: Path, kind: str) -> None:
    make, told = ODD[kind]
    records = write_cifar_files(tmp_path / "cifar10")
    good = write_archive(tmp_path / "cifar10").rename(tmp_path / ARCHIVE)
    write_cifar_files(tmp_path / "cifar10")
    odd = tmp_path / "cifar10" / FOLDER / FILES[2]
    odd.unlink()
    make(odd)
    assert_array_equal(load("cifar10", tmp_path).x_train.shape, (100, 3, 32, 32))
    good.unlink()
    text = refused(lambda: load("cifar10", tmp_path))
    assert text.startswith(f"{odd} ")
    assert re.search(told, text), text
    assert len(records) == 6


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("name", [ARCHIVE, ARCHIVE.removesuffix(".gz")])
def test_an_archive_that_a_browser_unzipped(tmp_path: Path, name: str) -> None:
    records = write_cifar_files(tmp_path)
    path = write_archive(tmp_path)
    plain = gzip.decompress(path.read_bytes())
    path.unlink()
    (tmp_path / name).write_bytes(plain)
    assert_array_equal(load("cifar10", tmp_path).y_test, records[5, :, 0])


@pytest.mark.usefixtures("small_files")
def test_an_archive_of_much_more(tmp_path: Path) -> None:
    write_cifar_files(tmp_path)
    path = write_archive(tmp_path)
    plain = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(plain + bytes(4 << 20), 1))
    assert "unpacks to much more than CIFAR-10" in refused(lambda: load("cifar10", tmp_path))
