"""The networks of `npnet.models` as ONNX: held by the checker, the reference and onnxruntime."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.random import Generator

import npnet
import npnet.onnx
from npnet import models, nn
from npnet.models.preprocess import Preprocess
from npnet.models.registry import MODELS
from tests.onnx.runs import assert_alike, by_onnxruntime, by_reference, outputs, shake


@pytest.mark.parametrize("name", MODELS)
def test_network(name: str, rng: Generator, tmp_path: Path) -> None:
    spec = MODELS[name]
    model = models.create(name)
    shake(model, rng)
    shape = (spec.in_channels, *[spec.input_size or spec.min_size] * 2)
    path = tmp_path / "net.onnx"
    npnet.onnx.export(model, path, npnet.zeros(1, *shape))

    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    assert (proto.opset_import[0].version, proto.ir_version) == (20, 10)
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    weights = {name for name in model.state_dict() if not name.endswith("num_batches_tracked")}
    assert weights <= {tensor.name for tensor in proto.graph.initializer}
    read = npnet.onnx.load(path)
    for n in (1, 3, 17):
        x = rng.standard_normal((n, *shape), np.float32)
        wanted = outputs(model.eval(), [x])
        assert_alike(by_onnxruntime(str(path), [x]), wanted)
        assert_alike(outputs(read, [x]), wanted)
        if n == 1:
            assert_alike(by_reference(proto, [x]), wanted)


def test_both_orders_of_arguments_write_the_same(tmp_path: Path) -> None:
    model, x = models.create("lenet5"), npnet.zeros(1, 1, 32, 32)
    issue, torchs, names = (tmp_path / name for name in ("a.onnx", "b.onnx", "c.onnx"))
    npnet.onnx.export(model, issue, x)
    npnet.onnx.export(model, (x,), torchs)
    npnet.onnx.export(model, args=x, f=str(names))
    assert issue.read_bytes() == torchs.read_bytes() == names.read_bytes()
    with pytest.raises(TypeError, match=r"path, f are one argument"):
        npnet.onnx.export(model, issue, x, f=names)


def test_names_and_free_sizes_of_pytorchs_tutorial(tmp_path: Path) -> None:
    model = models.create("lenet_fc").train()
    proto = npnet.onnx.export(
        model,
        npnet.randn(1, 1, 32, 32),
        tmp_path / "net.onnx",
        export_params=True,
        opset_version=20,
        do_constant_folding=True,
        input_names=["input"],
        output_names=["logits"],
        dynamic_axes={"input": {0: "batch_size"}, "logits": {0: "batch_size"}},
    )
    (begin,), (end,) = proto.graph.input, proto.graph.output
    assert (begin.name, end.name) == ("input", "logits")
    assert end.type.tensor_type.shape.dim[0].dim_param == "batch_size"
    fixed = npnet.onnx.export(model, None, npnet.randn(4, 1, 32, 32), dynamic_axes={})
    assert fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 4
    assert all(module.training for module in model.modules())


def test_free_height_and_width(rng: Generator) -> None:
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    model = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(2), *pool)
    axes = {"input": {0: "batch", 2: "height", 3: "width"}}
    proto = npnet.onnx.export(model, None, npnet.zeros(1, 3, 8, 8), dynamic_axes=axes)
    x = rng.standard_normal((2, 3, 40, 64), np.float32)
    assert_alike(by_onnxruntime(proto, [x]), outputs(model, [x]))
    with pytest.raises(ValueError, match=r"height can't be free: the model does not run"):
        npnet.onnx.export(
            models.create("lenet5"),
            None,
            npnet.zeros(1, 1, 32, 32),
            dynamic_axes={"x": {2: "height"}},
        )


def test_metadata_softmax_and_preprocessing(rng: Generator, tmp_path: Path) -> None:
    model = models.create("lenet").eval()
    preprocess = Preprocess((1, 32, 32), (0.13,), (0.31,))
    proto = npnet.onnx.export(
        model,
        tmp_path / "net.onnx",
        classes=[str(i) for i in range(10)],
        preprocess=preprocess,
        with_softmax=True,
        with_preprocessing=True,
        metadata={"author": "somebody"},
    )
    facts = {entry.key: entry.value for entry in proto.metadata_props}
    assert json.loads(facts["classes"]) == [str(i) for i in range(10)]
    assert json.loads(facts["mean"]) == [0.13]
    assert json.loads(facts["image_shape"]) == [1, 32, 32]
    assert facts["npnet_version"] == npnet.__version__
    assert facts["author"] == "somebody"
    assert npnet.onnx.load(tmp_path / "net.onnx").metadata == facts
    pixels = rng.integers(0, 256, (3, 1, 32, 32)).astype(np.uint8)
    with npnet.no_grad():
        wanted = model(preprocess(pixels)).softmax(1).array
    (found,) = by_onnxruntime(proto, [pixels.astype(np.float32)])
    assert_alike([found], [wanted])


def test_the_model_is_as_before() -> None:
    layers = nn.Conv2d(1, 4, 5), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), nn.BatchNorm2d(4)
    model = nn.Sequential(*layers).train()
    model[4].eval()
    seen: list[int] = []
    handle = model[0].register_forward_hook(lambda m, x, y: seen.append(1))
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    hooks = [(dict(m._forward_hooks), dict(m._forward_pre_hooks)) for m in model.modules()]
    modes = [m.training for m in model.modules()]
    state = npnet.get_rng_state()
    npnet.onnx.export(model, None, npnet.zeros(1, 1, 28, 28))
    assert [m.training for m in model.modules()] == modes
    assert [(dict(m._forward_hooks), dict(m._forward_pre_hooks)) for m in model.modules()] == hooks
    assert all((before[name] == v.numpy()).all() for name, v in model.state_dict().items())
    assert (npnet.get_rng_state().numpy() == state.numpy()).all()
    assert all(p.grad is None for p in model.parameters())
    assert seen  # the user's own hook ran, as in any forward pass
    handle.remove()


def test_a_compiled_and_a_frozen_model_and_doubles(rng: Generator) -> None:
    model = models.create("lenet5").double().eval()
    for p in model.parameters():
        p.requires_grad = False
    proto = npnet.onnx.export(npnet.compile(model), None, npnet.zeros(1, 1, 32, 32).double())
    assert "conv1.weight" in {tensor.name for tensor in proto.graph.initializer}
    x = rng.standard_normal((3, 1, 32, 32))
    assert_alike(by_reference(proto, [x]), outputs(model, [x]))  # onnxruntime has no such Conv


@pytest.mark.parametrize("opset", [18, 19, 21])
def test_another_opset(opset: int, rng: Generator) -> None:
    model = models.create("lenet").eval()
    proto = npnet.onnx.export(model, None, npnet.zeros(1, 1, 32, 32), opset_version=opset)
    assert proto.opset_import[0].version == opset
    x = rng.standard_normal((3, 1, 32, 32), np.float32)
    assert_alike(by_onnxruntime(proto, [x]), outputs(model, [x]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"needs a sample"),
        ({"sample": "net"}, r"a sample must be a Tensor"),
        ({"sample": npnet.zeros(0, 1, 32, 32)}, r"the sample is empty"),
        ({"opset_version": 9}, r"opset_version must be 20, or one from 18"),
        ({"export_params": False}, r"leaves the weights out"),
        ({"training": True}, r"as it is in evaluation"),
        ({"external_data": True}, r"all is in one file"),
        ({"input_names": ["a", "b"]}, r"input_names must be 1 different names"),
        ({"output_names": ["a", "b"]}, r"output_names must be 1 different names"),
        ({"dynamic_axes": {"y": {0: "n"}}}, r"names 'y', which is none of \['x'\]"),
        ({"dynamic_axes": {"x": {7: "n"}}}, r"x has 4 axes, got axis 7"),
        ({"with_preprocessing": True}, r"needs to know mean and std"),
    ],
)
def test_what_is_refused(given: dict[str, object], message: str, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    sample = {} if not given or "sample" in given else {"sample": npnet.zeros(1, 1, 32, 32)}
    with pytest.raises((TypeError, ValueError), match=message):
        npnet.onnx.export(models.create("lenet"), path, **sample, **given)
    assert not path.exists()
