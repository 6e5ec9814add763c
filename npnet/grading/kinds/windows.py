"""What convolutions and pools have in common: windows, and putting their gradients back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.grading.kinds.base import Sample
from npnet.ops.windows import Window, sliding

__all__ = ["assigned", "columns", "image_of", "output_size", "scattered", "window_of"]


def window_of(init: Mapping[str, Any], stride: int | None = None) -> Window:
    """The windows of a layer's arguments; a pool's stride is its kernel where none is given."""
    k, p = init["kernel_size"], init.get("padding", 0)
    s = stride or init.get("stride") or (1 if "in_channels" in init else k)
    return Window((k, k), (s, s), ((p, p), (p, p)))


def output_size(init: Mapping[str, Any], size: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of y for x of (N, C, H, W)."""
    channels = init.get("out_channels", size[1])
    return (size[0], channels, *window_of(init).output_size(size[2:]))


def columns(x: Array, window: Window, value: float = 0) -> Array:
    """Every window: (N, C, OH, OW, KH, KW)."""
    return sliding(x, window, value)


def scattered(
    parts: Array,
    window: Window,
    shape: tuple[int, ...],
    assign: bool | str = False,
    apart: int | None = None,
    crop: str = "middle",
) -> Array:
    """Gradients of windows (N, C, OH, OW, KH, KW) put back into images of `shape`.

    Args:
        assign: the mistake of = for +=, window by window; "offsets": place by place of the kernel,
            for all windows at once.
        apart: pixels between windows, where it is not their stride.
        crop: what is kept of the padded images: middle, first (the upper left), all.
    """
    n, c, h, w = shape
    (p, _), _ = window.padding
    (kh, kw), (sh, sw) = window.kernel, window.stride if apart is None else (apart, apart)
    image = np.zeros((n, c, h + 2 * p, w + 2 * p))
    if assign == "offsets":
        for u, v, place in _offsets(image, window, parts.shape):
            place[...] = parts[..., u, v]
        return image[:, :, p : p + h, p : p + w]
    for i in range(parts.shape[2]):
        for j in range(parts.shape[3]):
            place = image[:, :, i * sh : i * sh + kh, j * sw : j * sw + kw]
            part = parts[:, :, i, j, : place.shape[2], : place.shape[3]]
            place[...] = part if assign else place + part
    if crop == "all":
        return image
    first = p if crop == "middle" else 0
    return image[:, :, first : first + h, first : first + w]


def _offsets(
    image: Array, window: Window, shape: tuple[int, ...]
) -> Iterable[tuple[int, int, Array]]:
    """Each place of the kernel, with the pixels of all windows that lie under it."""
    sh, sw = window.stride
    for u in range(window.kernel[0]):
        for v in range(window.kernel[1]):
            rows, columns = slice(u, u + sh * shape[2], sh), slice(v, v + sw * shape[3], sw)
            yield u, v, image[:, :, rows, columns]


def assigned(terms: Iterable[Array], window: Window, s: Sample) -> Array:
    """gx written with = for +=, in whatever order: loops differ in which term is left at the end.

    So each pixel has, of the terms that belong to it, the one that the student's has; of a student
    who adds them up it is none.

    Args:
        terms: gradients of windows, whole or in parts of their own.
    """
    seen = np.asarray(s.seen.get("gx", np.zeros(())), np.float64)
    (p, _), _ = window.padding
    h, w = s.x.shape[2:]
    if seen.shape != s.x.shape:
        seen = np.zeros(s.x.shape)
    wanted = np.pad(seen, ((0, 0), (0, 0), (p, p), (p, p)))
    image, off = np.zeros(wanted.shape), np.full(wanted.shape, np.inf)
    for parts in terms:
        places = zip(
            _offsets(image, window, parts.shape),
            _offsets(off, window, parts.shape),
            _offsets(wanted, window, parts.shape),
            strict=True,
        )
        for (u, v, place), (_, _, least), (_, _, here) in places:
            distance = np.abs(parts[..., u, v] - here)
            nearer = distance < least
            place[nearer], least[nearer] = parts[..., u, v][nearer], distance[nearer]
    return image[:, :, p : p + h, p : p + w]


def image_of(s: Sample) -> tuple[Array, Array]:
    """x and gy of a call that has both."""
    assert s.gy is not None
    return s.x, s.gy
