"""The same network in npnet and in PyTorch, with the same weights, and one step of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import npnet
import reference.models
from npnet.base.arrays import Array
from npnet.models import MODELS, create
from npnet.models.summary import summary

BATCH = 4
# ResNet-18 takes any size; at 64 pixels its last stage still has 2x2, so batch norm sees 16 values.
SIZES = {name: spec.input_size or spec.min_size for name, spec in MODELS.items()} | {"resnet18": 64}


@dataclass
class Result:
    """What one forward and backward made."""

    output: Array
    gradients: dict[str, Array]
    buffers: dict[str, Array]


def make_pair(name: str, dtype: str) -> tuple[npnet.nn.Module, torch.nn.Module]:
    """A network of the registry in both libraries, with PyTorch's weights."""
    torch.manual_seed(0)
    theirs = reference.models.create(name).to(getattr(torch, dtype))
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # at 1 and 0 an exchanged weight would pass
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.1)
    return copy_of(theirs, name, dtype), theirs


def copy_of(theirs: torch.nn.Module, name: str, dtype: str) -> npnet.nn.Module:
    """npnet's network `name` with the weights of a PyTorch module."""
    ours = create(name).to(getattr(npnet, dtype))
    ours.load_state_dict(theirs.state_dict())
    return ours


def draw_images(name: str, dtype: str, seed: int = 1) -> Array:
    """A batch of noise of the size and channels that the network wants."""
    shape = (BATCH, MODELS[name].in_channels, SIZES[name], SIZES[name])
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def run(library: Any, model: Any, images: Array) -> Result:
    """A forward and a backward pass by `npnet` or `torch`; the output's gradient is noise.

    The gradient for the images is there as "images".
    """
    x = library.from_numpy(images.copy()).requires_grad_()
    y = model(x)
    gy = np.random.default_rng(2).standard_normal(tuple(y.shape)).astype(images.dtype)
    y.backward(library.from_numpy(gy))
    gradients = {n: p.grad.numpy() for n, p in model.named_parameters()}
    buffers = {n: b.detach().numpy().copy() for n, b in model.named_buffers()}
    return Result(y.detach().numpy(), gradients | {"images": x.grad.numpy()}, buffers)


def longest_sums(name: str) -> int:
    """How many terms the longest sum of each layer has, added up over the layers.

    A weight's gradient is a sum over the batch and the pixels, an output one over the weights
    behind it, and the gradient of an input one over the weights it feeds.
    """
    model, images = create(name), draw_images(name, "float32")
    layers = dict(model.named_modules())
    total = 0
    for row in summary(model, images.shape).rows:
        if row.macs:
            outputs = row.output_shape[0]
            positions = BATCH * int(np.prod(row.output_shape[1:]))
            weights = layers[row.name].weight.numel()
            inputs = layers[row.name].weight.shape[1]
            total += max(positions, weights // outputs, weights // inputs)
    return total


def relative_errors(ours: dict[str, Array], theirs: dict[str, Array]) -> dict[str, float]:
    """The largest difference of each array, over the largest value in its layer.

    The layer, not the array: the gradient of a bias that batch norm takes away again is 0 but for
    rounding, and how much rounding there is shows in the gradient of the weight beside it.
    """
    scales: dict[str, float] = {}
    for name, array in theirs.items():
        layer = name.rpartition(".")[0]
        scales[layer] = max(scales.get(layer, 0.0), float(np.abs(array).max()))
    return {
        name: float(np.abs(ours[name] - array).max()) / scales[name.rpartition(".")[0]]
        for name, array in theirs.items()
    }
