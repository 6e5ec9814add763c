"""Graphs as the exporters of years write them, built by `onnx.helper`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.random import Generator
from onnx import TensorProto, helper, numpy_helper

Shape = Sequence[int | str]


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, Shape],
    outputs: dict[str, Shape],
    weights: dict[str, np.ndarray] | None = None,
    *,
    opset: int = 13,
    ir: int = 7,
    weights_are_inputs: bool = False,
    kind: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """A model of these nodes; as those of IR 3, with the weights among its inputs."""
    tensors = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    begins = [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()]
    if weights_are_inputs:
        begins += [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in tensors]
    ends = [helper.make_tensor_value_info(name, kind, shape) for name, shape in outputs.items()]
    graph = helper.make_graph(list(nodes), "graph", begins, ends, tensors)
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=ir, producer_name="test")


def node(kind: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    """A node; names are separated by spaces, `-` is one that is left out."""
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(kind, names, outputs.split(), **attributes)


def constant(name: str, values: Any) -> onnx.NodeProto:
    array = np.asarray(values)
    return node("Constant", "", name, value=numpy_helper.from_array(array, name))


def draw(rng: Generator, *shape: int) -> np.ndarray:
    return (rng.standard_normal(shape, np.float32) * np.float32(0.3)).astype(np.float32)


def cntk_mnist(rng: Generator) -> onnx.ModelProto:
    """The zoo's first network for digits: opset 8, auto_pad, a bias by Add, a weight by Reshape."""
    weights = {
        "Parameter5": draw(rng, 8, 1, 5, 5),
        "Parameter6": draw(rng, 8, 1, 1),
        "Parameter87": draw(rng, 16, 8, 5, 5),
        "Parameter88": draw(rng, 16, 1, 1),
        "Pooling160_Output_0_reshape0_shape": np.array([1, 256]),
        "Parameter193": draw(rng, 16, 4, 4, 10),
        "Parameter193_reshape1_shape": np.array([256, 10]),
        "Parameter194": draw(rng, 1, 10),
    }
    same = {"kernel_shape": [5, 5], "strides": [1, 1], "auto_pad": "SAME_UPPER", "group": 1}
    valid = {"pads": [0, 0, 0, 0], "auto_pad": "NOTSET"}
    nodes = [
        node("Reshape", "Parameter193 Parameter193_reshape1_shape", "P193_reshape1"),
        node("Conv", "Input3 Parameter5", "Conv28", dilations=[1, 1], **same),
        node("Add", "Conv28 Parameter6", "Plus30"),
        node("Relu", "Plus30", "ReLU32"),
        node("MaxPool", "ReLU32", "Pooling66", kernel_shape=[2, 2], strides=[2, 2], **valid),
        node("Conv", "Pooling66 Parameter87", "Conv110", dilations=[1, 1], **same),
        node("Add", "Conv110 Parameter88", "Plus112"),
        node("Relu", "Plus112", "ReLU114"),
        node("MaxPool", "ReLU114", "Pooling160", kernel_shape=[3, 3], strides=[3, 3], **valid),
        node("Reshape", "Pooling160 Pooling160_Output_0_reshape0_shape", "P160_reshape0"),
        node("MatMul", "P160_reshape0 P193_reshape1", "Times212"),
        node("Add", "Times212 Parameter194", "Plus214"),
    ]
    shapes = {"Input3": (1, 1, 28, 28)}, {"Plus214": (1, 10)}
    return model(nodes, *shapes, weights, opset=8, ir=3, weights_are_inputs=True)


