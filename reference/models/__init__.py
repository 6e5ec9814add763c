"""The networks of `npnet.models` as ordinary PyTorch, with the same state_dict keys."""

from reference.models.convnet import ConvNet
from reference.models.lenet import LeNet, LeNet4, LeNet5, LeNetFC
from reference.models.mlp import MLP, mlp
from reference.models.registry import MODELS, create
from reference.models.resnet import BasicBlock, ResNet, resnet18
from reference.models.resnet_cifar import CifarResNet, Subsample, resnet20

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
    "ResNet",
    "Subsample",
    "create",
    "mlp",
    "resnet18",
    "resnet20",
]
