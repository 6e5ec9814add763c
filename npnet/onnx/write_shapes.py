"""How ops are written that move values: shapes, order, parts, frames, other sizes, dtypes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import helper

from npnet.onnx.writing import Writer, says
from npnet.ops.arranging import Roll, Triangle
from npnet.ops.indexing import Gather, GetItem, Pick
from npnet.ops.padding import PadConstant, PadCopy
from npnet.ops.resample import Resample
from npnet.ops.shape import Cast, Cat, Expand, Permute, Reshape, Stack
from npnet.ops.splitting import Flip
from npnet.tracing import Step

_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
_END = np.iinfo(np.int64).max
_ALL = slice(None)


def _shapes(step: Step) -> list[tuple[int, ...]]:
    return [a.shape for a in step.arrays]


@says(Reshape)
def _reshape(writer: Writer, step: Step) -> str:
    (x,) = writer.inputs(step)
    writer.shapes[x] = writer.shapes_of(step.inputs[0])
    return writer.reshape(x, _shapes(step))


@says(Permute)
def _permute(writer: Writer, step: Step) -> str:
    return writer.node("Transpose", writer.inputs(step), perm=list(step.op.dims))


@says(Expand)
def _expand(writer: Writer, step: Step) -> str:
    return writer.node("Expand", [*writer.inputs(step), writer.sizes(_shapes(step))])


@says(Cat)
def _cat(writer: Writer, step: Step) -> str:
    return writer.node("Concat", writer.inputs(step), axis=step.op.dim)


@says(Stack)
def _stack(writer: Writer, step: Step) -> str:
    axis = writer.constant([step.op.dim], np.int64)
    parts = [writer.node("Unsqueeze", [x, axis]) for x in writer.inputs(step)]
    return writer.node("Concat", parts, axis=step.op.dim)


@says(Cast)
def _cast(writer: Writer, step: Step) -> str:
    return writer.node(
        "Cast", writer.inputs(step), to=helper.np_dtype_to_tensor_dtype(step.op.dtype)
    )


# ---- parts ---------------------------------------------------------------------------------------


def _whole_index(index: Sequence[Any], ndim: int) -> list[Any]:
    """The index with `...` written out."""
    at = next(i for i, part in enumerate(index) if part is ...)
    taken = sum(part is not None and part is not ... for part in index)
    return [*index[:at], *[_ALL] * (ndim - taken), *index[at + 1 :]]


@says(GetItem)
def _get_item(writer: Writer, step: Step) -> str:
    (x,) = writer.inputs(step)
    sizes = writer.shapes_of(step.inputs[0])
    parts = [
        [part for part in _whole_index(op.slices, len(size)) if part is not None]
        for op, size in zip(step.ops, sizes, strict=True)
    ]
    joined = _part(writer, x, parts, sizes)
    if joined is not None:
        x, parts = joined
        sizes = writer.shapes[x]
    y, shapes = _sliced(writer, step, x, parts, sizes)
    writer.shapes[y] = shapes
    return writer.reshape(y, _shapes(step))


def _part(
    writer: Writer, x: str, parts: list[list[Any]], sizes: list[tuple[int, ...]]
) -> tuple[str, list[list[Any]]] | None:
    """Of what is joined along its first axis, the one that is taken, and what of it."""
    if x not in writer.parts:
        return None
    start = [0] * len(sizes)
    for name in writer.parts[x]:
        stop = [a + shape[0] for a, shape in zip(start, writer.shapes[name], strict=True)]
        taken = [
            range(n)[part[0]] if isinstance(part[0], slice) else range(n)[part[0] :][:1]
            for part, (n, *_) in zip(parts, sizes, strict=True)
        ]
        if all(
            t.start == a and t.stop == b and t.step == 1
            for t, a, b in zip(taken, start, stop, strict=True)
        ):
            return name, [[_ALL, *part[1:]] for part in parts]
        start = stop
    return None


def _sliced(
    writer: Writer,
    step: Step,
    x: str,
    parts: list[list[Any]],
    sizes: Sequence[tuple[int, ...]],
) -> tuple[str, list[tuple[int, ...]]]:
    """The slices of each axis; a number becomes a slice of one, whose axis stays."""
    starts, stops, axes, steps = [], [], [], []
    shapes = [list(size) for size in sizes]
    for axis, column in enumerate(zip(*parts, strict=True)):
        for shape, part in zip(shapes, column, strict=True):
            n = shape[axis]
            shape[axis] = len(range(n)[part]) if isinstance(part, slice) else 1
        ns = [size[axis] for size in sizes]
        bounds = [_bounds(part, n) for part, n in zip(column, ns, strict=True)]
        if all(b == (0, n, 1) for b, n in zip(bounds, ns, strict=True)):
            continue
        start, stop, by = _fixed_bounds(writer, step, bounds, ns)
        starts.append(start)
        stops.append(stop)
        axes.append(axis)
        steps.append(by)
    new = [tuple(shape) for shape in shapes]
    if not axes:
        return x, new
    given = [writer.constant(values, np.int64) for values in (starts, stops, axes, steps)]
    return writer.node("Slice", [x, *given]), new


def _bounds(part: Any, n: int) -> tuple[int, int, int]:
    if isinstance(part, slice):
        start, stop, by = part.indices(n)
        return start, max(stop, start) if by > 0 else stop, by
    at = part % n
    return at, at + 1, 1


def _fixed_bounds(
    writer: Writer, step: Step, bounds: list[tuple[int, int, int]], ns: list[int]
) -> tuple[int, int, int]:
    """Bounds that mean the same in all runs, counted from the end where that is what is fixed."""
    by = writer.fixed(step, [b[2] for b in bounds], "step")
    ends: list[int] = []
    for k in (0, 1):
        values = [b[k] for b in bounds]
        if all(v == values[0] for v in values):
            ends.append(values[0])
        elif k and by > 0 and all(v == n for v, n in zip(values, ns, strict=True)):
            ends.append(_END)
        else:
            behind = [v - n for v, n in zip(values, ns, strict=True)]
            ends.append(writer.fixed(step, behind, "place"))
    if by < 0 and ends[1] == -1:
        ends[1] = -_END  # before the first: -1 would be the last
    return ends[0], ends[1], by


@says(Pick)
def _pick(writer: Writer, step: Step) -> str:
    arrays = [i for i, part in enumerate(step.op.picks) if isinstance(part, np.ndarray)]
    whole = all(
        part is ... or part == _ALL for i, part in enumerate(step.op.picks) if i not in arrays
    )
    if len(arrays) != 1 or not whole or any(part is ... for part in step.op.picks[: arrays[0]]):
        raise writer.unsaid(step, "an index of several arrays, or of a mask, can't be said")
    (at,) = arrays
    rows = writer.same([op.picks[at] for op in step.ops], "an index")
    if rows.dtype == np.bool_:
        if rows.ndim > 1:
            raise writer.unsaid(step, "a mask of several axes can't be said")
        rows = np.flatnonzero(rows)
    return writer.node("Gather", [*writer.inputs(step), writer.constant(rows, np.int64)], axis=at)


@says(Gather)
def _gather(writer: Writer, step: Step) -> str:
    index = writer.same([op.index for op in step.ops], "an index")
    given = [*writer.inputs(step), writer.constant(index, np.int64)]
    return writer.node("GatherElements", given, axis=step.op.dim)


# ---- order ---------------------------------------------------------------------------------------


@says(Flip)
def _flip(writer: Writer, step: Step) -> str:
    dims = list(step.op.dims)
    if not dims:
        return writer.inputs(step)[0]
    values = [-1] * len(dims), [-_END] * len(dims), dims, [-1] * len(dims)
    return writer.node(
        "Slice", [*writer.inputs(step), *(writer.constant(v, np.int64) for v in values)]
    )


@says(Roll)
def _roll(writer: Writer, step: Step) -> str:
    (x,) = writer.inputs(step)
    shapes, op = writer.shapes_of(step.inputs[0]), step.op
    if op.dims is None:
        raise writer.unsaid(step, "name the dims that are rolled")
    for shift, axis in zip(op.shifts, op.dims, strict=True):
        n = writer.fixed(step, [shape[axis] for shape in shapes], "size")
        cut = -shift % n if n else 0
        if cut:
            halves = [
                writer.node("Slice", [x, *(writer.constant([v], np.int64) for v in (a, b, axis))])
                for a, b in ((cut, _END), (0, cut))
            ]
            x = writer.node("Concat", halves, axis=axis)
    return x


@says(Triangle)
def _triangle(writer: Writer, step: Step) -> str:
    mask = writer.same([op.mask for op in step.ops], "a mask")
    zero = writer.constant(0, step.arrays[0].dtype)
    return writer.node("Where", [writer.constant(mask), *writer.inputs(step), zero])


# ---- frames and other sizes ----------------------------------------------------------------------


def _frame(widths: Sequence[tuple[int, int]]) -> list[int]:
    return [a for a, _ in widths] + [b for _, b in widths]


@says(PadConstant)
def _pad(writer: Writer, step: Step) -> str:
    (x,), widths = writer.inputs(step), step.op.widths
    cut = [axis for axis, width in enumerate(widths) if min(width) < 0]
    if cut:  # by a slice: not all readers take negative widths
        starts = [max(-widths[axis][0], 0) for axis in cut]
        stops = [min(widths[axis][1], 0) or _END for axis in cut]
        x = writer.node("Slice", [x, *(writer.constant(v, np.int64) for v in (starts, stops, cut))])
    frame = writer.constant([max(n, 0) for n in _frame(widths)], np.int64)
    value = writer.constant(step.op.value, step.arrays[0].dtype)
    return writer.node("Pad", [x, frame, value], mode="constant")


@says(PadCopy)
def _pad_copy(writer: Writer, step: Step) -> str:
    frame = writer.constant(_frame(step.op.widths), np.int64)
    return writer.node("Pad", [*writer.inputs(step), frame], mode=_MODES[step.op.mode])


@says(Resample)
def _resample(writer: Writer, step: Step) -> str:
    """By the table of each axis: rows that are picked, or a product with a matrix."""
    (x,) = writer.inputs(step)
    ndim, dtype, count = step.arrays[0].ndim, step.arrays[0].dtype, len(step.op.taps)
    for a in range(count - 1, -1, -1):
        writer.fixed(step, [op.taps[a].size for op in step.ops], "image size")
        index, weight, size = step.op.taps[a]
        axis = ndim - count + a
        if weight is None:
            x = writer.node("Gather", [x, writer.constant(index[:, 0], np.int64)], axis=axis)
            continue
        table = np.zeros((len(index), size + 1))
        np.add.at(table, (np.arange(len(index))[:, None], index), weight)
        matrix = table[:, :size].astype(dtype)
        if a == count - 1:
            x = writer.node("MatMul", [x, writer.constant(matrix.T)])
        elif a == count - 2:
            x = writer.node("MatMul", [writer.constant(matrix), x])
        else:
            raise writer.unsaid(step, "volumes can be resampled by nearest pixels alone")
    return x
