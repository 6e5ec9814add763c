"""save and load: what goes in comes out bit for bit, or an error says why not."""

from __future__ import annotations

import io
import json
import math
import os
import subprocess
import sys
import zlib
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

import npnet
from npnet import nn
from npnet.serialization import CheckpointError, load, load_with_metadata, save, to_bytes
from npnet.tensor import Tensor

DTYPES = [np.dtype(c) for c in ("?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")] + [
    np.dtype(c) for c in ("f2", "f4", "f8")
]


def _round_trip(obj: Any) -> Any:
    file = io.BytesIO()
    save(obj, file)
    file.seek(0)
    return load(file)


def _same(a: Any, b: Any) -> None:
    """Equal in type and, for tensors and floats, bit for bit."""
    assert type(a) is type(b)
    if isinstance(a, Tensor):
        assert (a.dtype, a.shape, a.requires_grad) == (b.dtype, b.shape, b.requires_grad)
        assert a.array.tobytes() == b.array.tobytes()
    elif isinstance(a, dict):
        assert [(type(k), k) for k in a] == [(type(k), k) for k in b]
        for key in a:
            _same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            _same(x, y)
    elif isinstance(a, float):
        assert math.copysign(1, a) == math.copysign(1, b) or math.isnan(a)
        assert a == b or (math.isnan(a) and math.isnan(b))
    else:
        assert a == b


# ---- round trips ---------------------------------------------------------------------------------

_arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: st_numpy.arrays(dtype, st_numpy.array_shapes(min_dims=0, min_side=0, max_side=3))
)
_keys = st.text(max_size=5) | st.integers(-3, 10) | st.sampled_from(["a", "a.b", "a[0]", "tensor"])
_leaves = (
    _arrays.map(Tensor)
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=5)
)
_trees = st.recursive(
    _leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(_keys, inner, max_size=4)
        | st.dictionaries(_keys, inner, max_size=4).map(OrderedDict)
    ),
    max_leaves=12,
)


@given(_trees)
def test_random_trees(tree: Any) -> None:
    _same(_round_trip(tree), tree)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_bit_of_every_dtype(dtype: np.dtype[Any], order: str) -> None:
    raw = np.random.default_rng(0).integers(0, 256, 64 * dtype.itemsize, np.uint8)
    values = (raw % 2 if dtype == np.bool_ else raw).view(dtype)  # NaNs with payloads among them
    y = _round_trip(npnet.as_tensor(values.astype(dtype.newbyteorder(order))))
    assert y.dtype == dtype
    assert y.array.dtype.isnative
    assert y.array.tobytes() == values.tobytes()


def test_views_and_tied_tensors() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    views = [x, x.T, x[:, ::2], x[::-1], x[0, 0, 0], x[:0], np.broadcast_to(x[0], (5, 3, 4))]
    tensors = [npnet.as_tensor(view) for view in views]
    loaded = _round_trip([*tensors, *tensors])
    for a, b in zip(loaded, tensors * 2, strict=True):
        _same(a, b)
    loaded[0].array[:] = -1  # each has memory of its own, which can be written
    _same(loaded[7], tensors[0])


def test_numbers_of_numpy_become_pythons() -> None:
    loaded = _round_trip([np.float32(0.5), np.float64(0.5), np.int64(3), np.bool_(True)])
    _same(loaded, [0.5, 0.5, 3, True])


def test_what_else_comes_back() -> None:
    tree = {
        "counter": Counter({3: 2, 1: 1}),
        "big": 10**30,
        "half a character": "\ud800",
        "grad": npnet.ones(2, requires_grad=True),
        "__metadata__": npnet.ones(1),
        "": [],
    }
    _same(_round_trip(tree), tree)
    _same(_round_trip(nn.Parameter(npnet.ones(2))), npnet.ones(2, requires_grad=True))


