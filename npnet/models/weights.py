"""Pretrained weights, which npnet has none of: torchvision's arguments for them, and what to do."""

from __future__ import annotations

import warnings
from typing import Any

__all__ = ["Weights", "refuse_weights", "weights_class"]


class Weights:
    """One of torchvision's sets of weights by its name, such as ResNet18_Weights.DEFAULT."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


def weights_class(name: str) -> Any:
    """A stand-in for torchvision's class of that name, so that programs that import it run."""
    names = ("DEFAULT", "IMAGENET1K_V1", "IMAGENET1K_V2")
    return type(name, (), {which: Weights(f"{name}.{which}") for which in names})


def refuse_weights(network: str, weights: Any, options: dict[str, Any]) -> dict[str, Any]:
    """The other options of a network, where no weights are asked for.

    Args:
        options: may have `pretrained`, the older name of `weights`; False asks for none.

    Raises:
        ValueError: weights are asked for.
    """
    if "pretrained" in options:
        warnings.warn(
            "The parameter 'pretrained' is deprecated, please use 'weights' instead.", stacklevel=3
        )
        weights = options.pop("pretrained") or weights
    if weights not in (None, False):
        raise ValueError(
            f"{network}: npnet has no pretrained weights, got {weights!r}; make it with "
            f"weights=None and load a state dict of torchvision's, whose keys are the same: "
            f"model.load_state_dict(npnet.load(path))"
        )
    return options
