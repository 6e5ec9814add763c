"""The networks of torchvision.models: the same keys, shapes and outputs with the same weights."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import npnet
from npnet import models
from tests.torchvision_import import import_torchvision

# Of the largest output, in float64: sums of thousands of products, through up to a hundred layers.
FLOAT64 = 1e-9

# name: options, and the side of the images; small ones, for the time of the test.
NETWORKS: dict[str, tuple[dict[str, Any], int]] = {
    "densenet121": ({}, 32),
    "mobilenet_v2": ({"width_mult": 0.25}, 32),
    "resnet18": ({}, 32),
    "resnet50": ({"replace_stride_with_dilation": [False, True, True]}, 32),
    "resnext50_32x4d": ({}, 32),
    "shufflenet_v2_x0_5": ({}, 32),
    "squeezenet1_0": ({}, 33),
    "squeezenet1_1": ({}, 32),
}


@pytest.fixture(scope="module")
def theirs() -> Any:
    return import_torchvision().models


def shapes(model: Any) -> list[tuple[str, tuple[int, ...]]]:
    return [(key, tuple(value.shape)) for key, value in model.state_dict().items()]


@pytest.mark.parametrize("name", list(NETWORKS))
def test_outputs_are_torchvisions(theirs: Any, name: str) -> None:
    options, side = NETWORKS[name]
    torch.manual_seed(0)
    expected = getattr(theirs, name)(num_classes=7, **options).double()
    for module in expected.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # at 1 and 0 an exchanged one would pass
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.1)
    ours = getattr(models, name)(num_classes=7, **options).double()
    assert shapes(ours) == shapes(expected)
    assert repr(ours).split("(", 1)[1] == repr(expected).split("(", 1)[1]
    ours.load_state_dict(expected.state_dict())
    x = np.random.default_rng(0).standard_normal((2, 3, side, side))
    ours.eval(), expected.eval()
    with npnet.no_grad(), torch.no_grad():
        y, y_ref = ours(npnet.from_numpy(x)).numpy(), expected(torch.from_numpy(x)).numpy()
    assert_allclose(y, y_ref, rtol=0, atol=FLOAT64 * np.abs(y_ref).max())


@pytest.mark.parametrize("transform_input", [True, False])
def test_googlenet_is_torchvisions(theirs: Any, transform_input: bool) -> None:
    options = {"num_classes": 7, "transform_input": transform_input, "init_weights": False}
    torch.manual_seed(0)
    expected = theirs.googlenet(**options, dropout=0.0, dropout_aux=0.0).double()
    ours = models.googlenet(**options, dropout=0.0, dropout_aux=0.0).double()
    assert shapes(ours) == shapes(expected)
    assert repr(ours).split("(", 1)[1] == repr(expected).split("(", 1)[1]
    ours.load_state_dict(expected.state_dict())
    x = np.random.default_rng(0).standard_normal((2, 3, 40, 40))
    y, y_ref = ours(npnet.from_numpy(x)), expected(torch.from_numpy(x))
    assert y._fields == y_ref._fields
    for a, b in zip(y, y_ref, strict=True):
        assert_allclose(
            a.detach(), b.detach(), rtol=0, atol=FLOAT64 * float(b.detach().abs().max())
        )
    sum(part.sum() for part in y).backward()
    sum(part.sum() for part in y_ref).backward()
    for (name, p), q in zip(ours.named_parameters(), expected.parameters(), strict=True):
        largest = float(q.grad.abs().max())
        assert_allclose(p.grad, q.grad, rtol=0, atol=FLOAT64 * max(largest, 1), err_msg=name)
    ours.eval(), expected.eval()
    assert_allclose(
        ours(npnet.from_numpy(x)).detach(),
        expected(torch.from_numpy(x)).detach(),
        rtol=0,
        atol=1e-8,
    )


def test_googlenet_without_classifiers_on_the_way() -> None:
    with pytest.warns(FutureWarning, match="init_weights=True"):
        model = models.googlenet(aux_logits=False, num_classes=5)
    assert model(npnet.zeros(2, 3, 32, 32)).shape == (2, 5)
    deviation = float(model.conv3.conv.weight.detach().numpy().std())
    assert deviation == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize("depth", [11, 13, 16, 19])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_features_of_vgg_are_torchvisions(theirs: Any, depth: int, batch_norm: bool) -> None:
    """The three fully connected layers take half a gigabyte."""
    letter = {11: "A", 13: "B", 16: "D", 19: "E"}[depth]
    expected = theirs.vgg.make_layers(theirs.vgg.cfgs[letter], batch_norm=batch_norm)
    ours = models.vgg._features(models.vgg._STAGES[depth], batch_norm)
    assert repr(ours) == repr(expected)
    assert shapes(ours) == shapes(expected)


def test_alexnet_is_torchvisions(theirs: Any) -> None:
    ours, expected = models.alexnet(num_classes=7), theirs.alexnet(num_classes=7)
    assert repr(ours) == repr(expected)
    ours.load_state_dict(expected.state_dict())
    x = np.random.default_rng(0).standard_normal((1, 3, 64, 64), np.float32)
    with npnet.no_grad(), torch.no_grad():
        y = ours.eval()(npnet.from_numpy(x)).numpy()
        y_ref = expected.eval()(torch.from_numpy(x)).numpy()
    assert_allclose(y, y_ref, rtol=0, atol=1e-4 * np.abs(y_ref).max())


def test_weights_are_drawn_as_torchvision_draws_them(theirs: Any) -> None:
    npnet.manual_seed(0)
    torch.manual_seed(0)
    for name in ("mobilenet_v2", "squeezenet1_1"):
        ours, expected = getattr(models, name)(), getattr(theirs, name)(weights=None)
        reference = dict(expected.named_parameters())
        for key, value in ours.named_parameters():
            deviation = float(reference[key].detach().std(correction=0))
            found = float(value.detach().numpy().std())
            assert found == pytest.approx(deviation, rel=0.2, abs=1e-12), (name, key)


def test_no_weights_are_here_and_it_says_what_to_do() -> None:
    for asked in ("DEFAULT", models.ResNet18_Weights.IMAGENET1K_V1):
        with pytest.raises(ValueError, match=r"resnet18: npnet has no pretrained weights.*load_st"):
            models.resnet18(weights=asked)
    with (
        pytest.warns(UserWarning, match="'pretrained' is deprecated"),
        pytest.raises(ValueError, match="vgg11_bn: npnet has no pretrained weights, got True"),
    ):
        models.vgg11_bn(pretrained=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert models.squeezenet1_1(pretrained=False, num_classes=2).num_classes == 2
    assert repr(models.VGG16_Weights.DEFAULT) == "VGG16_Weights.DEFAULT"
    with pytest.raises(AttributeError, match="no attribute 'resnet17'"):
        _ = models.resnet17


def test_options_of_torchvision() -> None:
    assert models.resnet18().fc.out_features == 1000
    model = models.ResNet(models.BasicBlock, [1, 1, 1, 1], num_classes=3, norm_layer=Grouped)
    assert isinstance(model.bn1, Grouped)
    with pytest.raises(ValueError, match="BasicBlock only supports groups=1"):
        models.resnet18(groups=2)
    with pytest.raises(NotImplementedError, match="Dilation > 1 not supported"):
        models.resnet18(replace_stride_with_dilation=[True, True, True])
    with pytest.raises(ValueError, match="replace_stride_with_dilation must have 3 values"):
        models.resnet50(replace_stride_with_dilation=[True])
    with pytest.raises(ValueError, match="version must be 1_0 or 1_1"):
        models.SqueezeNet("2")


class Grouped(npnet.nn.GroupNorm):
    def __init__(self, channels: int) -> None:
        super().__init__(8, channels)
