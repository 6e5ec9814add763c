"""save and load: what goes in comes out bit for bit, or an error says why not."""

from __future__ import annotations

import io
import math
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
from npnet.serialization import CheckpointError, load, save
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
    y = _round_trip(Tensor(values.astype(dtype.newbyteorder(order))))
    assert y.dtype == dtype
    assert y.array.dtype.isnative
    assert y.array.tobytes() == values.tobytes()


def test_views_and_tied_tensors() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    views = [x, x.T, x[:, ::2], x[::-1], x[0, 0, 0], x[:0], np.broadcast_to(x[0], (5, 3, 4))]
    tensors = [Tensor(view) for view in views]
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


def test_bfloat16_becomes_float32(tmp_path: Path) -> None:
    x = torch.tensor([[1.5, -3e38], [float("inf"), 1e-40]]).bfloat16()
    safetensors.torch.save_file({"x": x}, tmp_path / "m.safetensors")
    y = load(tmp_path / "m.safetensors")["x"]
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, x.float())


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "bfloat16"])
def test_every_value_of_the_small_floats(tmp_path: Path, name: str) -> None:
    dtype = getattr(torch, name)
    codes = np.arange(256 if "8" in name[:6] else 65536, dtype="u1" if "8" in name[:6] else "u2")
    x = torch.from_numpy(codes).view(dtype)
    safetensors.torch.save_file({"x": x}, tmp_path / "m.safetensors")
    y = load(tmp_path / "m.safetensors")["x"]
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, x.float())
    np.testing.assert_array_equal(np.signbit(y.numpy()), torch.signbit(x.float()))


def test_dtype_that_numpy_lacks(tmp_path: Path) -> None:
    x = torch.ones(2).to(torch.float8_e4m3fnuz)
    safetensors.torch.save_file({"layer.x": x}, tmp_path / "m.safetensors")
    with pytest.raises(CheckpointError, match=r"layer\.x: it is of dtype F8_E4M3FN.*to flo"):
        load(tmp_path / "m.safetensors")
