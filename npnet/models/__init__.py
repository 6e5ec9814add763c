"""The networks: each an ordinary Module, its source and its table of layers in its docstring.

Beside npnet's own there are those of torchvision.models, without pretrained weights.
"""

from __future__ import annotations

from typing import Any

from npnet.models.alexnet import AlexNet, alexnet
from npnet.models.checkpoint import from_checkpoint
from npnet.models.convnet import ConvNet
from npnet.models.densenet import DenseNet, densenet121, densenet161, densenet169, densenet201
from npnet.models.googlenet import GoogLeNet, GoogLeNetOutputs, googlenet
from npnet.models.lenet import LeNet, LeNet4, LeNet5, LeNetFC
from npnet.models.mlp import MLP, mlp
from npnet.models.mobilenetv2 import MobileNetV2, mobilenet_v2
from npnet.models.named import get_model, get_model_builder, list_models
from npnet.models.registry import MODELS, ModelSpec, create
from npnet.models.resnet import (
    BasicBlock,
    Bottleneck,
    ResNet,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnext50_32x4d,
    resnext101_32x8d,
    resnext101_64x4d,
    wide_resnet50_2,
    wide_resnet101_2,
)
from npnet.models.resnet_cifar import CifarResNet, Subsample, resnet20
from npnet.models.shufflenetv2 import (
    ShuffleNetV2,
    shufflenet_v2_x0_5,
    shufflenet_v2_x1_0,
    shufflenet_v2_x1_5,
    shufflenet_v2_x2_0,
)
from npnet.models.squeezenet import SqueezeNet, squeezenet1_0, squeezenet1_1
from npnet.models.vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn
from npnet.models.weights import weights_class as _weights_class

__all__ = [
    "MLP",
    "MODELS",
    "VGG",
    "AlexNet",
    "BasicBlock",
    "Bottleneck",
    "CifarResNet",
    "ConvNet",
    "DenseNet",
    "GoogLeNet",
    "GoogLeNetOutputs",
    "LeNet",
    "LeNet4",
    "LeNet5",
    "LeNetFC",
    "MobileNetV2",
    "ModelSpec",
    "ResNet",
    "ShuffleNetV2",
    "SqueezeNet",
    "Subsample",
    "alexnet",
    "create",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
    "from_checkpoint",
    "get_model",
    "get_model_builder",
    "googlenet",
    "list_models",
    "mlp",
    "mobilenet_v2",
    "resnet18",
    "resnet20",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0",
    "shufflenet_v2_x1_5",
    "shufflenet_v2_x2_0",
    "squeezenet1_0",
    "squeezenet1_1",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "wide_resnet50_2",
    "wide_resnet101_2",
]


def __getattr__(name: str) -> Any:
    """A stand-in for ResNet18_Weights and the like, which a network refuses with a word."""
    if name.endswith("_Weights"):
        return _weights_class(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
