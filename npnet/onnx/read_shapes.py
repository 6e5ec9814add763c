"""How operators are read that move values: shapes, order, parts, frames, constants."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

import npnet
import npnet.nn.functional as F
from npnet import nn
from npnet.base.arrays import Array
from npnet.onnx.reading import Layer, Node, count_of, reads
from npnet.tape import result
from npnet.tensor import Tensor

_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


@reads("Identity")
def _identity(node: Node) -> Layer:
    return Layer(node.inputs[0], [0])


@reads("Constant")
def _constant(node: Node) -> Layer:
    value: Any = node.get("value")
    if value is None:
        kinds = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64}
        kinds["value_ints"] = np.int64
        name = next((name for name in kinds if node.get(name) is not None), None)
        if name is None:
            raise node.unread("a constant that is neither numbers nor a tensor")
        value = np.asarray(node.get(name), kinds[name])
    return Layer(lambda: result(value), [])


def _numbers(x: Tensor) -> list[int]:
    """The values of a shape."""
    return [int(n) for n in x.array.reshape(-1)]


@reads("ConstantOfShape")
def _constant_of_shape(node: Node) -> Layer:
    value = node.get("value")
    number = np.zeros(1, np.float32) if value is None else value.reshape(-1)

    def compute(shape: Tensor) -> Tensor:
        size = _numbers(shape)
        count_of(size, node)
        return result(np.full(size, number[0], number.dtype))

    return node.op(compute)


@reads("Shape")
def _shape(node: Node) -> Layer:
    start, end = node.get("start", 0), node.get("end")
    return node.op(lambda x: result(np.asarray(x.shape[slice(start, end)], np.int64)))


@reads("Size")
def _size(node: Node) -> Layer:
    return node.op(lambda x: result(np.asarray(x.numel(), np.int64)))


@reads("Range")
def _range(node: Node) -> Layer:
    def compute(start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
        count_of([max(0, int((limit.item() - start.item()) / (delta.item() or 1)))], node)
        numbers = [value.array.item() for value in (start, limit, delta)]
        return result(np.arange(*numbers).astype(start.dtype))

    return node.op(compute)


# ---- shapes --------------------------------------------------------------------------------------


def _target(shape: Sequence[int], old: Sequence[int], allow_zero: bool) -> list[int]:
    """The shape that a Reshape asks for: 0 takes over the size that is there."""
    if allow_zero:
        return list(shape)
    return [old[i] if n == 0 and i < len(old) else n for i, n in enumerate(shape)]


@reads("Reshape")
def _reshape(node: Node) -> Layer:
    zero, shape = bool(node.get("allowzero", 0)), node.const(1)
    if shape is None:
        return node.op(lambda x, shape: x.reshape(*_target(_numbers(shape), x.shape, zero)))
    target = [int(n) for n in shape.reshape(-1)]
    if node.const(0) is not None:
        return node.op(lambda x: x.reshape(*_target(target, x.shape, zero)), uses=[0])
    return Layer(Reshape(target, zero), [0])


class Reshape(nn.Module):
    """The same values in another shape.

    Attributes:
        shape: -1 is what is left, 0 the size that is there; these may be changed, as `load` does
            for a graph whose batch is fixed.
    """

    def __init__(self, shape: Sequence[int], allow_zero: bool = False) -> None:
        super().__init__()
        self.shape, self.allow_zero = list(shape), allow_zero

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(*_target(self.shape, x.shape, self.allow_zero))

    def extra_repr(self) -> str:
        return ", ".join(map(str, self.shape))


@reads("Flatten")
def _flatten(node: Node) -> Layer:
    axis = node.get("axis", 1)
    if axis == 1 and node.const(0) is None:
        return Layer(nn.Flatten(), [0]) if (node.rank() or 0) > 1 else node.op(_rows)

    def compute(x: Tensor) -> Tensor:
        at = axis + x.ndim if axis < 0 else axis
        return x.reshape(int(np.prod(x.shape[:at])), int(np.prod(x.shape[at:])))

    return node.op(compute, f"axis={axis}")


def _rows(x: Tensor) -> Tensor:
    return x.reshape(x.shape[0], int(np.prod(x.shape[1:])))


@reads("Squeeze", "Unsqueeze")
def _squeeze(node: Node) -> Layer:
    axes = node.ints(1, "axes")
    if node.kind == "Squeeze":
        text = "" if axes is None else f"dim={tuple(axes)}"
        return node.op(lambda x: x.squeeze() if axes is None else _squeezed(x, axes), text, [0])
    if axes is None:
        raise node.unread("it does not say which axes")

    def compute(x: Tensor) -> Tensor:
        ndim = x.ndim + len(axes)
        new = {axis % ndim for axis in axes}
        sizes = iter(x.shape)
        return x.reshape(*[1 if i in new else next(sizes) for i in range(ndim)])

    return node.op(compute, f"dim={tuple(axes)}", [0])


def _squeezed(x: Tensor, axes: Sequence[int]) -> Tensor:
    gone = {axis % x.ndim for axis in axes}
    if any(x.shape[axis] != 1 for axis in gone):
        raise ValueError(f"Squeeze: axes {tuple(axes)} of {tuple(x.shape)} are not all of size 1")
    return x.reshape(*[n for i, n in enumerate(x.shape) if i not in gone])


@reads("Transpose")
def _transpose(node: Node) -> Layer:
    order = node.get("perm")
    if order is not None and order == sorted(order):
        return Layer(node.inputs[0], [0])

    def compute(x: Tensor) -> Tensor:
        return x.permute(*(order if order is not None else range(x.ndim)[::-1]))

    return node.op(compute, "" if order is None else str(tuple(order)))


@reads("Expand")
def _expand(node: Node) -> Layer:
    def compute(x: Tensor, shape: Tensor) -> Tensor:
        size = np.broadcast_shapes(tuple(x.shape), tuple(_numbers(shape)))
        if not x.requires_grad and node.const(0) is not None:
            count_of(size, node)
        return x.expand(*size)

    return node.op(compute)


@reads("Tile")
def _tile(node: Node) -> Layer:
    def compute(x: Tensor, repeats: Tensor) -> Tensor:
        times = _numbers(repeats)
        if node.const(0) is not None:
            count_of([n * t for n, t in zip(x.shape, times, strict=True)], node)
        return x.repeat(*times)

    return node.op(compute)


@reads("Concat")
def _concat(node: Node) -> Layer:
    axis = node.get("axis", 1)
    return node.op(lambda *xs: npnet.cat(xs, axis) if len(xs) > 1 else xs[0], f"dim={axis}")


@reads("Split")
def _split(node: Node) -> Layer:
    axis, sizes, count = node.get("axis", 0), node.ints(1, "split"), len(node.outputs)

    def compute(x: Tensor) -> tuple[Tensor, ...]:
        n = x.shape[axis]
        step = -(-n // count)
        parts = sizes or [min(step, n - i * step) for i in range(count)]
        ends = np.cumsum([0, *parts]).tolist()
        return tuple(x.narrow(axis, a, b - a) for a, b in itertools.pairwise(ends))

    if count == 1:
        return Layer(node.inputs[0], [0])
    return node.op(compute, f"dim={axis}, {count} parts", [0])


# ---- parts ---------------------------------------------------------------------------------------


@reads("Slice")
def _slice(node: Node) -> Layer:
    if node.opset < 10:
        starts, ends, axes = node.get("starts"), node.get("ends"), node.get("axes")
        return node.op(
            lambda x: _sliced(x, starts, ends, axes or list(range(len(starts))), [1] * len(starts)),
            f"{starts}:{ends}",
        )

    def compute(x: Tensor, *given: Tensor | None) -> Tensor:
        starts, ends, axes, steps = (
            [] if value is None else _numbers(value)
            for value in (*given, *[None] * (4 - len(given)))
        )
        count = len(starts)
        return _sliced(x, starts, ends, axes or list(range(count)), steps or [1] * count)

    if any(node.const(i) is None for i in range(1, len(node.inputs)) if node.has(i)):
        return node.op(compute)
    given = [result(node.array(i)) if node.has(i) else None for i in range(1, len(node.inputs))]
    return node.op(lambda x: compute(x, *given), _slices(given), [0])


def _slices(given: Sequence[Tensor | None]) -> str:
    """`dim 2: 0:5:2` of each slice."""
    starts, ends, *rest = ([] if value is None else _numbers(value) for value in given)
    axes = rest[0] if rest and rest[0] else list(range(len(starts)))
    steps = rest[1] if len(rest) > 1 and rest[1] else [1] * len(starts)
    parts = []
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        stop = end if abs(end) < 2**31 - 1 else ""
        parts.append(f"dim {axis}: {start}:{stop}" + (f":{step}" if step != 1 else ""))
    return ", ".join(parts)


def _sliced(
    x: Tensor, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int], steps: Sequence[int]
) -> Tensor:
    index: list[Any] = [slice(None)] * x.ndim
    turned = []
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        n, at = x.shape[axis], axis % x.ndim
        if step > 0:
            index[at] = slice(*slice(start, end, step).indices(n))
            continue
        first = min(start + n if start < 0 else start, n - 1)
        last = max(end + n if end < 0 else end, -1)
        places = np.arange(first, last, step)
        index[at] = slice(places[-1], places[0] + 1, -step) if len(places) else slice(0, 0)
        turned.append(at)
    y = x[tuple(index)]
    return npnet.flip(y, turned) if turned else y


@reads("GatherElements")
def _gather_elements(node: Node) -> Layer:
    axis = node.get("axis", 0)

    def compute(x: Tensor, index: Tensor) -> Tensor:
        n = x.shape[axis]
        places = np.where(index.array < 0, index.array + n, index.array).astype(np.int64)
        return npnet.gather(x, axis, result(places))

    return node.op(compute, f"dim={axis}")


@reads("Trilu")
def _trilu(node: Node) -> Layer:
    known = node.const(1) if node.has(1) else np.zeros(())
    if known is None:
        raise node.unread("a diagonal that is computed")
    k, upper = int(known.item()), node.get("upper", 1)
    return node.op(lambda x: npnet.triu(x, k) if upper else npnet.tril(x, k), f"{k}", [0])


# ---- frames and other sizes ----------------------------------------------------------------------


@reads("Pad")
def _pad(node: Node) -> Layer:
    mode = _MODES.get(node.get("mode", "constant"))
    if mode is None:
        raise node.unread(f"mode {node.get('mode')}")
    pads = node.get("pads") or node.get("paddings")
    if node.opset < 11:
        value = node.get("value", 0.0)
        return node.op(lambda x: _padded(x, pads, None, mode, value), f"{pads}, {mode}")

    def compute(
        x: Tensor, pads: Tensor, value: Tensor | None = None, axes: Tensor | None = None
    ) -> Tensor:
        number = 0 if value is None or not value.numel() else value.item()
        return _padded(x, _numbers(pads), None if axes is None else _numbers(axes), mode, number)

    if any(node.const(i) is None for i in range(1, len(node.inputs)) if node.has(i)):
        return node.op(compute, mode)
    given = [result(node.array(i)) if node.has(i) else None for i in range(1, len(node.inputs))]
    first, *others = given
    if first is None:
        raise node.unread("it does not say how much")
    return node.op(lambda x: compute(x, first, *others), f"{_numbers(first)}, {mode}", [0])


def _padded(
    x: Tensor, pads: Sequence[int], axes: Sequence[int] | None, mode: str, value: Any
) -> Tensor:
    places = [a % x.ndim for a in axes] if axes is not None else list(range(x.ndim))
    frame = [(0, 0)] * x.ndim
    for i, axis in enumerate(places):
        frame[axis] = (pads[i], pads[len(places) + i])
    while frame and frame[0] == (0, 0):
        del frame[0]
    if not frame:
        return x
    flat = [n for pair in frame[::-1] for n in pair]
    return F.pad(x, flat, mode, value) if mode == "constant" else F.pad(x, flat, mode)


@reads("DepthToSpace")
def _depth_to_space(node: Node) -> Layer:
    r, mode = node.get("blocksize"), node.get("mode", "DCR")
    if mode == "CRD":
        return Layer(nn.PixelShuffle(r), [0])

    def compute(x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        y = x.reshape(n, r, r, c // (r * r), h, w).permute(0, 3, 4, 1, 5, 2)
        return y.reshape(n, c // (r * r), h * r, w * r)

    return node.op(compute, f"{r}")


@reads("SpaceToDepth")
def _space_to_depth(node: Node) -> Layer:
    r = node.get("blocksize")
    if node.get("mode", "DCR") == "CRD":
        return Layer(nn.PixelUnshuffle(r), [0])

    def compute(x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        y = x.reshape(n, c, h // r, r, w // r, r).permute(0, 3, 5, 1, 2, 4)
        return y.reshape(n, c * r * r, h // r, w // r)

    return node.op(compute, f"{r}")


@reads("Resize", "Upsample")
def _resize(node: Node) -> Layer:
    """Images in another size by whole or broken factors, in the ways that PyTorch has too."""
    mode, way = (
        node.get("mode", "nearest"),
        node.get("coordinate_transformation_mode", "half_pixel"),
    )
    if node.kind == "Upsample" or node.opset < 11:
        way = "asymmetric"
    scales, sizes = _factors(node)
    rounding = node.get("nearest_mode", "round_prefer_floor") if node.opset >= 11 else "floor"
    known: Array | list[float] = scales if scales is not None else []
    axes = node.get("axes")
    if axes is None and scales is not None and list(known[:2]) != [1, 1]:
        raise node.unread("the batch or the channels in another size")
    if axes is not None and axes != list(range(2, 2 + len(axes))):
        raise node.unread(f"axes {axes}")
    if node.get("antialias", 0) or node.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise node.unread("antialias, or keeping the aspect")

    def compute(x: Tensor) -> Tensor:
        counts = x.ndim - 2
        size = None if sizes is None else sizes[-counts:]
        factor = None if scales is None else [float(s) for s in known[-counts:]]
        return _resized(node, x, size, factor, mode, way, rounding)

    return node.op(compute, f"mode={mode}, {way}", [0])


def _factors(node: Node) -> tuple[Any, list[int] | None]:
    """The scales or the sizes."""
    if node.kind == "Upsample" and node.opset < 9:
        return node.get("scales"), None
    at = 1 if node.kind == "Upsample" or node.opset < 11 else 2
    scales, sizes = (node.const(i) if node.has(i) else None for i in (at, 3))
    if scales is not None and scales.size:
        return scales, None
    if sizes is None:
        raise node.unread("sizes that are computed from the input")
    return None, [int(n) for n in sizes]


def _resized(
    node: Node, x: Tensor, size: Any, factor: Any, mode: str, way: str, rounding: str
) -> Tensor:
    """By `interpolate`, where that picks the same pixels and weights."""
    olds = x.shape[2:]
    ends = size or [n * f for n, f in zip(olds, factor, strict=True)]
    whole = all(abs(end - round(end)) < 1e-6 for end in ends)  # else ONNX and PyTorch differ
    grows = whole and all(round(end) % n == 0 for end, n in zip(ends, olds, strict=True))
    kind = align = None
    if mode == "nearest" and way == "asymmetric" and rounding == "floor":
        kind = "nearest"
    elif mode == "nearest" and way == "half_pixel" and grows and rounding[:5] == "round":
        kind = "nearest-exact"
    elif mode == "linear" or (mode == "cubic" and x.ndim == 4 and _is_keys(node)):
        kind = (
            {3: "linear", 4: "bilinear", 5: "trilinear"}[x.ndim] if mode == "linear" else "bicubic"
        )
        align = way == "align_corners"
        fits = (
            whole
            if align
            else way == "half_pixel" or (way.endswith("half_pixel") and min(ends) >= 2)
        )
        kind = kind if fits else None
    if kind is None:
        raise node.unread(
            f"mode {mode} by {way} and {rounding} from {tuple(olds)} to {tuple(ends)}"
        )
    return F.interpolate(x, size, factor, kind, align)


def _is_keys(node: Node) -> bool:
    """Whether the cubic filter is PyTorch's."""
    return abs(node.get("cubic_coeff_a", -0.75) + 0.75) < 1e-6 and not node.get(
        "exclude_outside", 0
    )
