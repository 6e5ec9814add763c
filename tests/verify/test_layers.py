"""Every layer has a certificate, or says what to ask for instead."""

from __future__ import annotations

import inspect

import pytest

from npnet import nn
from npnet.verify.beside import beside_pytorch
from npnet.verify.layers import LAYERS, REST
from npnet.verify.slopes import finite_differences
from npnet.verify.spelling import layer_cases, layer_name


def test_every_layer_is_there() -> None:
    classes = {
        name
        for name, found in vars(nn).items()
        if inspect.isclass(found) and issubclass(found, nn.Module)
    }
    assert classes == {*LAYERS, *REST}
    assert not LAYERS.keys() & REST.keys()


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_are_slopes(name: str) -> None:
    claim = finite_differences(layer_cases(name, 0)[1], 0, name)
    assert claim.holds, claim


# Its draws are not PyTorch's, in training and in evaluation.
@pytest.mark.parametrize("name", [name for name in LAYERS if name != "FractionalMaxPool2d"])
def test_equals_pytorch(name: str) -> None:
    for claim in beside_pytorch(layer_cases(name, 1)[1], 1, name):
        assert claim.holds, claim


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("conv2d", "Conv2d"),
        ("MAX_POOL2D", "MaxPool2d"),
        ("cross_entropy", "CrossEntropyLoss"),
        ("mse", "MSELoss"),
        ("batch_norm", "BatchNorm2d"),
        ("cnov2d", None),
    ],
)
def test_names(said: str, meant: str | None) -> None:
    assert layer_name(said) == meant
