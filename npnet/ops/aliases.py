"""PyTorch's second names of ops, and ops that are a word for another with fixed arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from npnet.ops import (
    arithmetic,
    arranging,
    choices,
    compare,
    elementwise,
    functions,
    numerical,
    products,
    shape,
    sorting,
    splitting,
    trigonometry,
    views,
)
from npnet.ops.broadcasting import check_tensors
from npnet.ops.dtypes import Operand

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "absolute",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "clip",
    "concatenate",
    "divide",
    "fix",
    "ger",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "moveaxis",
    "msort",
    "multiply",
    "negative",
    "not_equal",
    "row_stack",
    "sgn",
    "split_with_sizes",
    "subtract",
    "swapdims",
    "trapz",
    "true_divide",
    "unsafe_chunk",
    "unsafe_split",
]

absolute = functions.abs
arccos = trigonometry.acos
arccosh = trigonometry.acosh
arcsin = trigonometry.asin
arcsinh = trigonometry.asinh
arctan = trigonometry.atan
arctan2 = trigonometry.atan2
arctanh = trigonometry.atanh
clip = choices.clamp
concatenate = arranging.concat
divide = arithmetic.div
fix = elementwise.trunc
ger = products.outer
greater = compare.gt
greater_equal = compare.ge
less = compare.lt
less_equal = compare.le
moveaxis = views.movedim
multiply = arithmetic.mul
negative = arithmetic.neg
not_equal = compare.ne
row_stack = arranging.vstack
sgn = elementwise.sign
subtract = arithmetic.sub
swapdims = views.swapaxes
trapz = numerical.trapezoid
unsafe_chunk = splitting.chunk
unsafe_split = splitting.split


def msort(input: Tensor) -> Tensor:
    """The values in order along the first axis.

    Example:
        >>> npnet.msort(npnet.tensor([[3, 1], [2, 5]]))
        tensor([[2, 1],
                [3, 5]])
    """
    return sorting.sort(input, 0).values if input.ndim else shape.clone(input)


def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of the given sizes along `dim`.

    Example:
        >>> npnet.split_with_sizes(npnet.arange(5), [1, 4])
        (tensor([0]), tensor([1, 2, 3, 4]))
    """
    check_tensors("split_with_sizes", input)
    return splitting.split(input, list(split_sizes), dim)


def true_divide(input: Operand, other: Operand) -> Tensor:
    """`div` without rounding.

    Example:
        >>> npnet.true_divide(npnet.tensor([7, -7]), 2)
        tensor([ 3.5000, -3.5000])
    """
    return arithmetic.div(input, other)
