"""What save and load refuse, and what they do about full disks, torn files and kills."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
import torch

import npnet
from npnet import nn
from npnet.serialization import CheckpointError, load, save, to_bytes
from npnet.serialization.files import _checksum

# ---- what is refused -----------------------------------------------------------------------------


class Reduced:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> Any:
        return (os.abort, ())


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ({"state": {"optimizer": [len]}}, r"^save: state\.optimizer\[0\]: builtin_function"),
        ({"a": {1: ({"b": object()},)}}, r"^save: a\[1\]\[0\]\.b: object is not saved"),
        (object(), "^save: the object: object is not saved, only tensors, numbers"),
        ({"x": np.ones(2)}, r"^save: x: ndarray .* npnet\.from_numpy"),
        ({"net": nn.Linear(1, 1)}, r"^save: net: Linear is not saved; save its state_dict\(\)"),
        ([b"bytes"], r"^save: \[0\]: bytes is not saved"),
        ([1j], r"^save: \[0\]: complex"),
        ({"d": defaultdict(int)}, "^save: d: defaultdict"),
        ({"s": {1, 2}}, "^save: s: set"),
        ({"a": {(1, 2): 3}}, r"^save: a: keys must be strings or ints, got \(1, 2\) \(tuple\)"),
        ({True: 3}, r"^save: the object: keys .* got True \(bool\)"),
        ({"x": npnet.as_tensor(np.ones(1, np.longdouble))}, "^save: x: .*128 has no place"),
    ],
)
def test_what_has_no_place_in_safetensors(obj: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        to_bytes(obj)


def test_endless_objects(tmp_path: Path) -> None:
    inner: list[Any] = []
    tree = {"a": [inner]}
    inner.append(tree)
    with pytest.raises(ValueError, match=r"save: a\[0\]\[0\]: contains itself"):
        to_bytes(tree)
    save(tree, tmp_path / "file")  # pickles may be endless
    again = load(tmp_path / "file", weights_only=False)
    assert again["a"][0][0] is again
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(TypeError, match=r"nested too deep.*nor can it be pickled"):
        save(deep, tmp_path / "file")
    shared = [1]
    save([shared, shared], tmp_path / "file")  # which is no cycle
    assert load(tmp_path / "file") == [[1], [1]]


def _written(write: Any) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            _written(lambda f: torch.save(torch.nn.Linear(1, 1), f)),
            r"PyTorch file that holds a torch\.nn\.modules\.linear\.Linear, whose code is not exec",
        ),
        (pickle.dumps(Reduced()), "a pickle, .*is not executed"),
        (_written(lambda f: np.savez(f, x=np.ones(2))), r"an \.npz file"),
        (_written(lambda f: np.save(f, np.ones(2))), r"an \.npy file"),
        (gzip.compress(b"{}", mtime=0), "compressed by gzip"),
        (b"PK\x03\x04" + bytes(20), "PyTorch file"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"", "is empty"),
        (b"{}", "no safetensors file"),
        (bytes(1000), "no safetensors file, or one whose beginning is damaged"),
    ],
)
def test_other_files(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_zip_of_something_else(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("readme.txt", "text")
    with pytest.raises(CheckpointError, match="a zip archive, and no checkpoint"):
        load(tmp_path / "a.zip")


def test_every_torn_or_altered_file_is_told() -> None:
    data = _written(lambda f: save({"w": npnet.arange(3.0), "n": [1, 2.5, None]}, f))
    for length in range(len(data)):
        with pytest.raises(CheckpointError):
            load(io.BytesIO(data[:length]))
        with pytest.raises(CheckpointError):  # of full length, but the end never reached the disk
            load(io.BytesIO(data[:length] + bytes(len(data) - length)))
    rng = random.Random(0)
    for _ in range(300):
        at, bit = rng.randrange(len(data)), 1 << rng.randrange(8)
        with pytest.raises(CheckpointError):
            load(io.BytesIO(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]))


def _with_tree(tree: Any) -> bytes:
    """A file whose checksum is right and whose tree is anything."""
    arrays, text = {"x": np.ones(2, np.int64)}, json.dumps(tree)
    metadata = {"npnet.tree": text, "npnet.crc32": _checksum({"npnet.tree": text}, arrays)}
    return safetensors.numpy.save(arrays, metadata)


@pytest.mark.parametrize(
    "tree",
    [
        {"tensor": "y"},
        {"tensor": "x", "requires_grad": True},
        {"tensor": ["x"]},
        {"float": "one"},
        {"tuple": 3},
        {"dict": 3},
        {"dict": [1]},
        {"dict": [[[1], 2]]},
        {"dict": [[1, 2, 3]]},
        {"os.system": [["true", 1]]},
        {},
        {"dict": [], "list": []},
    ],
    ids=json.dumps,
)
def test_wrong_trees(tree: Any) -> None:
    with pytest.raises(CheckpointError, match="its tree can't be read"):
        load(io.BytesIO(_with_tree(tree)))


def _file(header: Any, values: bytes = bytes(8)) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + values


def _one(**changed: Any) -> dict[str, Any]:
    return {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changed}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_file(_one(shape=[1] * 65 + [2])), "x has 66 axes, and NumPy takes 64"),
        (_file(_one(shape=[0, 2**62, 2**62])), "x has a shape that is too large"),
        (_file(_one(shape=[2**70])), "x has a shape that is too large"),
        (_file({"__metadata__": []} | _one()), "metadata must be texts by name"),
        (_file({"__metadata__": {"a": 1}} | _one()), "metadata must be texts by name"),
        (_file(_one(shape=[2.0])), "no whole numbers"),
        (_file(_one(shape=[True, 2])), "no whole numbers"),
        (_file(_one(shape=[-2])), "no whole numbers"),
        (_file(_one(shape=None)), "x needs a dtype, a shape and two data_offsets"),
        (_file(_one(dtype=3)), "x needs a dtype"),
        (_file({"x": 1}), "x needs a dtype"),
        (_file(_one(data_offsets=[0, 8, 8])), "x needs a dtype"),
        (_file(_one(data_offsets=[4, 12])), "x lies outside of the file"),
        (_file(_one(data_offsets=[8, 0])), "x lies outside of the file"),
        (_file(_one(shape=[1])), "x has 8 bytes, which its shape and dtype do not fill"),
        (_file(_one(), bytes(9)), "its arrays end at byte 8 of 9"),
        (_file(_one(shape=[1], data_offsets=[4, 8])), "x begins at byte 4, where 0 is next"),
        (_file({**_one(), "y": _one()["x"]}), "y begins at byte 0, where 8 is next"),
        (_file(b'{"x":' + json.dumps(_one()["x"]).encode() + b',"x":1}'), "stands in it twice"),
        (_file(b"{" + b"\xff" * 9), "its header is no JSON"),
        (_file(b'{"a":' + b"[" * 100_000), "its header is no JSON"),
        (_file(b'{"a":' + b"9" * 5000 + b"}"), "its header is no JSON"),
        ((10**9).to_bytes(8, "little") + b"{}", "it ends within its header"),
        (b"\x02\0\0\0\0\0\0\0{", "it ends within its header"),
    ],
)
def test_wrong_headers(data: bytes, message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        load(io.BytesIO(data))
    assert "\n" not in str(caught.value)
    with pytest.raises((safetensors.SafetensorError, ValueError, TypeError)):
        safetensors.numpy.load(data)  # no file that others read is refused


def test_metadata_that_is_null_is_none() -> None:
    data = _file({"__metadata__": None} | _one())
    np.testing.assert_array_equal(load(io.BytesIO(data))["x"], safetensors.numpy.load(data)["x"])


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "NUL", "surrogate", "~nobody-has-it"])
def test_paths_that_are_no_file(tmp_path: Path, kind: str) -> None:
    path = str(tmp_path / "it")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        os.mkdir(path)
    else:
        path = {"device": "/dev/zero", "NUL": "a\0b", "surrogate": "\ud800"}.get(kind, kind)
    with pytest.raises(OSError, match=r"regular file|Is a directory|NUL|surrogate|home") as caught:
        load(path)
    assert caught.value.strerror
    if kind not in ("pipe", "device"):  # which are written to as they are
        with pytest.raises(OSError, match=r"directory|NUL|surrogate|home"):
            save({}, path)


def test_home_folder_is_that_of_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    save({"n": 1}, "~/file")
    assert load("~/file") == load(tmp_path / "file") == {"n": 1}


def test_every_flipped_bit_of_a_best_file() -> None:
    """Metadata, marks and weights alike; none is read as another file or as another program's."""
    data = to_bytes({"w": npnet.arange(3.0)}, {"classes": '["é", "b"]', "mean": "[0.25]"})
    for at in range(len(data)):
        for bit in range(8):
            flipped = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
            with pytest.raises(CheckpointError):
                load(io.BytesIO(flipped))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.safetensors"):
        load(tmp_path / "missing.safetensors")


