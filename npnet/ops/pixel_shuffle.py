"""Channels as pixels of a larger image, and back. Both are composed of reshape and permute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from npnet.base.checks import ShapeError, check_count
from npnet.ops.broadcasting import check_tensors
from npnet.ops.shape import permute, reshape

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["pixel_shuffle", "pixel_unshuffle"]


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """y[..., c, h*r + u, w*r + v] = x[..., c*r*r + u*r + v, h, w], where r is the factor.

    Shape: (..., C*r*r, H, W) -> (..., C, H*r, W*r).

    Raises:
        ShapeError: the channels are no multiple of r*r, or there are fewer than three axes.
        ValueError: the factor is less than 1.

    Example:
        >>> npnet.pixel_shuffle(npnet.arange(8).reshape(4, 1, 2), 2)
        tensor([[[0, 2, 1, 3],
                 [4, 6, 5, 7]]])

    Source: Shi et al. (2016), arXiv:1609.05158, equation 4.
    """
    check_tensors("pixel_shuffle", input)
    r = check_count("pixel_shuffle", "upscale_factor", upscale_factor)
    *leading, channels, h, w = _image("pixel_shuffle", input)
    if channels % (r * r):
        raise ShapeError(
            f"pixel_shuffle: the channels must be a multiple of upscale_factor^2 = {r * r}, "
            f"got {channels}: input.shape = {input.shape}"
        )
    n, c = len(leading), channels // (r * r)
    x = reshape(input, (*leading, c, r, r, h, w))
    x = permute(x, (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return reshape(x, (*leading, c, h * r, w * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """The inverse of `pixel_shuffle`.  Shape: (..., C, H*r, W*r) -> (..., C*r*r, H, W).

    Raises:
        ShapeError: height or width is no multiple of r, or there are fewer than three axes.

    Example:
        >>> npnet.pixel_unshuffle(npnet.zeros(1, 3, 4, 4), 2).shape
        (1, 12, 2, 2)
    """
    check_tensors("pixel_unshuffle", input)
    r = check_count("pixel_unshuffle", "downscale_factor", downscale_factor)
    *leading, c, high, wide = _image("pixel_unshuffle", input)
    if high % r or wide % r:
        raise ShapeError(
            f"pixel_unshuffle: height and width must be multiples of {r}, "
            f"got input.shape = {input.shape}"
        )
    n, h, w = len(leading), high // r, wide // r
    x = reshape(input, (*leading, c, h, r, w, r))
    x = permute(x, (*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return reshape(x, (*leading, c * r * r, h, w))


def _image(op: str, x: Tensor) -> tuple[int, ...]:
    if x.ndim < 3:
        raise ShapeError(f"{op}: input must be (..., C, H, W), got input.shape = {x.shape}")
    return x.shape
