"""The network of an estimator: by name, by class or as it is, sized by the data at fit."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import npnet
from npnet import nn
from npnet.base.arrays import Array
from npnet.base.checks import unknown_name
from npnet.models import MLP, MODELS, create

__all__ = ["build", "check_outputs", "in_memory", "input_size"]

MLP_NAME = "mlp"
HIDDEN, ACTIVATION = (100,), "relu"  # of the default network, as of scikit-learn's MLPClassifier

# What a network's class may call the sizes that are known at fit.
_FEATURES = ("in_features", "n_features")
_CHANNELS = ("in_channels",)
_OUTPUTS = ("num_classes", "n_classes", "out_features", "n_outputs")


def build(
    module: Any, arguments: Mapping[str, Any], sample_shape: Sequence[int], outputs: int
) -> nn.Module:
    """The network that an estimator's `module` names, with fresh weights or a copy of its own.

    Args:
        module: "mlp" or another name of `models.MODELS`, a function or class that makes a Module,
            or a Module, which is copied with its weights.
        arguments: of the name's or the class's own. Those that are not there and are called
            in_features or n_features, in_channels, num_classes, n_classes, out_features or
            n_outputs are what the data say.
        sample_shape: of one sample: (features,) or (C, H, W).
        outputs: classes, or targets.

    Raises:
        TypeError: `module` is nothing of that kind, or does not take the arguments.
        ValueError: no network has that name, or it takes other images.
    """
    if isinstance(module, nn.Module):
        if arguments:
            raise TypeError(
                f"module: a {type(module).__name__} that is made already takes no arguments, got "
                f"{_names(arguments)}; give its class for them"
            )
        return in_memory(copy.deepcopy(module))
    kinds = module.__mro__ if isinstance(module, type) else type(module).__mro__
    if any(kind.__module__.startswith("torch.nn.") for kind in kinds):
        raise TypeError(
            "module: a network of PyTorch's can't be trained here; write it with npnet.nn, which "
            "has the same names and state_dict keys"
        )
    if isinstance(module, str):
        return _by_name(module, arguments, sample_shape, outputs)
    if callable(module):
        return _by_class(module, arguments, sample_shape, outputs)
    raise TypeError(
        "module: must be a name such as 'mlp' or 'lenet5', a class of nn.Module, a function that "
        f"makes one, or a Module, got {module!r}"
    )


def _by_name(
    name: str, arguments: Mapping[str, Any], sample_shape: Sequence[int], outputs: int
) -> nn.Module:
    if name == MLP_NAME:
        hidden, activation = _mlp_options(**arguments)
        return MLP((math.prod(sample_shape), *hidden, outputs), activation)
    if name not in MODELS:
        raise ValueError(unknown_name("module", name, MODELS))
    if len(sample_shape) != 3:
        raise ValueError(
            f"module: {name} takes images (C, H, W), got samples of shape {tuple(sample_shape)}; "
            "give X as (N, H, W) or (N, C, H, W), or say what a row is by sample_shape=(C, H, W)"
        )
    few, (first, rows, last) = (1, 3, 4), sample_shape
    if last in few and first not in few and rows not in few:
        raise ValueError(
            f"module: {name} takes images (C, H, W), and samples of {tuple(sample_shape)} look "
            "like (H, W, C); give np.moveaxis(X, -1, 1)"
        )
    return create(name, in_channels=sample_shape[0], num_classes=outputs, **arguments)


def _mlp_options(
    hidden: int | Sequence[int] = HIDDEN, activation: str = ACTIVATION, **others: Any
) -> tuple[list[int], str]:
    if others:
        raise TypeError(f"module: mlp takes hidden and activation, got {_names(others)}")
    hidden = [int(width) for width in np.ravel(hidden)]
    if any(width < 1 for width in hidden):
        raise ValueError(f"module__hidden: widths must be >= 1, got {hidden!r}")
    return hidden, activation


def _by_class(
    make: Callable[..., Any],
    arguments: Mapping[str, Any],
    sample_shape: Sequence[int],
    outputs: int,
) -> nn.Module:
    sizes = dict.fromkeys(_FEATURES, math.prod(sample_shape)) | dict.fromkeys(_OUTPUTS, outputs)
    if len(sample_shape) > 1:
        sizes |= dict.fromkeys(_CHANNELS, sample_shape[0])
    name = getattr(make, "__name__", repr(make))
    known: dict[str, int] = {}
    try:
        signature = inspect.signature(make)
        known = {key: size for key, size in sizes.items() if key in signature.parameters}
        signature.bind(**{**known, **arguments})
    except (TypeError, ValueError) as error:  # ValueError: a class of C has no signature
        raise TypeError(
            f"module: {name} can't be called with {_names({**known, **arguments}) or 'nothing'}: "
            f"{error}; {_fix(str(error), sample_shape)}"
        ) from None
    made = make(**{**known, **arguments})
    if not isinstance(made, nn.Module):
        raise TypeError(f"module: {name} must make a Module, got a {type(made).__name__}")
    return made


def _fix(error: str, sample_shape: Sequence[int]) -> str:
    if len(sample_shape) == 1 and any(repr(name) in error for name in _CHANNELS):
        return "give X as images, or say what a row is by sample_shape=(C, H, W)"
    return "give its arguments as module__NAME=..."


def _names(arguments: Mapping[str, Any]) -> str:
    return ", ".join(arguments)


def in_memory(network: nn.Module) -> nn.Module:
    """The same network; weights that joblib has mapped from a file are copied, for kernels have
    none of those, and other ways of computing give other bits.
    """
    for value in (*network.parameters(), *network.buffers()):
        if isinstance(value.array, np.memmap):
            value.data = npnet.from_numpy(np.array(value.array))
    return network


def input_size(module: Any, sample_shape: Sequence[int]) -> tuple[int, int] | None:
    """(H, W) to which the images must be resized for a network by name; None where they are right.

    It is the least change that the network takes, as in `npnet train`.
    """
    if not isinstance(module, str) or module not in MODELS or module == MLP_NAME:
        return None
    if len(sample_shape) != 3:
        return None
    spec, (height, width) = MODELS[module], sample_shape[1:]
    size = spec.size_for(height), spec.size_for(width)
    return None if size == (height, width) else size


def check_outputs(network: nn.Module, x: Array, outputs: int, what: str) -> Array:
    """Run the network on a few samples, which also gives lazy layers their sizes.

    Args:
        what: the outputs are of, for the error: "classes" or "targets".

    Returns:
        What it gives for the samples.

    Raises:
        ValueError: it does not give (N, outputs).
    """
    network.eval()
    with npnet.no_grad():
        y = network(npnet.from_numpy(np.array(x)))  # a copy: it may write to what it is given
    shape = getattr(y, "shape", None)
    if shape is None or tuple(shape) != (len(x), outputs):
        gives = f"a {type(y).__name__}" if shape is None else f"{tuple(shape)}"
        raise ValueError(
            f"module: {type(network).__name__} must give (N, {outputs}), as y has {outputs} "
            f"{what}, got {gives} for X {x.shape}; let its last layer have {outputs} outputs, or "
            "its class an argument num_classes or n_outputs"
        )
    given: Array = y.array
    return given