def test_arguments_that_are_not_supported(tmp_path: Path) -> None:
    save({}, tmp_path / "file")
    for option in ({"mmap": True}, {"map_location": "cuda"}):
        with pytest.raises(NotImplementedError, match=r"mmap|cuda"):
            load(tmp_path / "file", **option)


# ---- disks and kills -----------------------------------------------------------------------------


def test_file_that_is_cut_short_while_it_is_written(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "last.safetensors"
    save({"epoch": 1}, path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # as on a disk that fills up
    try:
        with pytest.raises(OSError, match=r"File too large: .*last\.safetensors"):
            save({"epoch": 2, "w": npnet.zeros(100_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert load(path) == {"epoch": 1}
    assert os.listdir(tmp_path) == ["last.safetensors"]


def test_full_disk_leaves_the_previous_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "last.safetensors"
    save({"epoch": 1}, path)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: .*last\.safetensors"):
        save({"epoch": 2}, path)
    assert load(path) == {"epoch": 1}
    assert os.listdir(tmp_path) == ["last.safetensors"]


_SAVE_FOREVER = """
import sys
import npnet
count = 0
while True:
    count += 1
    npnet.save({"count": count, "w": npnet.zeros(300_000) + count}, sys.argv[1])
    print(count, flush=True)
"""


def test_killed_while_saving(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    rng = random.Random(0)
    reached = 0
    for saved in (1, 2, 3, 1, 2, 3):
        command = [sys.executable, "-c", _SAVE_FOREVER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(saved):  # however slow the machine is
                process.stdout.readline()
            time.sleep(rng.uniform(0, 0.02))
            process.send_signal(signal.SIGKILL)
        tree = load(path)
        assert tree["count"] >= 1
        assert npnet.equal(tree["w"], npnet.zeros(300_000) + tree["count"])
        reached = max(reached, tree["count"])
    assert reached >= 3