def test_training_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    model(npnet.randn(4, 3))
    save({"model": model.state_dict(), "epoch": 3}, tmp_path / "c.safetensors")
    state = load(tmp_path / "c.safetensors", map_location="cpu", weights_only=False)
    twin = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    twin.load_state_dict(state["model"])
    _same(twin.state_dict(), model.state_dict())
    assert state["epoch"] == 3


# ---- equal files ---------------------------------------------------------------------------------

_SAVE = """
import sys
import npnet
from npnet.serialization import to_bytes
tree = {"b": npnet.ones(2), "a": npnet.arange(3), "n": [1, 2.5, {"x", "y"} and "z"]}
metadata = {name: name for name in {"mean", "std", "classes", "model", "epoch"}}  # by hash
sys.stdout.buffer.write(to_bytes(tree, metadata))
"""


def test_equal_objects_give_equal_files() -> None:
    command = [sys.executable, "-c", _SAVE]
    files = {
        subprocess.run(
            command, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1")
    }
    assert len(files) == 1
    assert load(io.BytesIO(files.pop()))["n"] == [1, 2.5, "z"]


def test_equal_in_another_order_of_metadata() -> None:
    a = to_bytes({"w": npnet.ones(2)}, {"x": "1", "y": "2"})
    assert a == to_bytes({"w": npnet.ones(2)}, {"y": "2", "x": "1"})


# ---- files of and for others ---------------------------------------------------------------------


def test_flat_dict_is_a_plain_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    model[1].weight = model[0].bias  # tied, and of one axis
    save(model.state_dict(), path)
    read = safetensors.numpy.load_file(path)
    assert read.keys() == model.state_dict().keys()
    theirs = safetensors.torch.load_file(path)
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(read[name], tensor)
        np.testing.assert_array_equal(theirs[name], tensor)
    assert list(load(path)) == list(model.state_dict())  # in order, which safetensors loses


def test_tensors_in_a_tree_have_readable_names(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    tree = {"w": {"a.b": npnet.ones(1)}, "w.a": {"b": npnet.ones(1)}, "s": [{0: npnet.ones(1)}]}
    save(tree, path)
    assert set(safetensors.numpy.load_file(path)) == {"w.a.b", "w.a.b#2", "s[0][0]"}
    _same(load(path), tree)


@given(st.dictionaries(st.text(), _arrays, max_size=4), st.dictionaries(st.text(), st.text()))
def test_the_library_reads_the_same(tensors: dict[str, Any], metadata: dict[str, str]) -> None:
    def encodable(text: str) -> bool:
        return text.encode("utf-8", "replace") == text.encode("utf-8", "ignore")

    tensors = {n: a for n, a in tensors.items() if n != "__metadata__" and encodable(n)}
    metadata = {k: v for k, v in metadata.items() if encodable(k + v) and k[:6] != "npnet."}
    data = to_bytes({name: npnet.as_tensor(array) for name, array in tensors.items()}, metadata)
    read = safetensors.numpy.load(data)
    assert read.keys() == tensors.keys()
    for name, array in tensors.items():
        assert (read[name].dtype, read[name].shape) == (array.dtype, array.shape)
        assert read[name].tobytes() == array.tobytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert {k: v for k, v in header["__metadata__"].items() if k[:6] != "npnet."} == metadata


def test_files_of_earlier_versions(tmp_path: Path) -> None:
    """Their checksum is of the tree and the arrays; a run's best weights had none."""
    tree = '{"dict":[["w",{"tensor":"w"}]]}'
    arrays = {"w": np.arange(3, dtype=np.float32)}
    crc = zlib.crc32(
        arrays["w"].tobytes(), zlib.crc32(b"w float32 (3,)", zlib.crc32(tree.encode()))
    )
    metadata = {"npnet.tree": tree, "npnet.crc32": f"{crc:08x}"}
    safetensors.numpy.save_file(arrays, tmp_path / "saved.safetensors", metadata)
    np.testing.assert_array_equal(load(tmp_path / "saved.safetensors")["w"], arrays["w"])
    safetensors.numpy.save_file(arrays, tmp_path / "best.safetensors", {"format": "npnet"})
    np.testing.assert_array_equal(load(tmp_path / "best.safetensors")["w"], arrays["w"])


def test_rewritten_by_the_library(tmp_path: Path) -> None:
    """The same content in another order is the same; another content is told."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(to_bytes({"w": npnet.ones(3), "b": npnet.zeros(1)}, {"classes": "[]"}))
    tensors = safetensors.torch.load_file(path)
    with safetensors.safe_open(path, "np") as file:
        metadata = file.metadata()
    assert metadata["classes"] == "[]"
    safetensors.torch.save_file(tensors, path, metadata)
    assert load_with_metadata(path)[1]["classes"] == "[]"
    changes: list[tuple[Any, Any]] = [
        ({**tensors, "w": tensors["w"] * 2}, metadata),
        ({**tensors, "w": tensors["w"].half()}, metadata),
        ({**tensors, "w": tensors["w"].reshape(3, 1)}, metadata),
        ({**tensors, "more": torch.ones(1)}, metadata),
        ({"w": tensors["w"]}, metadata),
        (tensors, {**metadata, "classes": "['a']"}),
        (tensors, {**metadata, "more": ""}),
    ]
    for changed, texts in changes:
        safetensors.torch.save_file(changed, path, texts)
        with pytest.raises(CheckpointError, match="another program changed it and kept the meta"):
            load(path)
    safetensors.torch.save_file(changes[0][0], path, {"classes": "[]"})  # as the error advises
    np.testing.assert_array_equal(load(path)["w"], npnet.ones(3) * 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int64, torch.bool])
def test_files_of_others(tmp_path: Path, dtype: torch.dtype) -> None:
    state = {"b": torch.arange(6).reshape(2, 3).to(dtype), "a": torch.tensor(1).to(dtype)}
    safetensors.torch.save_file(state, tmp_path / "m.safetensors", {"format": "pt"})
    loaded = load(tmp_path / "m.safetensors")
    assert type(loaded) is dict
    assert loaded.keys() == state.keys()
    for key in state:
        np.testing.assert_array_equal(loaded[key], state[key])
        assert loaded[key].dtype == state[key].numpy().dtype


def test_bfloat16_there_and_back(tmp_path: Path) -> None:
    x = torch.tensor([[1.5, -3e38], [float("inf"), 1e-40]]).bfloat16()
    safetensors.torch.save_file({"x": x}, tmp_path / "m.safetensors")
    y = load(tmp_path / "m.safetensors")["x"]
    assert y.dtype == npnet.bfloat16
    np.testing.assert_array_equal(y.float(), x.float())
    save({"x": y}, tmp_path / "ours.safetensors")
    back = safetensors.torch.load_file(tmp_path / "ours.safetensors")["x"]
    assert back.dtype == torch.bfloat16
    assert torch.equal(back, x)


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "bfloat16"])
def test_every_value_of_the_small_floats(tmp_path: Path, name: str) -> None:
    dtype = getattr(torch, name)
    codes = np.arange(256 if "8" in name[:6] else 65536, dtype="u1" if "8" in name[:6] else "u2")
    x = torch.from_numpy(codes).view(dtype)
    safetensors.torch.save_file({"x": x}, tmp_path / "m.safetensors")
    y = load(tmp_path / "m.safetensors")["x"]
    assert y.dtype == ("bfloat16" if name == "bfloat16" else np.float32)
    np.testing.assert_array_equal(y.float(), x.float())
    np.testing.assert_array_equal(np.signbit(y.numpy()), torch.signbit(x.float()))


def test_dtype_that_numpy_lacks(tmp_path: Path) -> None:
    x = torch.ones(2).to(torch.float8_e4m3fnuz)
    safetensors.torch.save_file({"layer.x": x}, tmp_path / "m.safetensors")
    with pytest.raises(CheckpointError, match=r"layer\.x: it is of dtype F8_E4M3FN.*to flo"):
        load(tmp_path / "m.safetensors")
