"""Dropout: of single values, of whole channels, and around the mean of SELU networks."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError, not_tensors
from npnet.ops.arithmetic import add, mul
from npnet.ops.broadcasting import check_tensors
from npnet.ops.dtypes import check_dtypes
from npnet.random import default_generator
from npnet.tape import Function, Variable, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "Dropout",
    "alpha_dropout",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
]

FLOAT32 = np.dtype(np.float32)
SELU_FLOOR = 1.7580993408473766  # SELU tends to -SELU_FLOOR


class Dropout(Function):
    """y = x * mask;  gx = gy * mask, where the mask is 0 with probability p, else 1 / (1 - p).

    Args:
        size: of the mask, which is broadcast: that of x, or its first axes and then ones.

    Source: Srivastava et al. (2014), section 4; Tompson et al. (2015), section 3.2, for channels.
    """

    def __init__(self, p: float, size: tuple[int, ...]) -> None:
        self.p, self.size = p, size

    def draw(self, n: int | None = None, dtype: np.dtype[Any] = FLOAT32) -> Array:
        """A mask, for `n` samples or for as many as the size says."""
        size = self.size if n is None else (n, *self.size[1:])
        kept = default_generator.numpy.random(size, np.float32) >= self.p
        return np.multiply(kept, dtype.type(0 if self.p == 1 else 1 / (1 - self.p)))

    def forward(self, x: Array) -> Array:
        mask = self.draw(dtype=x.dtype)
        self.save_for_backward(mask)
        return np.multiply(x, mask)

    def backward(self, gy: Array) -> tuple[Array]:
        (mask,) = self.saved
        return (np.multiply(gy, mask),)

    def name(self) -> str:
        return "MulBackward"  # as in PyTorch


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """y = x * mask / (1 - p), where each value of the mask is 0 with probability p, else 1.

    Args:
        p: the probability, from 0 to 1.
        training: False returns the input.
        inplace: write the result into `input`. It saves no memory here.

    Shape: (...) -> the same.

    Raises:
        ValueError: p does not lie in [0, 1], or is NaN.

    Example:
        >>> y = F.dropout(npnet.ones(1000), p=0.75)
        >>> y.unique(), F.dropout(npnet.ones(3), training=False)
        (tensor([0., 4.]), tensor([1., 1., 1.]))

    Source: Srivastava et al. (2014); scaled in training, so that evaluation need not be.
    """
    if not isinstance(input, Variable):
        raise not_tensors("dropout", input)
    return _dropout("dropout", input, p, training, inplace, input.shape)


def _dropout(
    op: str, input: Tensor, p: float, training: bool, inplace: bool, size: tuple[int, ...]
) -> Tensor:
    """Dropout by a mask of this size, which is broadcast."""
    if not _is_active(op, input, p, training):
        return input
    if inplace:  # refused before numbers are drawn
        input._check_write(False, f"{op}(inplace=True)")
    y = Dropout(p, size)(input)
    return input._write(y, f"{op}(inplace=True)") if inplace else y


def _is_active(op: str, input: Tensor, p: float, training: bool) -> bool:
    """Whether anything is dropped, checked; otherwise any tensor goes through."""
    if not 0 <= p <= 1:
        raise ValueError(f"{op}: p must lie in [0, 1], got {p:g}")
    if not isinstance(input, Variable):
        raise not_tensors(op, input)
    if not training or p == 0:
        return False
    check_dtypes(op, input)
    return True


def _channels(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The size of a mask of whole channels: (N, C, ...) -> (N, C, 1, ...)."""
    return (*shape[:2], *[1] * (len(shape) - 2))


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """`dropout` of whole channels: a channel of a sample is 0 with probability p.

    Shape: input (N, C, L) or (C, L), kept.

    Raises:
        ValueError: p does not lie in [0, 1].
        ShapeError: the input has other axes.

    Example:
        >>> y = F.dropout1d(npnet.ones(2, 8, 5))
        >>> npnet.equal(y.amin(dim=2), y.amax(dim=2))
        True

    Source: Tompson et al. (2015), as of `dropout2d`.
    """
    check_tensors("dropout1d", input)
    if input.ndim not in (2, 3):
        raise ShapeError(f"dropout1d: input must be (N, C, L) or (C, L), got {input.shape}")
    size = (input.shape[0], 1) if input.ndim == 2 else _channels(input.shape)
    return _dropout("dropout1d", input, p, training, inplace, size)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """`dropout` of whole channels: a channel of an image is 0 with probability p.

    Shape: input (N, C, H, W), kept. Others are taken as (N, C, ...), with PyTorch's warning.

    Raises:
        ValueError: p does not lie in [0, 1].
        ShapeError: the input has fewer than two axes.

    Example:
        >>> y = F.dropout2d(npnet.ones(2, 8, 5, 5))
        >>> npnet.equal(y.amin(dim=(2, 3)), y.amax(dim=(2, 3)))
        True

    Source: Tompson et al. (2015), arXiv:1411.4280, section 3.2.
    """
    check_tensors("dropout2d", input)
    _check_axes("dropout2d", input)
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3-D input to dropout2d and assuming that channel-wise 1-D "
            "dropout behavior is desired - input is interpreted as shape (N, C, L), where C is the "
            "channel dim. This behavior will change in a future release to interpret the input as "
            "one without a batch dimension, i.e. shape (C, H, W). To maintain the 1-D channel-wise "
            "dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    elif input.ndim != 4:
        warnings.warn(
            f"dropout2d: Received a {input.ndim}-D input to dropout2d, which is deprecated and "
            "will result in an error in a future release. To retain the behavior and silence this "
            "warning, please use dropout instead. Note that dropout2d exists to provide "
            "channel-wise dropout on inputs with 2 spatial dimensions, a channel dimension, and an "
            "optional batch dimension (i.e. 3D or 4D inputs).",
            stacklevel=2,
        )
    return _dropout("dropout2d", input, p, training, inplace, _channels(input.shape))


