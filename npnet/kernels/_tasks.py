"""What the kernels that programs call by address are handed, one entry for each.

An entry names the axes of the kernel's arrays as a `Rule` does, what its other arguments are
("int", "number", "flag" or "tile"), how many items there are for these arrays, and, where axes
alone do not tell, what else must hold so that nothing outside of an array is read or written. The
axis S is of the threads' slots.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np

from npnet.base.checks import ShapeError, check_count
from npnet.kernels import (
    activated_pool,
    activation,
    block_ops,
    channel_lanes,
    correlate,
    lanes,
    linear,
    loss,
    pool,
)
from npnet.kernels._arguments import Rule, check_numbers
from npnet.kernels.simd import LANES, TileShape

__all__ = ["ENDLESS", "TASKS", "Checked", "Task", "task_of"]

Facts: TypeAlias = Any  # a SimpleNamespace: arguments by their name, sizes by their axis

ENDLESS = 2**62  # items of a kernel that leaves out what is not there
LARGEST = 2**31  # of integers: what is computed of them has no more than 64 bits
NUMBERS = (int, float, np.integer, np.floating)


class Checked(SimpleNamespace):
    """What a kernel can do with its arguments.

    Attributes:
        items: it may be called on the items 0..items.
        slots: how many threads may call it.
    """

    items: int
    slots: int


class Task:
    """What one kernel takes.

    Args:
        items: of the facts, how many items there are.
        also: raises where the facts do not fit.
        values: raises where the arguments hold values that it can't take.
        empty: names of the axes that may have length 0.
        arguments: of each, in their order: the pattern of an array, or a kind.
    """

    KINDS = ("int", "number", "flag", "tile")

    def __init__(
        self,
        kernel: Any,
        items: Callable[[Facts], int],
        also: Callable[[Facts], None] | None = None,
        values: Callable[[tuple[Any, ...]], None] | None = None,
        empty: str = "",
        **arguments: str,
    ) -> None:
        self.kernel, self.op = kernel, kernel.__name__
        self.items, self.also, self.values = items, also, values
        self.names = list(arguments)
        self.kinds = {n: kind for n, kind in arguments.items() if kind in self.KINDS}
        patterns = {n: p for n, p in arguments.items() if p not in self.KINDS}
        self.rule = Rule(self.op, empty=empty, **patterns)
        self.places = [self.names.index(name) for name in patterns]  # of the arrays

    def check(self, arguments: tuple[Any, ...]) -> Checked:
        """What the kernel can do with these arguments; an error if they do not fit."""
        if len(arguments) != len(self.names):
            raise TypeError(
                f"{self.op}: takes {', '.join(self.names)}; got {len(arguments)} arguments"
            )
        facts = SimpleNamespace(op=self.op, **dict(zip(self.names, arguments, strict=True)))
        for name, kind in self.kinds.items():
            _check_kind(self.op, name, getattr(facts, name), kind)
        sizes = self.rule.sizes(tuple([arguments[i] for i in self.places]))
        vars(facts).update(sizes)
        if self.also is not None:
            self.also(facts)
        if self.values is not None:
            self.values(arguments)
        return Checked(items=self.items(facts), slots=sizes.get("S", ENDLESS))

    def check_again(self, arguments: tuple[Any, ...]) -> None:
        """The same, of arguments whose shapes and numbers are those of others that were checked."""
        self.rule(*[arguments[i] for i in self.places])
        if self.values is not None:
            self.values(arguments)


def task_of(kernel: Any) -> Task:
    """What is known of a kernel; TypeError if nothing is."""
    if kernel not in TASKS:
        name = getattr(kernel, "__name__", kernel)
        raise TypeError(f"Call: {name} is no kernel that programs know (see kernels/_tasks.py)")
    return TASKS[kernel]


def _check_kind(op: str, name: str, value: Any, kind: str) -> None:
    if kind == "int":
        if abs(check_count(op, name, value, -ENDLESS)) >= LARGEST:
            raise ValueError(f"{op}: {name} must have 31 bits at most, got {value}")
    elif kind == "tile" and not isinstance(value, TileShape):
        raise TypeError(f"{op}: {name} must be a TileShape, got {value!r}")
    elif kind == "flag" and not isinstance(value, bool):
        raise TypeError(f"{op}: {name} must be a bool, got {value!r}")
    elif kind == "number" and not isinstance(value, NUMBERS):
        raise TypeError(f"{op}: {name} must be a number, got {value!r}")


def _need(facts: Facts, holds: bool, rule: str) -> None:
    if not holds:
        raise ShapeError(f"{facts.op}: {rule}")


# ---- what axes alone do not tell ---------------------------------------------------------------


def _wider(f: Facts) -> None:
    _need(f, f.W >= f.F, f"a row must have room for {f.F} numbers, got {f.W}")


def _spans(f: Facts) -> None:
    _need(f, f.L % LANES == 0, f"the floats must be whole vectors of {LANES}, got {f.L}")
    _need(
        f,
        f.length > 0 and f.length % LANES == 0,
        f"length must be a multiple of {LANES}, got {f.length}",
    )


def _span_items(f: Facts) -> int:
    return int(-(-f.L // f.length))


def _windows(f: Facts) -> None:
    """Each window's taps inside the image must be inside it."""
    for name, table, size, step in (
        ("rows", f.rows, f.H, getattr(f, "dh", 1)),
        ("columns", f.columns, f.W, getattr(f, "dw", 1)),
    ):
        first, start, end = table.T
        some = end > start
        low, high = (first + start * step)[some], (first + (end - 1) * step)[some]
        _need(
            f,
            step > 0 and (start >= 0).all() and (low >= 0).all() and (high < size).all(),
            f"{name} must name pixels of an axis of {size}",
        )


