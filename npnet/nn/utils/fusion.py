"""Batch norms in evaluation taken into the layer before them."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from npnet.nn.module import Module
from npnet.nn.parameter import Parameter
from npnet.ops import arithmetic, elementwise
from npnet.tensor import Tensor

__all__ = [
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
]

M = TypeVar("M", bound=Module)


def _fused(
    weight: Tensor,
    bias: Tensor | None,
    mean: Tensor,
    var: Tensor,
    eps: float,
    scale: Tensor | None,
    shift: Tensor | None,
    size: list[int],
) -> tuple[Parameter, Parameter]:
    """w * s and (b - mean) * s + shift, s = scale / sqrt(var + eps)."""
    r = elementwise.rsqrt(arithmetic.add(var, eps)).detach()
    s = r if scale is None else arithmetic.mul(r, scale.detach())
    off = arithmetic.neg(mean) if bias is None else arithmetic.sub(bias.detach(), mean)
    moved = arithmetic.mul(off, s)
    if shift is not None:
        moved = arithmetic.add(moved, shift.detach())
    return Parameter(arithmetic.mul(weight.detach(), s.reshape(size))), Parameter(moved)


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a convolution that does what it and a batch norm after it do.

    Shape: conv_w (O, C, ...), all others (O,) -> the same; with transpose, conv_w (C, O, ...).

    Raises:
        ShapeError: they are not of as many channels.

    Example:
        >>> one, mean, var = npnet.ones(1, 1, 1), npnet.tensor([3.0]), npnet.tensor([4.0])
        >>> weight, bias = nn.utils.fuse_conv_bn_weights(one, None, mean, var, 0.0, None, None)
        >>> weight.item(), bias.item()
        (0.5, -1.5)
    """
    size = [1] * conv_w.ndim
    size[1 if transpose else 0] = -1
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, size)


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor,
    bn_b: Tensor,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a linear layer that does what it and a batch norm after it do.

    Shape: linear_w (O, I), all others (O,) -> the same.

    Raises:
        ShapeError: they are not of as many features.

    Example:
        >>> one, mean, var = npnet.ones(1, 1), npnet.tensor([3.0]), npnet.tensor([4.0])
        >>> affine = npnet.ones(1), npnet.zeros(1)
        >>> weight, bias = nn.utils.fuse_linear_bn_weights(one, None, mean, var, 0.0, *affine)
        >>> weight.item(), bias.item()
        (0.5, -1.5)
    """
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, [-1, 1])


def _check_eval(op: str, layer: Module, norm: Module) -> None:
    if layer.training or norm.training:
        raise AssertionError(f"{op}: fusion is for evaluation; call eval() on both first")


def fuse_conv_bn_eval(conv: M, bn: Any, transpose: bool = False) -> M:
    """A copy of a convolution that does what it and a batch norm after it do in evaluation.

    Raises:
        AssertionError: one of them is in training.
        ShapeError: the norm is not of as many channels as the layer gives.

    Example:
        >>> conv, bn = nn.Conv2d(1, 6, 5).eval(), nn.BatchNorm2d(6).eval()
        >>> fused, x = nn.utils.fuse_conv_bn_eval(conv, bn), npnet.rand(2, 1, 8, 8)
        >>> npnet.allclose(fused(x), bn(conv(x)), atol=1e-5)
        True
    """
    _check_eval("fuse_conv_bn_eval", conv, bn)
    fused: Any = copy.deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight,
        fused.bias,
        bn.running_mean,
        bn.running_var,
        bn.eps,
        bn.weight,
        bn.bias,
        transpose,
    )
    return fused


def fuse_linear_bn_eval(linear: M, bn: Any) -> M:
    """A copy of a linear layer that does what it and a batch norm after it do in evaluation.

    Raises:
        AssertionError: one of them is in training.
        ShapeError: the norm is not of as many features as the layer gives.

    Example:
        >>> linear, bn = nn.Linear(3, 6).eval(), nn.BatchNorm1d(6).eval()
        >>> fused, x = nn.utils.fuse_linear_bn_eval(linear, bn), npnet.rand(2, 3)
        >>> npnet.allclose(fused(x), bn(linear(x)), atol=1e-5)
        True
    """
    _check_eval("fuse_linear_bn_eval", linear, bn)
    fused: Any = copy.deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return fused
