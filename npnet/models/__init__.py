"""The networks: each an ordinary Module, its source and its table of layers in its docstring."""

from npnet.models.checkpoint import from_checkpoint
from npnet.models.convnet import ConvNet
from npnet.models.lenet import LeNet, LeNet4, LeNet5, LeNetFC
from npnet.models.mlp import MLP, mlp
from npnet.models.registry import MODELS, ModelSpec, create
from npnet.models.resnet import BasicBlock, CifarResNet, ResNet, Subsample, resnet18, resnet20

__all__ = [
    "MLP",
    "MODELS",
    "BasicBlock",
    "CifarResNet",
    "ConvNet",
    "LeNet",
    "LeNet4",
    "LeNet5",
    "LeNetFC",
    "ModelSpec",
    "ResNet",
    "Subsample",
    "create",
    "from_checkpoint",
    "mlp",
    "resnet18",
    "resnet20",
]
