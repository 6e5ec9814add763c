"""Files of other tools: CNTK, PyTorch 1.x, Keras; and ONNX's own tests of each operator."""

from __future__ import annotations

import copy
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.random import Generator
from onnx import numpy_helper

import npnet
import npnet.onnx
from npnet.onnx.loading import from_proto
from npnet.onnx.reading import readers
from tests.onnx import graphs
from tests.onnx.runs import assert_alike, by_onnxruntime, outputs


def _batches(proto: onnx.ModelProto) -> list[int]:
    """Sizes that the graph itself takes."""
    size = proto.graph.input[0].type.tensor_type.shape.dim[0]
    return [size.dim_value] if size.dim_value else [1, 3, 17]


@pytest.mark.parametrize("name", graphs.STRANGERS)
def test_file(name: str, rng: Generator, tmp_path: Path) -> None:
    proto = graphs.STRANGERS[name](rng)
    path = tmp_path / "net.onnx"
    onnx.save(proto, path)
    read = npnet.onnx.load(path)
    shape = [d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim][1:]
    for n in _batches(proto):
        x = rng.standard_normal((n, *shape), np.float32)
        wanted = by_onnxruntime(str(path), [x])
        assert_alike(outputs(read, [x]), wanted)
    # Any batch, also where the file has but one: as many single ones in a row.
    x = rng.standard_normal((2 * n, *shape), np.float32)
    whole = [by_onnxruntime(str(path), [part])[0] for part in (x[:n], x[n:])]
    assert_alike(outputs(read, [x]), [np.concatenate(whole)])


def test_names_are_readable(rng: Generator) -> None:
    read = from_proto(graphs.cntk_mnist(rng))
    assert {*read.state_dict()} == {
        "conv.weight",
        "conv.bias",
        "conv_1.weight",
        "conv_1.bias",
        "matmul.weight",
        "matmul.bias",
    }
    assert {"conv1.weight", "bn1.running_mean", "fc1.bias"} <= {
        *from_proto(graphs.pytorch_1(rng)).state_dict()
    }
    assert {"conv2d.weight", "dense.bias"} <= {*from_proto(graphs.keras(rng)).state_dict()}


def test_a_shape_that_is_computed_of_shapes_is_followed(rng: Generator) -> None:
    read = from_proto(graphs.pytorch_1(rng))
    kinds = [type(module).__name__ for module in read.children()]
    assert kinds == [
        "Conv2d",
        "BatchNorm2d",
        "ReLU",
        "MaxPool2d",
        "Reshape",
        "Dropout",
        "Linear",
        "LogSoftmax",
    ]
    assert read.reshape.shape == [0, -1]


def test_a_fixed_batch_stays_where_images_depend_on_one_another(
    rng: Generator, tmp_path: Path
) -> None:
    nodes = [graphs.node("ReduceMean", "x", "m", axes=[0], keepdims=1)]
    nodes += [graphs.node("Sub", "x m", "y")]
    proto = graphs.model(nodes, {"x": (4, 3)}, {"y": (4, 3)}, opset=11)
    onnx.save(proto, tmp_path / "net.onnx")
    assert npnet.onnx.load(tmp_path / "net.onnx").inputs[0].shape == (4, 3)
    onnx.save(graphs.fixed_ten(rng), tmp_path / "ten.onnx")
    assert npnet.onnx.load(tmp_path / "ten.onnx").inputs[0].shape == ("batch", 2, 3, 3)


def test_nodes_in_any_order_are_put_in_order(rng: Generator, tmp_path: Path) -> None:
    proto = graphs.pytorch_1(rng)
    nodes = list(proto.graph.node)[::-1]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    onnx.save(proto, tmp_path / "net.onnx")
    x = rng.standard_normal((1, 1, 28, 28), np.float32)
    wanted = outputs(from_proto(graphs.pytorch_1(np.random.default_rng(0))), [x])
    assert_alike(outputs(npnet.onnx.load(tmp_path / "net.onnx"), [x]), wanted)