def _check_axes(op: str, input: Tensor) -> None:
    if input.ndim < 2:
        raise ShapeError(f"{op}: input must have axes (N, C, ...), got {input.shape}")


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """`dropout` of whole channels: a channel of a volume is 0 with probability p.

    Shape: input (N, C, D, H, W) or (C, D, H, W), kept. Others are taken as (N, C, ...), with
    PyTorch's warning.

    Raises:
        ValueError: p does not lie in [0, 1].

    Example:
        >>> y = F.dropout3d(npnet.ones(2, 8, 3, 3, 3))
        >>> npnet.equal(y.amin(dim=(2, 3, 4)), y.amax(dim=(2, 3, 4)))
        True

    Source: Tompson et al. (2015), as of `dropout2d`.
    """
    check_tensors("dropout3d", input)
    _check_axes("dropout3d", input)
    if input.ndim not in (4, 5):
        warnings.warn(
            f"dropout3d: Received a {input.ndim}-D input to dropout3d, which is deprecated and "
            "will result in an error in a future release. To retain the behavior and silence this "
            "warning, please use dropout instead. Note that dropout3d exists to provide "
            "channel-wise dropout on inputs with 3 spatial dimensions, a channel dimension, and an "
            "optional batch dimension (i.e. 4D or 5D inputs).",
            stacklevel=2,
        )
    size = (input.shape[0], 1, 1, 1) if input.ndim == 4 else _channels(input.shape)
    return _dropout("dropout3d", input, p, training, inplace, size)


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """y = a * (x where kept, else -1.758...) + b: mean 0 and variance 1 are kept.

    a = 1 / sqrt((1 - p) (1 + 1.758^2 p)), b = 1.758 a p; 1.758... is what -SELU(x) tends to.

    Shape: (...) -> the same.

    Raises:
        ValueError: p does not lie in [0, 1].

    Example:
        >>> y = F.alpha_dropout(npnet.ones(1000), 0.5, training=True)
        >>> y.unique()  # the dropped, and the kept
        tensor([-0.7792,  1.6656])

    Source: Klambauer et al. (2017), arXiv:1706.02515, section "New dropout technique".
    """
    check_tensors("alpha_dropout", input)
    return _alpha_dropout("alpha_dropout", input, p, training, inplace, input.shape)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels.  Shape: input (N, C, ...), kept.

    Raises:
        ValueError: p does not lie in [0, 1].
        ShapeError: the input has fewer than two axes.

    Example:
        >>> y = F.feature_alpha_dropout(npnet.ones(2, 8, 5), training=True)
        >>> npnet.equal(y.amin(dim=2), y.amax(dim=2))
        True

    Source: Klambauer et al. (2017), as of `alpha_dropout`.
    """
    check_tensors("feature_alpha_dropout", input)
    op = "feature_alpha_dropout"
    if training and p:
        _check_axes(op, input)
    return _alpha_dropout(op, input, p, training, inplace, _channels(input.shape))


def _alpha_dropout(
    op: str, input: Tensor, p: float, training: bool, inplace: bool, size: tuple[int, ...]
) -> Tensor:
    if not _is_active(op, input, p, training):
        return input
    if inplace:
        input._check_write(False, f"{op}(inplace=True)")
    kept = (default_generator.numpy.random(size, np.float32) >= p).astype(input.dtype)
    if p == 1:
        y = mul(input, result(np.zeros_like(kept)))
    else:
        a = 1 / math.sqrt((SELU_FLOOR**2 * p + 1) * (1 - p))
        number = input.dtype.type
        off = (kept - 1) * number(SELU_FLOOR * a) + number(SELU_FLOOR * a * p)
        y = add(mul(input, result(kept * number(a))), result(off))
    return input._write(y, f"{op}(inplace=True)") if inplace else y
