"""Layers, losses, initialisation: the names of `torch.nn`."""

from npnet.nn import functional, init, utils
from npnet.nn.module import Module
from npnet.nn.modules.activation import (
    ELU,
    GELU,
    Hardswish,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from npnet.nn.modules.container import ModuleDict, ModuleList, Sequential
from npnet.nn.modules.conv import Conv2d
from npnet.nn.modules.dropout import Dropout
from npnet.nn.modules.flatten import Flatten
from npnet.nn.modules.linear import Identity, Linear
from npnet.nn.modules.loss import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    MSELoss,
    NLLLoss,
)
from npnet.nn.modules.norm import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm
from npnet.nn.modules.pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from npnet.nn.parameter import Parameter

__all__ = [
    "ELU",
    "GELU",
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "GroupNorm",
    "Hardswish",
    "Identity",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss",
    "Parameter",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "functional",
    "init",
    "utils",
]
