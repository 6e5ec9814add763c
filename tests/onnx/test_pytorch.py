"""What PyTorch's two exporters write of the networks of `reference`, read by npnet."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.random import Generator

import npnet
import npnet.onnx
from npnet.models.registry import MODELS
from npnet.onnx import OnnxModel
from reference.models.registry import create
from tests.onnx.runs import assert_alike, outputs

EXPORTERS: dict[str, dict[str, Any]] = {
    "dynamo": {"dynamo": True, "dynamic_shapes": ({0: "batch"},), "external_data": False},
    "torchscript": {
        "dynamo": False,
        "input_names": ["x"],
        "dynamic_axes": {"x": {0: "batch"}},
    },
}
UNFOLDED: dict[str, dict[str, Any]] = {
    "dynamo as it is": EXPORTERS["dynamo"] | {"optimize": False},
    "dynamo, two files": EXPORTERS["dynamo"] | {"external_data": True},
    "torchscript in training": EXPORTERS["torchscript"]
    | {"training": torch.onnx.TrainingMode.TRAINING, "do_constant_folding": False},
    "torchscript, one image": {"dynamo": False},
    "torchscript, opset 9": EXPORTERS["torchscript"] | {"opset_version": 9},
    "torchscript, opset 11": EXPORTERS["torchscript"] | {"opset_version": 11},
    "torchscript, opset 14": EXPORTERS["torchscript"] | {"opset_version": 14},
}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """PyTorch's exporters print, log and warn."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _network(name: str, seed: int = 0) -> torch.nn.Module:
    """A network of `reference` whose statistics are as after training."""
    torch.manual_seed(seed)
    model = create(name)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 2)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_()
    return model.eval()


def _image(name: str, n: int) -> torch.Tensor:
    spec = MODELS[name]
    size = spec.input_size or spec.min_size
    return torch.rand(n, spec.in_channels, size, size, generator=torch.Generator().manual_seed(n))


def _written(model: torch.nn.Module, name: str, path: Path, options: dict[str, Any]) -> OnnxModel:
    state = {key: value.clone() for key, value in model.state_dict().items()}
    with _quiet():
        torch.onnx.export(model, (_image(name, 2),), path, **options)
    model.load_state_dict(state)  # exporting in training moves the statistics
    return npnet.onnx.load(path)


def _hold(read: OnnxModel, model: torch.nn.Module, name: str) -> None:
    for n in (1, 3, 17):
        x = _image(name, n)
        with torch.no_grad():
            wanted = model(x).numpy()
        assert_alike(outputs(read, [x.numpy()]), [wanted])


@pytest.mark.slow
@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("name", MODELS)
def test_exporter(name: str, exporter: str, tmp_path: Path) -> None:
    model = _network(name)
    read = _written(model, name, tmp_path / "net.onnx", EXPORTERS[exporter])
    _hold(read, model.eval(), name)
    weights = [key for key in read.state_dict() if key.endswith("weight")]
    known = model.state_dict()
    assert len(weights) == sum(v.ndim > 1 for v in known.values())
    assert {key for key, v in known.items() if key.endswith("weight") and v.ndim > 1} == {*weights}
    assert len(list(read.parameters())) > 0


@pytest.mark.slow
@pytest.mark.parametrize("form", UNFOLDED)
@pytest.mark.parametrize("name", ["lenet_fc", "resnet20"])
def test_other_forms(name: str, form: str, tmp_path: Path) -> None:
    model = _network(name)
    read = _written(model, name, tmp_path / "net.onnx", UNFOLDED[form])
    _hold(read, model.eval(), name)


@pytest.mark.slow
def test_a_batch_norm_that_was_not_folded_can_be_trained(tmp_path: Path, rng: Generator) -> None:
    model = _network("resnet20")
    read = _written(model, "resnet20", tmp_path / "n.onnx", UNFOLDED["torchscript in training"])
    before = read.bn1.running_mean.numpy().copy()
    read.train()
    read(npnet.from_numpy(_image("resnet20", 8).numpy()))
    assert not np.array_equal(before, read.bn1.running_mean.numpy())


def test_layers_are_readable_and_can_be_trained(tmp_path: Path) -> None:
    model = _network("lenet_fc")
    read = _written(model, "lenet_fc", tmp_path / "n.onnx", EXPORTERS["torchscript"])
    assert repr(read.conv1) == "Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))"
    assert repr(read.fc2) == "Linear(in_features=120, out_features=84, bias=True)"
    assert {*read.state_dict()} == {*model.state_dict()}
    x, target = npnet.from_numpy(_image("lenet_fc", 4).numpy()), npnet.tensor([0, 1, 2, 3])
    optimizer = npnet.optim.SGD(read.parameters(), lr=0.1)
    losses = []
    for _ in range(5):
        loss = npnet.nn.functional.cross_entropy(read(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    theirs = torch.nn.functional.cross_entropy(model(_image("lenet_fc", 4)), torch.arange(4))
    assert losses[0] == pytest.approx(theirs.item(), rel=1e-5)


def test_weights_of_one_name_are_not_taken_for_the_networks(tmp_path: Path) -> None:
    """PyTorch folds batch norm into a convolution and keeps its name: the graph is what counts."""
    model = _network("convnet")
    read = _written(model, "convnet", tmp_path / "n.onnx", EXPORTERS["dynamo"])
    assert not np.allclose(read.conv1.weight.detach().numpy(), model.conv1.weight.detach().numpy())
    _hold(read, model, "convnet")


def test_a_chain_of_layers_compiles(tmp_path: Path, numba: None) -> None:
    model = _network("lenet5")
    read = _written(model, "lenet5", tmp_path / "n.onnx", EXPORTERS["torchscript"])
    compiled = npnet.compile(read)
    x = _image("lenet5", 40)
    with npnet.no_grad():
        found = compiled(npnet.from_numpy(x.numpy())).array
    assert compiled.fallback is None
    with torch.no_grad():
        assert_alike([found], [model(x).numpy()])
