"""Functions of `torch` that `nn.functional` has too, with other arguments or defaults."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from npnet.ops import dropout as drops
from npnet.ops import embedding as tables
from npnet.ops import norm, sample_norm, shape
from npnet.ops.dtypes import Number
from npnet.tensor import Tensor, tensor

__all__ = [
    "adjoint",
    "alpha_dropout",
    "batch_norm",
    "dropout",
    "embedding",
    "feature_alpha_dropout",
    "feature_dropout",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "range",
    "real",
]


def dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`nn.functional.dropout`.

    Example:
        >>> npnet.dropout(npnet.tensor([1.0, 2.0]), 0.5, train=False)
        tensor([1., 2.])
    """
    return drops.dropout(input, p, train)


def alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`nn.functional.alpha_dropout`.

    Example:
        >>> npnet.alpha_dropout(npnet.tensor([1.0, 2.0]), 0.5, train=False)
        tensor([1., 2.])
    """
    return drops.alpha_dropout(input, p, train)


def feature_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Whole maps of an input (N, C, ...) that become 0, as `nn.functional.dropout2d` does.

    Example:
        >>> y = npnet.feature_dropout(npnet.ones(1, 8, 5), 0.5, train=True)
        >>> npnet.equal(y.amin(dim=2), y.amax(dim=2))  # a map is 0 throughout, or 2
        True
    """
    if input.ndim < 2:
        raise RuntimeError(f"feature_dropout: takes (N, C, ...), got {tuple(input.shape)}")
    if not train:
        return drops.dropout(input, p, False)
    ones = input.new_ones((*input.shape[:2], *[1] * (input.ndim - 2)))
    return input * drops.dropout(ones, p, True)


def feature_alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`nn.functional.feature_alpha_dropout`.

    Example:
        >>> npnet.feature_alpha_dropout(npnet.ones(1, 2, 2), 0.5, train=False)
        tensor([[[1., 1.],
                 [1., 1.]]])
    """
    return drops.feature_alpha_dropout(input, p, train)


def batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """`nn.functional.batch_norm`; `cudnn_enabled` changes nothing on a CPU.

    Example:
        >>> x, mean, var = npnet.tensor([[1.0], [3.0]]), npnet.tensor([1.0]), npnet.tensor([4.0])
        >>> npnet.batch_norm(x, None, None, mean, var, False, 0.1, 1e-5, False)
        tensor([[0.0000],
                [1.0000]])
    """
    return norm.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """`nn.functional.instance_norm`; `cudnn_enabled` changes nothing on a CPU.

    Example:
        >>> x = npnet.tensor([[[1.0, 3.0], [10.0, 30.0]]])
        >>> npnet.instance_norm(x, None, None, None, None, True, 0.1, 1e-5, False)
        tensor([[[-1.0000,  1.0000],
                 [-1.0000,  1.0000]]])
    """
    return sample_norm.instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    )


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:
    """`nn.functional.layer_norm`; `cudnn_enable` changes nothing on a CPU.

    Example:
        >>> npnet.layer_norm(npnet.tensor([[1.0, 3.0], [10.0, 30.0]]), (2,))
        tensor([[-1.0000,  1.0000],
                [-1.0000,  1.0000]])
    """
    return norm.layer_norm(input, normalized_shape, weight, bias, eps)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:
    """`nn.functional.group_norm`; `cudnn_enabled` changes nothing on a CPU.

    Example:
        >>> npnet.group_norm(npnet.tensor([[1.0, 3.0, 10.0, 30.0]]), 2)
        tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """
    return norm.group_norm(input, num_groups, weight, bias, eps)


def embedding(
    weight: Tensor,
    indices: Tensor,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """`nn.functional.embedding` with the table first; a `padding_idx` of -1 means none.

    Example:
        >>> table = npnet.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> npnet.embedding(table, npnet.tensor([1, 1, 0]))
        tensor([[3., 4.],
                [3., 4.],
                [1., 2.]])
    """
    padding = None if padding_idx < 0 else padding_idx
    return tables.embedding(indices, weight, padding, None, 2.0, scale_grad_by_freq, sparse)


def real(input: Tensor) -> Tensor:
    """The tensor itself, since its values are real.

    Example:
        >>> x = npnet.tensor([1.0, 2.0])
        >>> npnet.real(x) is x
        True
    """
    return input


def adjoint(input: Tensor) -> Tensor:
    """The last two axes exchanged, since the values are real.

    Example:
        >>> npnet.adjoint(npnet.zeros(5, 2, 3)).shape
        (5, 3, 2)
    """
    return shape.transpose(input, -2, -1)


def range(
    start: Number = 0, end: Number | None = None, step: Number = 1, *, dtype: Any = None
) -> Tensor:
    """start, start + step, ... up to end, which is among them; float32. Deprecated for `arange`."""
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is "
        "inconsistent with Python's range builtin. Instead, use torch.arange, which produces "
        "values in [start, end).",
        stacklevel=2,
    )
    first, last = (0, start) if end is None else (start, end)
    if step == 0 or (last - first) * step < 0:
        raise RuntimeError(f"range: step {step} does not lead from {first} to {last}")
    count = math.floor((last - first) / step) + 1
    return tensor(first + step * np.arange(count, dtype=np.float64), dtype=dtype or np.float32)
