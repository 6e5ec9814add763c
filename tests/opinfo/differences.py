"""Where npnet differs from PyTorch on purpose, and what is random: each with its reason.

A sample that a row of REFUSED names must raise an error in npnet, so that a row that no longer
holds is found. A row of RANDOM names the properties that its results are held to instead of values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

__all__ = ["RANDOM", "REFUSED", "TAKEN", "TIES"]

Matches = Callable[[Any], bool]  # of a SampleInput


def _losses_broadcast(sample: Any) -> bool:
    return bool(sample.args) and sample.input.shape != sample.args[0].shape


REFUSED: dict[str, tuple[Matches, str]] = {
    "Tensor.addbmm_": (
        lambda sample: bool(sample.broadcasts_input),
        "in PyTorch it changes the shape, as no other op in place does",
    ),
    "nn.functional.gaussian_nll_loss": (_losses_broadcast, "losses never broadcast silently"),
    "nn.functional.mse_loss": (_losses_broadcast, "losses never broadcast silently"),
}


def _always(sample: Any) -> bool:
    return True


def _in_training(sample: Any) -> bool:
    return bool(sample.kwargs.get("training"))


def _drops(sample: Any) -> bool:
    return bool(sample.kwargs.get("dropout_p", 0))


def _attention_drops(sample: Any) -> bool:
    return bool(sample.kwargs["training"] and sample.args[9])  # dropout_p


# Their results hang on the generator, whose numbers are not PyTorch's, or on what the memory held.
# Shape, dtype and whether they need a gradient are compared, values only where the row says that
# nothing is random. What the draws must be like is tested where the op is, as named.
RANDOM: dict[str, Matches] = {
    "bernoulli": _always,
    "binomial": _always,
    "cauchy": _always,
    "empty": _always,
    "empty_like": _always,
    "empty_permuted": _always,
    "empty_strided": _always,
    "exponential": _always,
    "geometric": _always,
    "log_normal": _always,
    "multinomial": _always,
    "new_empty": _always,
    "new_empty_strided": _always,
    "nn.functional.alpha_dropout": _always,
    "nn.functional.dropout": _always,
    "nn.functional.dropout2d": _always,
    "nn.functional.dropout3d": _always,
    "nn.functional.feature_alpha_dropout": _in_training,
    "nn.functional.fractional_max_pool2d": _always,
    "nn.functional.fractional_max_pool3d": _always,
    "nn.functional.multi_head_attention_forward": _attention_drops,
    "nn.functional.rrelu": _in_training,
    "nn.functional.scaled_dot_product_attention": _drops,
    "normal": _always,
    "poisson": _always,
    "rand_like": _always,
    "randint": _always,
    "randint_like": _always,
    "randn": _always,
    "randn_like": _always,
    "uniform": _always,
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


def _of_a_number(sample: Any) -> bool:
    return not isinstance(sample.input, torch.Tensor)


# Error inputs that npnet takes. `Tensor.__radd__(2, x)` of a number: methods here are functions. An
# `out` that is too small would grow over memory that is read, in PyTorch; here it lies on new
# memory then. An `out` that is an input is written when all was read.
TAKEN: dict[str, Matches] = {
    **dict.fromkeys(("__radd__", "__rand__", "__rmul__", "__ror__", "__rxor__"), _of_a_number),
    "cat": lambda sample: (
        "out" in sample.kwargs
        and (
            sample.kwargs["out"].numel() < sum(x.numel() for x in sample.input)
            or any(sample.kwargs["out"] is x for x in sample.input)
        )
    ),
    "gather": lambda sample: (
        "out" in sample.kwargs and sample.kwargs["out"].numel() < sample.args[1].numel()
    ),
}