def _add_weight_gradients(f: Facts) -> None:
    """The farthest number that a strip reads must be one of its image's."""
    _need(f, min(f.n, f.blocks, f.strip, f.sh, f.sw) > 0, "its numbers must be positive")
    _need(f, f.B == f.S, f"x must have a slot of each of gy's, {f.S}, got {f.B}")
    count = f.T + f.shape.columns
    _need(f, count == f.P, f"offsets must have {count} numbers, got {f.P}")
    rows, image = f.OH, f.x
    if len(f.padded):
        rows, image = min(f.strip, f.OH), f.padded
        _need(f, image.shape[0] >= f.S, f"padded must have {f.S} slots, got {image.shape[0]}")
        _need(f, image.shape[1] == f.C, f"padded must have {f.C} channels")
    width = image.shape[3]
    last = ((rows - 1) * f.sh * width + (f.OW - 1) * f.sw) * LANES
    size = image[0].size
    farthest = last + int(f.offsets.max()) + LANES
    _need(f, f.offsets.min() >= 0 and farthest <= size, "the windows must lie inside the image")


def _convolve_row(f: Facts) -> None:
    numbers = f.channels, f.group, f.height, f.width, f.kh, f.kw, f.sh, f.sw
    _need(f, min(numbers) > 0, "its numbers must be positive")
    _need(f, f.group in (1, LANES), f"group must be 1 or {LANES}, got {f.group}")
    room = -(-f.channels // f.group) * f.height * f.width * f.group
    _need(f, room <= f.L, f"x must have {room} numbers for an image, got {f.L}")
    _need(f, f.channels * f.kh * f.kw == f.T, f"w must have {f.T} taps")
    _need(f, f.GL == f.G * LANES, f"bias must have {f.G * LANES} numbers, got {f.GL}")
    _need(f, f.G % f.shape.columns == 0, f"groups must be a multiple of {f.shape.columns}")
    inside = (f.OH - 1) * f.sh + f.kh <= f.height and (f.OW - 1) * f.sw + f.kw <= f.width
    _need(f, inside, "the windows must lie inside the image")


def _correlate_row(f: Facts) -> None:
    _need(f, f.shape.rows == f.R, f"w must have {f.shape.rows} rows in a panel, got {f.R}")
    _need(f, f.P == -(-f.O // f.R), f"w must have panels of {f.O} channels, got {f.P}")
    _need(f, f.biases in (1, f.O), f"bias must have 1 number or {f.O}, got {f.biases}")
    _need(f, min(f.row_step, f.column_step) > 0, "its steps must be positive")
    for name, plan, taps in (("row_plan", f.row_plan, f.KH), ("column_plan", f.column_plan, f.KW)):
        first, count, _ = plan.T
        last = first + (count - 1) * len(plan)
        inside = ((count == 0) | ((first >= 0) & (last < taps))).all() and (count >= 0).all()
        _need(f, bool(inside), f"{name} must name taps of a window of {taps}")


def _pack_panel(f: Facts) -> None:
    channels = f.weight.shape[0 if f.transposed else 1]
    _need(f, channels == f.C, f"weight must have {f.C} channels, as panels have, got {channels}")


def _multiply_panel(f: Facts) -> None:
    last = (f.O - 1) * f.down + (f.F - 1) * f.along
    _need(f, min(f.down, f.along) >= 0 and last < f.w.size, f"w must have {last + 1} numbers")
    _need(f, f.biases in (1, f.O), f"bias must have 1 number or {f.O}, got {f.biases}")


def _multiply_items(f: Facts) -> int:
    return int(-(-f.O // f.shape.rows) * -(-f.B // f.shape.columns))


def _gradients_panel(f: Facts) -> None:
    _need(f, f.W % LANES == 0, f"rows must be a multiple of {LANES}, got {f.W}")


def _labels(f: Facts) -> None:
    _need(f, lanes.block_count(f.n) == f.B, f"labels must be those of {f.B} blocks, got {f.n}")


def _classes(arguments: tuple[Any, ...]) -> None:
    check_numbers("cross_entropy_block", "labels", arguments[1], arguments[0].shape[1])


def _by_plane(f: Facts) -> int:
    return int(f.M)


def _by_block(f: Facts) -> int:
    return int(f.B)


# ---- the kernels -------------------------------------------------------------------------------

_ROWS: dict[str, Any] = {"rows": "OH 3: int64", "columns": "OW 3: int64"}
_STEPS: dict[str, Any] = {"dh": "int", "dw": "int", "kw": "int"}
_SHARES: dict[str, Any] = {**_ROWS, "shares": "OH OW"}


class ByWinner(Task):
    """Max pooling, whose numbers are uint8 or uint32."""

    def __init__(self, kernel: Any, **arguments: str) -> None:
        self.kernel = kernel
        self.at = list(arguments).index("winner")
        self.tasks = {dtype: self._by(dtype, arguments) for dtype in ("uint8", "uint32")}

    def _by(self, dtype: str, arguments: dict[str, str]) -> Task:
        typed: dict[str, Any] = {k: v.replace("NUMBERS", dtype) for k, v in arguments.items()}
        return Task(self.kernel, _by_plane, _windows, **typed)

    def _of(self, arguments: tuple[Any, ...]) -> Task:
        winner = arguments[self.at] if len(arguments) > self.at else None
        return self.tasks.get(str(getattr(winner, "dtype", None)), self.tasks["uint8"])

    def check(self, arguments: tuple[Any, ...]) -> Checked:
        return self._of(arguments).check(arguments)

    def check_again(self, arguments: tuple[Any, ...]) -> None:
        self._of(arguments).check_again(arguments)


def _span_task(kernel: Any, **arrays: Any) -> Task:
    return Task(kernel, _span_items, _spans, **arrays, length="int")


_ALL = (
    Task(lanes.block_to_lanes, _by_block, x="N F", y="B F 16"),
    Task(lanes.block_from_lanes, _by_block, _wider, x="B F 16", y="N W"),
    Task(block_ops.load, lambda f: ENDLESS, x="N F", y="S F 16"),
    Task(block_ops.copy_out, _by_block, x="S F 16", y="B F 16"),
    Task(block_ops.copy_in, _by_block, x="B F 16", y="S F 16"),
    Task(
        block_ops.add_weight_gradients, lambda f: int(f.blocks), _add_weight_gradients,
        empty="PS PC PH PW PL",
        x="B C H W 16", gy="S O OH OW 16", n="int", blocks="int", shape="tile", strip="int",
        top="int", left="int", padded="PS PC PH PW PL", offsets="P: int64", sh="int", sw="int",
        gw="K O T", gb="K O",
    ),
    Task(block_ops.sum_parts, lambda f: int(-(-f.F // block_ops.SPAN)), parts="P F", total="F"),
    Task(block_ops.compact_row, lambda f: int(f.R), _wider, x="R W", y="R F"),
    Task(channel_lanes.load_image, lambda f: int(f.N), x="N F", y="S F"),
    Task(channel_lanes.store_features, lambda f: int(f.N), _wider, x="S W", y="N F"),
    Task(
        channel_lanes.convolve_row, lambda f: int(f.S * f.OH), _convolve_row, shape="tile", x="S L",
        channels="int", group="int", height="int", width="int", w="G T 16", bias="GL", kh="int",
        kw="int", sh="int", sw="int", y="S G OH OW 16",
    ),
    Task(
        correlate.pack_panel, lambda f: int(f.P), _pack_panel, weight="A B KH KW",
        transposed="flag", panels="P C KH KW R",
    ),
    Task(
        correlate.correlate_row, lambda f: int(f.B * f.OH), _correlate_row, shape="tile",
        x="B C H W 16", w="P C KH KW R", bias="biases", residual="B O OH OW 16", adds="flag",
        relu="flag", y="B O OH OW 16", row_plan="RP 3: int64", column_plan="CP 3: int64",
        row_step="int", column_step="int",
    ),
    Task(
        linear.multiply_panel, _multiply_items, _multiply_panel, shape="tile", x="B F 16",
        w="WO WF", down="int", along="int", bias="biases", y="B O 16",
    ),
    Task(
        linear.gradients_panel, lambda f: int(-(-f.O // f.shape.rows)), _gradients_panel,
        shape="tile", x="N W", gy="B O 16", gw="O W", gb="O",
    ),
    _span_task(activation.tanh_span, x="L", y="L"),
    _span_task(activation.sigmoid_span, x="L", y="L"),
    _span_task(activation.relu_span, x="L", y="L"),
    _span_task(activation.tanh_backward_span, y="L", gy="L", gx="L"),
    _span_task(activation.sigmoid_backward_span, y="L", gy="L", gx="L"),
    _span_task(activation.relu_backward_span, y="L", gy="L", gx="L"),
    Task(
        activation.leaky_relu_backward_span, _span_items, _spans, x="L", gy="L", slope="number",
        gx="L", length="int",
    ),
    ByWinner(
        pool.max_pool2d_plane, x="M H W 16", **_ROWS, **_STEPS, y="M OH OW 16",
        winner="M OH OW 16: NUMBERS",
    ),
    ByWinner(
        pool.max_pool2d_backward_plane, gy="M OH OW 16", winner="M OH OW 16: NUMBERS", **_ROWS,
        **_STEPS, apart="int", gx="M H W 16",
    ),
    Task(pool.avg_pool2d_plane, _by_plane, _windows, x="M H W 16", **_SHARES, y="M OH OW 16"),
    Task(
        pool.avg_pool2d_backward_plane, _by_plane, _windows, gy="M OH OW 16", **_SHARES,
        apart="int", gx="M H W 16",
    ),
    Task(
        activated_pool.activated_pool_plane, _by_plane, _windows, kind="int", x="M H W 16",
        **_SHARES, y="M OH OW 16",
    ),
    Task(
        activated_pool.activated_pool_backward_plane, _by_plane, _windows, kind="int",
        gy="M OH OW 16", **_SHARES, y="M H W 16",
    ),
    Task(
        loss.cross_entropy_block, _by_block, _labels, _classes, x="B C 16", labels="n: int64",
        scale="number", smoothing="number", gx="B C 16", parts="B",
    ),
    Task(
        loss.squares_block, _by_block, x="B F 16", target="B F 16", n="int", scale="number",
        gx="B F 16", parts="B",
    ),
)  # fmt: skip

TASKS: dict[Any, Task] = {task.kernel: task for task in _ALL}
