"""Ops that write their result into the tensor itself: `exp_` of `exp`.

Each is its op, whose result is kept in the tensor's memory and dtype. Those that give another
view of the tensor, as `unsqueeze_`, let the tensor become that view.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import numpy as np

from npnet.ops import (
    activation,
    aliases,
    arithmetic,
    arranging,
    choices,
    compare,
    elementwise,
    exponentials,
    functions,
    in_memory,
    norms,
    numerical,
    products,
    scattering,
    shape,
    sorting,
    special,
    splitting,
    statistics,
    trigonometry,
    views,
)
from npnet.ops.old_orders import numbers_first

if TYPE_CHECKING:
    from npnet.ops.dtypes import Operand
    from npnet.tensor import Tensor

__all__ = ["InPlaceMethods", "augmented", "in_place"]

P = ParamSpec("P")

# What the examples of the methods begin with, and their arguments; of all others floats, and none.
_FLOATS, _INTEGERS, _SQUARE = "[0.25, 0.5]", "[4, 6]", "[[1.0, 2.0], [3.0, 4.0]]"
_EXAMPLES = {
    **dict.fromkeys(("atan2", "copysign", "floor_divide", "fmod", "heaviside"), (_FLOATS, "x")),
    **dict.fromkeys(("hypot", "ldexp", "nextafter", "remainder", "xlogy"), (_FLOATS, "x")),
    **dict.fromkeys(("add", "div", "mul", "pow", "sub", "true_divide"), (_FLOATS, "2")),
    **dict.fromkeys(("clamp", "clamp_max", "clamp_min"), (_FLOATS, "0.3")),
    **dict.fromkeys(("eq", "ge", "gt", "le", "lt", "ne"), (_FLOATS, "0.5")),
    **dict.fromkeys(("logical_and", "logical_or", "logical_xor"), (_FLOATS, "x")),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), (_INTEGERS, "3")),
    **dict.fromkeys(("bitwise_left_shift", "bitwise_right_shift"), (_INTEGERS, "1")),
    **dict.fromkeys(("gcd", "lcm"), (_INTEGERS, "x")),
    **dict.fromkeys(("cumprod", "cumsum", "unsqueeze"), (_FLOATS, "0")),
    **dict.fromkeys(("swapaxes", "transpose"), (_SQUARE, "0, 1")),
    **dict.fromkeys(("t", "tril", "triu"), (_SQUARE, "")),
    **dict.fromkeys(("addcdiv", "addcmul"), (_FLOATS, "x, x")),
    "addbmm": ("[[1.0]]", "x[None], x[None]"),
    **dict.fromkeys(
        ("index_add", "index_copy", "scatter", "scatter_add"), (_INTEGERS, "0, x - x, x")
    ),
    **dict.fromkeys(("index_reduce", "scatter_reduce"), (_INTEGERS, '0, x - x, x, "amax"')),
    "addmm": (_SQUARE, "x, x"),
    "addmv": (_FLOATS, "npnet.ones(2, 3), npnet.ones(3)"),
    "addr": (_SQUARE, "x[0], x[1]"),
    "as_strided": (_FLOATS, "(2, 2), (1, 0)"),
    "baddbmm": ("[[[1.0]]]", "x, x"),
    "bitwise_not": (_INTEGERS, ""),
    "index_fill": (_INTEGERS, "0, x - x, 7"),
    "lerp": (_FLOATS, "x, 0.5"),
    "masked_fill": (_FLOATS, "x > 0.3, 7"),
    "masked_scatter": (_FLOATS, "x > 0.3, npnet.ones(1)"),
    "mvlgamma": (_FLOATS, "1"),
    "put": (_INTEGERS, "x - x, x"),
    "renorm": (_SQUARE, "2, 0, 1.0"),
}


def _doc(op: str) -> str:
    """The docstring of a method that is an op in place: it gives the tensor itself."""
    values, arguments = _EXAMPLES.get(op, (_FLOATS, ""))
    example = f">>> x = npnet.tensor({values})\n        >>> x.{op}_({arguments}) is x\n        True"
    return f"`{op}`, in place.\n\n    Example:\n        {example}\n    "


def in_place(
    op: Callable[Concatenate[Tensor, P], Tensor],
    at_once: Callable[Concatenate[Tensor, P], bool] | None = None,
) -> Callable[Concatenate[Tensor, P], Tensor]:
    """The op as a method that keeps the result in the tensor itself: `mul_` of `mul`.

    Args:
        at_once: does it in the tensor's memory, if it can, and says whether it has.
    """
    name = f"{op.__name__}_"

    @functools.wraps(op)
    def method(self: Tensor, /, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        if at_once is not None and at_once(self, *args, **kwargs):
            return self
        return self._write(op(self, *args, **kwargs), name)

    method.__name__, method.__doc__ = name, _doc(op.__name__)
    return method


def augmented(method: Callable[[Tensor, Any], Tensor]) -> Callable[[Tensor, Any], Tensor]:
    """`x += y` of `add_`; with an ndarray x becomes `x + y`, a new tensor, as in PyTorch."""

    @functools.wraps(method)
    def operator(self: Tensor, other: Any, /) -> Tensor:
        if isinstance(other, np.ndarray):
            return NotImplemented
        return method(self, other)

    return operator


def _becomes(
    op: Callable[Concatenate[Tensor, P], Tensor],
) -> Callable[Concatenate[Tensor, P], Tensor]:
    """The op as a method that lets the tensor become a view of itself: `t_` of `t`."""
    name = f"{op.__name__}_"

    @functools.wraps(op)
    def method(self: Tensor, /, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        return self._become(op(self, *args, **kwargs), name)

    method.__name__, method.__doc__ = name, _doc(op.__name__)
    return method


def _of_copy(
    op: Callable[Concatenate[Tensor, P], Tensor],
) -> Callable[Concatenate[Tensor, P], Tensor]:
    """`in_place` of an op made of several, some of which keep the tensor as it was."""
    name = f"{op.__name__}_"

    @functools.wraps(op)
    def method(self: Tensor, /, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        before = self.clone() if self.requires_grad else self
        return self._write(op(before, *args, **kwargs), name)

    method.__name__, method.__doc__ = name, _doc(op.__name__)
    return method


def _float_power_(self: Tensor, exponent: Operand) -> Tensor:
    """`float_power`, in place: of float64 alone, which its result is.

    Example:
        >>> npnet.tensor([2.0, 3.0], dtype=npnet.float64).float_power_(2)
        tensor([4., 9.], dtype=npnet.float64)
    """
    if self.dtype != np.float64:
        raise RuntimeError(f"float_power_: the tensor must be float64, got {self.dtype}")
    return self._write(arithmetic.float_power(self, exponent), "float_power_")


class InPlaceMethods:
    """Ops that a tensor keeps the result of."""

    __slots__ = ()

    abs_ = in_place(functions.abs)
    absolute_ = in_place(aliases.absolute)
    acos_ = in_place(trigonometry.acos)
    acosh_ = in_place(trigonometry.acosh)
    add_ = numbers_first("alpha")(in_place(arithmetic.add, in_memory.add))
    addbmm_ = in_place(products.addbmm)
    addcdiv_ = numbers_first("value")(in_place(products.addcdiv, in_memory.addcdiv))
    addcmul_ = numbers_first("value")(in_place(products.addcmul, in_memory.addcmul))
    addmm_ = in_place(products.addmm)
    addmv_ = in_place(products.addmv)
    addr_ = in_place(products.addr)
    arccos_ = in_place(aliases.arccos)
    arccosh_ = in_place(aliases.arccosh)
    arcsin_ = in_place(aliases.arcsin)
    arcsinh_ = in_place(aliases.arcsinh)
    arctan2_ = in_place(aliases.arctan2)
    arctan_ = in_place(aliases.arctan)
    arctanh_ = in_place(aliases.arctanh)
    as_strided_ = _becomes(views.as_strided)
    asin_ = in_place(trigonometry.asin)
    asinh_ = in_place(trigonometry.asinh)
    atan2_ = in_place(trigonometry.atan2)
    atan_ = in_place(trigonometry.atan)
    atanh_ = in_place(trigonometry.atanh)
    baddbmm_ = in_place(products.baddbmm)
    bitwise_and_ = in_place(elementwise.bitwise_and)
    bitwise_left_shift_ = in_place(elementwise.bitwise_left_shift)
    bitwise_not_ = in_place(elementwise.bitwise_not)
    bitwise_or_ = in_place(elementwise.bitwise_or)
    bitwise_right_shift_ = in_place(elementwise.bitwise_right_shift)
    bitwise_xor_ = in_place(elementwise.bitwise_xor)
    ceil_ = in_place(elementwise.ceil)
    clamp_ = in_place(choices.clamp)
    clamp_max_ = in_place(choices.clamp_max)
    clamp_min_ = in_place(choices.clamp_min)
    clip_ = in_place(aliases.clip)
    copysign_ = in_place(elementwise.copysign)
    cos_ = in_place(functions.cos)
    cosh_ = in_place(trigonometry.cosh)
    cumprod_ = in_place(statistics.cumprod)
    cumsum_ = in_place(sorting.cumsum)
    deg2rad_ = in_place(trigonometry.deg2rad)
    digamma_ = in_place(special.digamma)
    div_ = in_place(arithmetic.div, in_memory.div)
    divide_ = in_place(aliases.divide)
    eq_ = in_place(compare.eq)
    erf_ = in_place(special.erf)
    erfc_ = in_place(special.erfc)
    erfinv_ = in_place(special.erfinv)
    exp2_ = in_place(exponentials.exp2)
    exp_ = in_place(functions.exp)
    expm1_ = in_place(exponentials.expm1)
    fix_ = in_place(aliases.fix)
    float_power_ = _float_power_
    floor_ = in_place(elementwise.floor)
    floor_divide_ = in_place(arithmetic.floor_divide)
    fmod_ = in_place(arithmetic.fmod)
    frac_ = in_place(elementwise.frac)
    gcd_ = in_place(elementwise.gcd)
    ge_ = in_place(compare.ge)
    greater_ = in_place(aliases.greater)
    greater_equal_ = in_place(aliases.greater_equal)
    gt_ = in_place(compare.gt)
    heaviside_ = in_place(elementwise.heaviside)
    hypot_ = in_place(trigonometry.hypot)
    i0_ = in_place(special.i0)
    index_add_ = in_place(scattering.index_add)
    index_copy_ = in_place(scattering.index_copy)
    index_fill_ = in_place(scattering.index_fill)
    index_reduce_ = in_place(scattering.index_reduce)
    lcm_ = in_place(elementwise.lcm)
    ldexp_ = in_place(numerical.ldexp)
    le_ = in_place(compare.le)
    lerp_ = in_place(choices.lerp)
    less_ = in_place(aliases.less)
    less_equal_ = in_place(aliases.less_equal)
    lgamma_ = in_place(special.lgamma)
    log10_ = in_place(exponentials.log10)
    log1p_ = in_place(exponentials.log1p)
    log2_ = in_place(exponentials.log2)
    log_ = in_place(functions.log)
    logical_and_ = in_place(compare.logical_and)
    logical_not_ = in_place(compare.logical_not)
    logical_or_ = in_place(compare.logical_or)
    logical_xor_ = in_place(compare.logical_xor)
    logit_ = in_place(exponentials.logit)
    lt_ = in_place(compare.lt)
    masked_fill_ = in_place(splitting.masked_fill)
    masked_scatter_ = in_place(scattering.masked_scatter)
    mul_ = in_place(arithmetic.mul, in_memory.mul)
    multiply_ = in_place(aliases.multiply)
    mvlgamma_ = in_place(special.mvlgamma)
    nan_to_num_ = in_place(elementwise.nan_to_num)
    ne_ = in_place(compare.ne)
    neg_ = in_place(arithmetic.neg)
    negative_ = in_place(aliases.negative)
    nextafter_ = in_place(numerical.nextafter)
    not_equal_ = in_place(aliases.not_equal)
    pow_ = in_place(arithmetic.pow)
    put_ = in_place(scattering.put)
    rad2deg_ = in_place(trigonometry.rad2deg)
    reciprocal_ = in_place(elementwise.reciprocal)
    remainder_ = in_place(arithmetic.remainder)
    renorm_ = _of_copy(norms.renorm)
    round_ = in_place(elementwise.round)
    rsqrt_ = in_place(elementwise.rsqrt)
    scatter_ = in_place(scattering.scatter)
    scatter_add_ = in_place(scattering.scatter_add)
    scatter_reduce_ = in_place(scattering.scatter_reduce)
    sgn_ = in_place(aliases.sgn)
    sigmoid_ = in_place(activation.sigmoid)
    sign_ = in_place(elementwise.sign)
    sin_ = in_place(functions.sin)
    sinc_ = in_place(trigonometry.sinc)
    sinh_ = in_place(trigonometry.sinh)
    sqrt_ = in_place(functions.sqrt)
    square_ = in_place(elementwise.square)
    squeeze_ = _becomes(shape.squeeze)
    sub_ = numbers_first("alpha")(in_place(arithmetic.sub, in_memory.sub))
    subtract_ = in_place(aliases.subtract)
    swapaxes_ = _becomes(views.swapaxes)
    swapdims_ = _becomes(aliases.swapdims)
    t_ = _becomes(shape.t)
    tan_ = in_place(trigonometry.tan)
    tanh_ = in_place(activation.tanh)
    transpose_ = _becomes(shape.transpose)
    tril_ = in_place(arranging.tril)
    triu_ = in_place(arranging.triu)
    true_divide_ = in_place(aliases.true_divide)
    trunc_ = in_place(elementwise.trunc)
    unsqueeze_ = _becomes(shape.unsqueeze)
    xlogy_ = in_place(exponentials.xlogy)
