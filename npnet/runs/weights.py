"""The weights of a network of npnet or of PyTorch as arrays, which both take and give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from npnet.base.arrays import Array

__all__ = ["arrays", "load_arrays"]


def arrays(module: Any) -> dict[str, Array]:
    """Parameters and buffers by name, of either library: copies, row-major as files need them."""
    return {k: np.array(v.numpy(), order="C") for k, v in module.state_dict().items()}


def load_arrays(module: Any, weights: Mapping[str, Array], lib: Any) -> None:
    """Let a module of `lib`, npnet or torch, take them. RuntimeError if they do not fit."""
    module.load_state_dict({name: lib.from_numpy(np.array(v)) for name, v in weights.items()})