def pytorch_1(rng: Generator) -> onnx.ModelProto:
    """PyTorch 1.x: numbers for names, and x.view(x.size(0), -1) as a chain of shapes."""
    weights = {
        "conv1.weight": draw(rng, 4, 1, 3, 3),
        "conv1.bias": draw(rng, 4),
        "bn1.weight": draw(rng, 4) + 1,
        "bn1.bias": draw(rng, 4),
        "bn1.running_mean": draw(rng, 4),
        "bn1.running_var": draw(rng, 4) ** 2 + 1,
        "fc1.weight": draw(rng, 5, 4 * 13 * 13),
        "fc1.bias": draw(rng, 5),
    }
    convolution = {"dilations": [1, 1], "group": 1, "kernel_shape": [3, 3]}
    nodes = [
        node("Conv", "input.1 conv1.weight conv1.bias", "9", strides=[1, 1], **convolution),
        node("BatchNormalization", "9 bn1.weight bn1.bias bn1.running_mean bn1.running_var", "10"),
        node("Relu", "10", "11"),
        node("MaxPool", "11", "12", kernel_shape=[2, 2], strides=[2, 2]),
        node("Shape", "12", "13"),
        constant("14", np.array(0)),
        node("Gather", "13 14", "15", axis=0),
        constant("16", np.array(-1)),
        node("Unsqueeze", "15", "17", axes=[0]),
        node("Unsqueeze", "16", "18", axes=[0]),
        node("Concat", "17 18", "19", axis=0),
        node("Reshape", "12 19", "20"),
        node("Dropout", "20", "21", ratio=0.5),
        node("Gemm", "21 fc1.weight fc1.bias", "22", alpha=1.0, beta=1.0, transB=1),
        node("LogSoftmax", "22", "23", axis=1),
    ]
    shapes = {"input.1": (1, 1, 28, 28)}, {"23": (1, 5)}
    return model(nodes, *shapes, weights, opset=9, ir=4)


def keras(rng: Generator) -> onnx.ModelProto:
    """tf2onnx and keras2onnx: pixels last, names with slashes, a pool that pads one side."""
    weights = {
        "conv2d/kernel:0": draw(rng, 4, 1, 3, 3),
        "conv2d/bias:0": draw(rng, 4),
        "dense/kernel:0": draw(rng, 14 * 14 * 4, 6),
        "dense/bias:0": draw(rng, 6),
        "shape": np.array([-1, 14 * 14 * 4]),
    }
    nodes = [
        node("Transpose", "image", "t", perm=[0, 3, 1, 2]),
        node("Conv", "t conv2d/kernel:0 conv2d/bias:0", "c", auto_pad="VALID"),
        node("Relu", "c", "r"),
        node("Pad", "r", "p", mode="constant", pads=[0, 0, 0, 0, 0, 0, 1, 1], value=0.0),
        node("MaxPool", "p", "m", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
        node("Transpose", "m", "u", perm=[0, 2, 3, 1]),
        node("Identity", "u", "i"),
        node("Reshape", "i shape", "f"),
        node("MatMul", "f dense/kernel:0", "d"),
        node("Add", "d dense/bias:0", "e"),
        node("Softmax", "e", "y", axis=1),
    ]
    shapes = {"image": ("N", 28, 28, 1)}, {"y": ("N", 6)}
    return model(nodes, *shapes, weights, opset=10, ir=5)


def residual(rng: Generator) -> onnx.ModelProto:
    """Slices and pads in the older spelling, a mean over pixels, Clip, Split, Sum."""
    weights = {"w": draw(rng, 4, 4, 3, 3), "v": draw(rng, 8, 5), "b": draw(rng, 5)}
    nodes = [
        node("Conv", "x w", "c", pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        node(
            "Slice", "x", "s", starts=[0, -8], ends=[9223372036854775807, 2147483647], axes=[2, 3]
        ),
        node("Sum", "c s", "a"),
        node("Clip", "a", "r", min=0.0, max=6.0),
        node("Split", "r", "l m", axis=1, split=[1, 3]),
        node("Concat", "m l r", "j", axis=1),
        node("ReduceMean", "j", "g", axes=[2, 3], keepdims=1),
        node("Squeeze", "g", "f", axes=[2, 3]),
        node("Gemm", "f v b", "y"),
    ]
    shapes = {"x": ("batch", 4, 8, 8)}, {"y": ("batch", 5)}
    return model(nodes, *shapes, weights, opset=9, ir=4)


def fixed_ten(rng: Generator) -> onnx.ModelProto:
    """A batch of ten by the shape that it is reshaped to."""
    nodes = [constant("shape", np.array([10, -1])), node("Reshape", "x shape", "f")]
    nodes += [node("MatMul", "f w", "y")]
    weights = {"w": draw(rng, 2 * 3 * 3, 4)}
    return model(nodes, {"x": (10, 2, 3, 3)}, {"y": (10, 4)}, weights)


def softmax_of_old(rng: Generator) -> onnx.ModelProto:
    """Softmax over all axes from 1 on, as before opset 13."""
    return model(
        [node("Softmax", "x", "y")], {"x": ("N", 2, 3, 4)}, {"y": ("N", 2, 3, 4)}, opset=11
    )


STRANGERS = {
    make.__name__: make
    for make in (cntk_mnist, pytorch_1, keras, residual, fixed_ten, softmax_of_old)
}
