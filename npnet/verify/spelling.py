"""A layer as somebody types it: `conv2d`, `Conv2d`, `Conv2d(3, 8, 5, stride=2)`. Never executed."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import numpy as np

from npnet import nn
from npnet.base.checks import unknown_name
from npnet.random import drawing_apart
from npnet.runs.errors import ConfigError
from npnet.verify.layers import LAYERS, MODED, REST, Layer, made
from npnet.verify.subjects import Case, Given

__all__ = ["layer_cases", "layer_name"]

# What a function is called where its layer is called something else.
_FUNCTIONS = {
    "batchnorm": "BatchNorm2d",
    "binarycrossentropy": "BCELoss",
    "binarycrossentropywithlogits": "BCEWithLogitsLoss",
    "convolution": "Conv2d",
    "conv": "Conv2d",
    "crossentropy": "CrossEntropyLoss",
    "dense": "Linear",
    "instancenorm": "InstanceNorm2d",
    "interpolate": "Upsample",
    "kldiv": "KLDivLoss",
    "maxpool": "MaxPool2d",
    "avgpool": "AvgPool2d",
    "pad": "ConstantPad2d",
    "upsamplebilinear": "UpsamplingBilinear2d",
    "upsamplenearest": "UpsamplingNearest2d",
}


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def layer_name(name: str) -> str | None:
    """The class of npnet.nn that a name says, whatever its case: max_pool2d is MaxPool2d."""
    by_plain = {_plain(known): known for known in (*REST, *LAYERS)}
    plain = _plain(name)
    return by_plain.get(plain) or _FUNCTIONS.get(plain) or by_plain.get(f"{plain}loss")


def layer_cases(text: str, seed: int) -> tuple[str, list[Case]]:
    """What a certificate calls a layer, and what it tries: one module, or several typical ones.

    Raises:
        ConfigError: there is no such layer, or it does not take these arguments.
    """
    head, is_called, _ = text.partition("(")
    name = layer_name(head.strip())
    if name is None:
        raise ConfigError(unknown_name("layer", head.strip(), LAYERS))
    if name in REST:
        raise ConfigError(f"layer: no inputs are known of {name}; {REST[name]}")
    layer = LAYERS[name]
    if is_called:
        return text, _cases(name, layer, f"{name}({text.partition('(')[2]}", text, seed)
    return name, [
        case
        for arguments in layer.arguments
        for case in _cases(name, layer, f"{name}({arguments})", None, seed)
    ]


def _cases(name: str, layer: Layer, call: str, typed: str | None, seed: int) -> list[Case]:
    """The layer of one call, in training, and in evaluation where that is something else."""
    arguments, named = _arguments(call)
    try:
        with drawing_apart(seed):
            module = made(name, arguments, named)
        layer.draw(module, np.random.default_rng(0), 2)
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        if typed is None:
            raise
        signature = str(inspect.signature(getattr(nn, name).__init__)).replace("self, ", "")
        signature = signature.partition(" ->")[0].replace("'", "")
        raise ConfigError(f"layer: {typed}: {error}; it is {name}{signature}") from None

    def draw(rng: np.random.Generator, n: int) -> list[Given]:
        return list(layer.draw(module, rng, n))

    def twin() -> Any:
        import torch

        return getattr(torch.nn, name)(*arguments, **named)

    modes = (True, False) if any(part in name for part in MODED) else (True,)
    return [Case(call.replace("()", ""), module, draw, mode, twin) for mode in modes]


def _arguments(call: str) -> tuple[list[Any], dict[str, Any]]:
    """The literals of a call. ConfigError where it is no call, or something in it is no literal."""
    try:
        node = ast.parse(call.strip(), mode="eval").body
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            raise ValueError
        named = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                raise ValueError
            named[keyword.arg] = ast.literal_eval(keyword.value)
        return [ast.literal_eval(value) for value in node.args], named
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        raise ConfigError(
            f"layer: write the arguments as literals, as Conv2d(3, 8, 5, stride=2), got {call!r}"
        ) from None