def test_dropout_and_batch_norm_train(rng: Generator) -> None:
    read = from_proto(graphs.pytorch_1(rng))
    assert not read.training
    assert isinstance(read.dropout, npnet.nn.Dropout)
    x = npnet.from_numpy(rng.standard_normal((4, 1, 28, 28), np.float32))
    read.train()
    before = read.bn1.running_mean.numpy().copy()
    read(x).sum().backward()
    assert read.conv1.weight.grad is not None
    assert (read.bn1.running_mean.numpy() != before).any()


def test_loading_draws_no_random_numbers(rng: Generator) -> None:
    proto = graphs.keras(rng)
    state = npnet.get_rng_state()
    from_proto(proto)
    assert (npnet.get_rng_state().numpy() == state.numpy()).all()


# ---- ONNX's own tests ----------------------------------------------------------------------------

# What is not read, said by NotImplementedError: nodes of these tests have no form in npnet.
UNREAD = re.compile(
    r"test_(averagepool_(3d|2d_dilations)|batchnorm_.*_training_mode|celu_bfloat16|convtranspose_3d"
    r"|dropout_default_mask|gru_|hardmax|identity_(opt|sequence)|layer_normalization|lstm_(with_p|b)"
    r"|maxpool_(3d|with_argmax)|resize_|rms_normalization|rotary|simple_rnn_batchwise|rnn_seq)"
)
# Of opset 1 or with the form of IR 3; strings; a zero vector's norm; nothing to find a maximum of.
OTHERS = re.compile(
    r"test_(x?or|and|not_)|test_cast|string|l2normalization_axis_0|reduce_m.._empty_set"
)


def _node_tests() -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.loader import load_model_tests

        cases = load_model_tests(kind="node")
    kinds = set(readers)
    return [
        case
        for case in cases
        if {node.op_type for node in case.model.graph.node} <= kinds
        and not OTHERS.search(case.name)
    ]


def _with_constants(case: Any) -> tuple[onnx.ModelProto, list[Any]]:
    """The test with all inputs but the first floats as constants, as networks have weights."""
    proto, inputs = copy.deepcopy(case.model), list(case.data_sets[0][0])  # ONNX keeps its own
    first = next((i for i, x in enumerate(inputs) if x.dtype.kind == "f"), 0)
    infos = list(proto.graph.input)
    for i, (info, x) in enumerate(zip(infos, inputs, strict=False)):
        if i != first:
            array = np.ascontiguousarray(x).reshape(x.shape)
            proto.graph.initializer.append(numpy_helper.from_array(array, info.name))
    del proto.graph.input[:]
    proto.graph.input.append(infos[first])
    return proto, [inputs[first]]


def _holds(case: Any, proto: onnx.ModelProto, inputs: list[Any]) -> bool:
    found = outputs(from_proto(proto), [np.array(x) for x in inputs])
    for a, b in zip(found, case.data_sets[0][1], strict=True):
        wanted = np.asarray(b)
        assert (a.shape, a.dtype) == (wanted.shape, wanted.dtype), case.name
        rtol, atol = (max(case.rtol, 1e-3), 1e-5) if a.dtype.kind == "f" else (0, 0)
        np.testing.assert_allclose(a, wanted, rtol, atol, err_msg=case.name)
    return True


@pytest.mark.slow
@pytest.mark.parametrize("form", ["inputs", "constants"])
def test_operators_by_onnxs_own_tests(form: str) -> None:
    """Each is right, or refused by name; how many, so that none is lost unseen."""
    held, refused = 0, set()
    for case in _node_tests():
        arrays = all(
            isinstance(x, np.ndarray) and x.dtype.kind in "fiub" for x in case.data_sets[0][0]
        )
        if not arrays or not case.data_sets[0][0]:
            continue
        inputs = list(case.data_sets[0][0])
        proto = case.model
        if form == "constants":
            proto, inputs = _with_constants(case)
        try:
            held += _holds(case, proto, inputs)
        except NotImplementedError:
            refused.add(case.name)
    if form == "constants":
        wrong = [name for name in refused if not UNREAD.match(name)]
        assert not wrong
    assert held > {"inputs": 680, "constants": 800}[form]
