"""Files that are damaged, hostile or none of ONNX: one line says so, and nothing else is read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.random import Generator
from onnx import TensorProto, helper, numpy_helper

import npnet
import npnet.onnx
from npnet.serialization import CheckpointError
from tests.onnx.graphs import constant, draw, fixed_ten, model, node

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


def _refused(path: Path, message: str, kind: type[Exception] = CheckpointError) -> None:
    with pytest.raises(kind, match=message) as caught:
        npnet.onnx.load(path)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it has no graph; it is empty, or no ONNX file"),
        (PNG, "cut off, or no ONNX file|no graph"),
        (bytes(1000), "cut off, or no ONNX file"),
        (b"hello, this is text", "cut off, or no ONNX file"),
    ],
)
def test_no_onnx_file(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    _refused(path, message)


def test_cut_off_anywhere(rng: Generator, tmp_path: Path) -> None:
    whole = fixed_ten(rng).SerializeToString()
    path = tmp_path / "net.onnx"
    for length in range(0, len(whole) - 1, 23):
        path.write_bytes(whole[:length])
        with pytest.raises((CheckpointError, NotImplementedError)) as caught:
            npnet.onnx.load(path)
        assert "\n" not in str(caught.value)


def test_bits_flipped(rng: Generator, tmp_path: Path) -> None:
    """Whatever they hit, the network is read or the file is refused; nothing else is raised."""
    whole = bytearray(fixed_ten(rng).SerializeToString())
    path = tmp_path / "net.onnx"
    for at in range(0, min(len(whole), 200)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << (at % 8)
        path.write_bytes(damaged)
        with contextlib.suppress(CheckpointError, NotImplementedError):
            npnet.onnx.load(path)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        npnet.onnx.load(tmp_path / "nothing.onnx")
    with pytest.raises(IsADirectoryError):
        npnet.onnx.load(tmp_path)


# ---- weights in other files ----------------------------------------------------------------------


def _apart(location: str, offset: str = "0", length: str = "24") -> onnx.ModelProto:
    """A network whose weight lies in another file."""
    proto = model([node("MatMul", "x w", "y")], {"x": ("N", 2)}, {"y": ("N", 3)})
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2, 3])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=value)
    proto.graph.initializer.append(tensor)
    return proto


def test_weights_beside_the_file_are_read(tmp_path: Path) -> None:
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "net.data").write_bytes(bytes(8) + weight.tobytes())
    (tmp_path / "net.onnx").write_bytes(_apart("deep/net.data", "8").SerializeToString())
    read = npnet.onnx.load(tmp_path / "net.onnx")
    y = read(npnet.tensor([[1.0, 2.0]]))
    assert y.tolist() == [[6.0, 9.0, 12.0]]


@pytest.mark.parametrize(
    "location",
    [
        "../secret",
        "/etc/passwd",
        "a/../../secret",
        "..\\secret",
        "C:secret",
        "",
        "link",
        "linked/x",
    ],
)
def test_weights_elsewhere_are_not_read(location: str, tmp_path: Path) -> None:
    folder, secret = tmp_path / "folder", tmp_path / "secret"
    folder.mkdir()
    secret.write_bytes(bytes(24))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").write_bytes(bytes(24))
    (folder / "link").symlink_to(secret)
    (folder / "linked").symlink_to(tmp_path / "other")
    (folder / "net.onnx").write_bytes(_apart(location).SerializeToString())
    _refused(folder / "net.onnx", "nothing was read there")


@pytest.mark.parametrize(
    ("offset", "length", "message"),
    [
        ("0", "240", "should be 240 bytes from 0 on in 'net.data', which has 24"),
        ("-8", "24", "should be 24 bytes from -8 on"),
        ("x", "24", "is no number"),
        ("0", "20", "has 20 bytes in place of 24"),
        ("9" * 30, "24", "should begin at byte 9"),
    ],
)
def test_a_wrong_place(offset: str, length: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "net.data").write_bytes(bytes(24))
    path = tmp_path / "net.onnx"
    path.write_bytes(_apart("net.data", offset, length).SerializeToString())
    _refused(path, message)


def test_weights_that_are_missing(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(_apart("net.data").SerializeToString())
    _refused(tmp_path / "net.onnx", "'net.data', which is not there; put it beside the model")
    (tmp_path / "net.data").mkdir()
    _refused(tmp_path / "net.onnx", "'net.data', which is a folder or a pipe, and no file")


# ---- graphs --------------------------------------------------------------------------------------


def _shape(*dims: int) -> onnx.ModelProto:
    proto = model([node("Add", "x w", "y")], {"x": ("N", 2)}, {"y": ("N", 2)})
    proto.graph.initializer.append(
        TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims, raw_data=bytes(16))
    )
    return proto


def _one(*nodes: onnx.NodeProto, **weights: np.ndarray) -> onnx.ModelProto:
    return model(nodes, {"x": ("N", 4)}, {"y": ("N", 4)}, weights)


def _loop() -> onnx.ModelProto:
    return _one(node("Add", "x b", "a"), node("Relu", "a", "b"), node("Neg", "b", "y"))


def _branch() -> onnx.ModelProto:
    info = helper.make_tensor_value_info("t", TensorProto.FLOAT, ["N", 4])
    graph = helper.make_graph([node("Neg", "x", "t")], "then", [], [info])
    condition = constant("c", np.array(True))
    return _one(condition, node("If", "c", "y", then_branch=graph, else_branch=graph))


def _domain() -> onnx.ModelProto:
    proto = _one(node("FusedConv", "x", "y", domain="com.microsoft"))
    proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return proto


def _huge() -> onnx.ModelProto:
    size = constant("s", np.array([2**20, 2**20]))
    return _one(size, node("ConstantOfShape", "s", "z"), node("Add", "x z", "y"))


def _old() -> onnx.ModelProto:
    proto = _one(node("Relu", "x", "y"))
    proto.opset_import[0].version = 5
    return proto


def _without_opset() -> onnx.ModelProto:
    proto = _one(node("Relu", "x", "y"))
    del proto.opset_import[:]
    return proto


def _text() -> onnx.ModelProto:
    proto = _one(node("Add", "x w", "y"))
    proto.graph.initializer.append(numpy_helper.from_array(np.array(["a"], object), "w"))
    return proto


GRAPHS: dict[str, tuple[Callable[[], onnx.ModelProto], str]] = {
    "too large": (lambda: _shape(2**31, 2**31), "w has an impossible shape"),
    "negative": (lambda: _shape(-1, 2), "w has an impossible shape"),
    "too few bytes": (lambda: _shape(2, 3), "w, shape .2, 3., has 16 bytes in place of 24"),
    "circle": (_loop, "its nodes go round in a circle"),
    "missing weight": (
        lambda: _one(node("Add", "x w", "y")),
        r"'w', an input of the node 'y' \(Add\), is not",
    ),
    "no operator": (lambda: _one(node("Foo", "x", "y")), r"the node 'y' \(Foo\) is no operator of"),
    "no result": (lambda: model([node("Relu", "x", "z")], {"x": (1, 4)}, {"y": (1, 4)}), "y"),
    "attribute of another kind": (lambda: _one(node("Softmax", "x", "y", axis="one")), "axis"),
    "weights that don't fit": (
        lambda: _one(node("Conv", "x w", "y"), w=np.zeros((1, 1), np.float32)),
        "don't fit|windows|npnet",
    ),
    "a constant of a million millions": (_huge, "a constant of shape .* is too large"),
    "a kernel that is no kernel": (
        lambda: _one(
            node("Conv", "x w", "y", kernel_shape=[2**15, 2**15]),
            w=np.zeros((9, 9, 1, 1), np.float32),
        ),
        "kernel_shape .32768, 32768. with a weight",
    ),
    "laughs": (
        lambda: _one(
            constant("c0", np.zeros(2**16, np.float32)),
            *[node("Concat", f"c{i} " * 8, f"c{i + 1}", axis=0) for i in range(9)],
            node("Add", "x c9", "y"),
        ),
        "is too large",
    ),
    "an outer product": (
        lambda: _one(
            node("Add", "w v", "z"),
            node("Add", "x z", "y"),
            w=np.zeros((2**16, 1), np.float32),
            v=np.zeros((1, 2**16), np.float32),
        ),
        "is too large",
    ),
    "of long ago": (_old, "it is of opset 5; npnet reads opset 7 and later"),
    "of no opset": (_without_opset, "it does not say which opset"),
    "a branch": (_branch, "npnet has no If"),
    "another domain": (_domain, r"FusedConv of the domain 'com.microsoft' .* is no operator"),
    "an operator": (
        lambda: _one(node("Det", "x", "y")),
        r"npnet has no Det \(node 'y', opset 13\)",
    ),
    "text": (_text, "w is of object|w is damaged|npnet computes with floats"),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_graph(name: str, tmp_path: Path) -> None:
    make, message = GRAPHS[name]
    (tmp_path / "net.onnx").write_bytes(make().SerializeToString())
    with pytest.raises((CheckpointError, NotImplementedError), match=message) as caught:
        npnet.onnx.load(tmp_path / "net.onnx")
    assert "\n" not in str(caught.value)


def test_results_without_a_shape_are_read(tmp_path: Path) -> None:
    proto = _one(node("Relu", "x", "y"))
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    (tmp_path / "net.onnx").write_bytes(proto.SerializeToString())
    x = npnet.randn(
        *[size.dim_value or 1 for size in proto.graph.input[0].type.tensor_type.shape.dim]
    )
    assert npnet.equal(npnet.onnx.load(tmp_path / "net.onnx")(x), x.relu())


def test_a_wrong_number_of_inputs(rng: Generator, tmp_path: Path) -> None:
    onnx.save(fixed_ten(rng), tmp_path / "net.onnx")
    read = npnet.onnx.load(tmp_path / "net.onnx")
    with pytest.raises(
        TypeError, match=r"takes 1 tensors \(x: float32 \(batch, 2, 3, 3\)\), got 2"
    ):
        read(npnet.zeros(1, 2, 3, 3), npnet.zeros(1))


def test_a_name_is_no_attack_on_the_module(rng: Generator, tmp_path: Path) -> None:
    """Weights called like a module's own attributes stand under other names."""
    w = {
        "forward.weight": draw(rng, 4, 4),
        "train.weight": draw(rng, 4, 4),
        "__init__": draw(rng, 4),
    }
    nodes = [node("Gemm", "x forward.weight", "a"), node("Gemm", "a train.weight", "b")]
    onnx.save(_one(*nodes, node("Add", "b __init__", "y"), **w), tmp_path / "net.onnx")
    read = npnet.onnx.load(tmp_path / "net.onnx")
    assert callable(read.train)
    assert read.eval()(npnet.zeros(2, 4)).shape == (2, 4)
