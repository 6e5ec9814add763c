"""Where npnet differs from PyTorch on purpose, and what is random: each with its reason.

A sample that a row of REFUSED names must raise an error in npnet, so that a row that no longer
holds is found. A row of RANDOM names the properties that its results are held to instead of values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["RANDOM", "REFUSED", "TIES"]

Matches = Callable[[Any], bool]  # of a SampleInput


def _losses_broadcast(sample: Any) -> bool:
    return bool(sample.args) and sample.input.shape != sample.args[0].shape


REFUSED: dict[str, tuple[Matches, str]] = {
    "Tensor.addbmm_": (
        lambda sample: bool(sample.broadcasts_input),
        "in PyTorch it changes the shape, as no other op in place does",
    ),
    "nn.functional.mse_loss": (_losses_broadcast, "losses never broadcast silently"),
}

# Their results hang on the generator, whose numbers are not PyTorch's: shape, dtype and whether
# they need a gradient are compared, values are not.
RANDOM: dict[str, str] = {
    "bernoulli": "0 and 1 alone",
    "empty": "whatever the memory held",
    "empty_like": "whatever the memory held",
    "multinomial": "positions",
    "nn.functional.dropout": "the mask is random",
    "nn.functional.fractional_max_pool2d": "windows begin at random places",
    "normal": "draws",
    "rand_like": "draws",
    "randint": "draws",
    "randn": "draws",
    "randn_like": "draws",
}

# Where values are equal, which of them PyTorch takes hangs on its algorithm, and on the size. So
# the indices that npnet gives are held to name the values that PyTorch's name: the axis in question
# is the argument of that position, or `dim`, the last one by default.
TIES: dict[str, int] = {
    "argsort": 0,
    "kthvalue": 1,
    "mode": 0,
    "sort": 0,
    "topk": 1,
}
