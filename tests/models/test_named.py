"""models.get_model and list_models, as torchvision's."""

from __future__ import annotations

import pytest

from npnet import models
from tests.torchvision_import import import_torchvision


def test_names_are_torchvision_s() -> None:
    names = models.list_models()
    assert set(names) <= set(import_torchvision().models.list_models())
    assert {"alexnet", "resnet18", "vgg11_bn", "squeezenet1_0"} <= set(names)
    assert models.list_models(include="resnet1*", exclude=["*18", "*52"]) == ["resnet101"]
    assert models.list_models(models.vgg, include=("vgg1?", "res*")) == [
        "vgg11",
        "vgg13",
        "vgg16",
        "vgg19",
    ]


def test_a_network_by_its_name() -> None:
    network = models.get_model("SqueezeNet1_1", num_classes=3)
    assert isinstance(network, models.SqueezeNet)
    assert models.get_model_builder("resnet18") is models.resnet18
    with pytest.raises(ValueError, match="did you mean 'resnet18'"):
        models.get_model("resnet_18")
