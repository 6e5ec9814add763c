"""One table of calls, the same for npnet and PyTorch, which tests and benchmarks share.

A case is inputs and a call: `CASES["softmax"].call(ns, *tensors)`, where ns is `npnet_names()` or
`torch_names()`. The tables need NumPy alone; PyTorch is imported when its names are asked for.
"""

from __future__ import annotations

from typing import Any

from tests.cases.arithmetic import ACTIVATIONS, ARITHMETIC, PRODUCTS, REDUCTIONS
from tests.cases.case import Case, Table, arrays_of, wants_gradient
from tests.cases.distances import DISTANCES
from tests.cases.images import CONVOLUTION, NORMALISATION, POOLING
from tests.cases.losses import LOSSES
from tests.cases.shapes import EMBEDDING, INDEXING, PADDING, SHAPES
from tests.cases.windows import RESAMPLING, SIGNALS, TRANSPOSED, UNBATCHED, UNUSUAL_POOLS

__all__ = ["CASES", "Case", "arrays_of", "npnet_names", "torch_names", "wants_gradient"]

CASES: Table = {
    **ARITHMETIC,
    **REDUCTIONS,
    **PRODUCTS,
    **ACTIVATIONS,
    **SHAPES,
    **INDEXING,
    **PADDING,
    **EMBEDDING,
    **DISTANCES,
    **CONVOLUTION,
    **POOLING,
    **TRANSPOSED,
    **SIGNALS,
    **UNBATCHED,
    **UNUSUAL_POOLS,
    **RESAMPLING,
    **NORMALISATION,
    **LOSSES,
}


class _Names:
    """The names of several modules; the first that has one gives it."""

    def __init__(self, *modules: Any) -> None:
        self._modules = modules

    def __getattr__(self, name: str) -> Any:
        for module in self._modules:
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(name)


def npnet_names() -> Any:
    """The names of `npnet.nn.functional` and of `npnet`."""
    import npnet
    import npnet.nn.functional as F

    return _Names(F, npnet)


def torch_names() -> Any:
    """The names of `torch.nn.functional` and of `torch`."""
    import torch
    import torch.nn.functional as F

    return _Names(F, torch)
