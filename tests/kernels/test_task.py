"""Tasks: what is declared of a kernel is what it is called with, all at once or by programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pytest

import npnet
from npnet.base.checks import ShapeError
from npnet.kernels import _jit, _task, elementwise
from npnet.kernels._parallel import parallel_for
from npnet.kernels.program import Call, Phase, Program
from tests.kernels import oracle
from tests.kernels.test_jit import COMPILING, finish, start


class Steps(NamedTuple):
    """A plan: which number each row takes, and how often."""

    at: Annotated[oracle.Array, "R: int64 table"]
    times: Annotated[int, "int"]
    shift: Annotated[np.float32, "number"]


def _inside(f: _task.Facts) -> None:
    _task.need(f, f.at.min() >= 0 and f.at.max() < f.C, f"at must name columns of {f.C}")


@_task.task(x="R C", plan=Steps, y="S R", items="R", also=_inside)
def picked_row(x, plan, y, k):  # type: ignore[no-untyped-def]
    y[0, k] = plan.times * x[k, plan.at[k]] + plan.shift


_task.TASKS.remove(picked_row)  # the library's own are all tried in test_arguments.py


@pytest.fixture(autouse=True)
def _only_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_task, "TASKS", _task.TASKS[:])


def rows() -> oracle.Array:
    return np.arange(12, dtype=np.float32).reshape(4, 3)


def table(*numbers: int) -> oracle.Array:
    made = np.array(numbers)
    made.setflags(write=False)
    return made


def steps(*at: int) -> Steps:
    return Steps(table(*at), 2, np.float32(0.5))


WANTED = [[0.5, 8.5, 16.5, 18.5]]  # of `rows` at 0, 1, 2, 0


def test_a_task_does_all_items() -> None:
    y = np.zeros((1, 4), np.float32)
    plan = steps(0, 1, 2, 0)
    for _ in range(2):  # the first time, and when it is known
        y.fill(0)
        picked_row(rows(), plan, y)
        np.testing.assert_array_equal(y, WANTED)


def test_programs_take_plans() -> None:
    y = np.zeros((1, 4), np.float32)
    call = Call(picked_row, (rows(), steps(0, 1, 2, 0), y), 4)
    program = Program([Phase([call])])
    assert program.nbytes == 48 + 32 + 16
    program.run()
    np.testing.assert_array_equal(y, WANTED)
    call.bind((10 * rows(), call.arguments[1], y))
    program.run()
    np.testing.assert_array_equal(y, [[0.5, 80.5, 160.5, 180.5]])
    with pytest.raises(ValueError, match="plan of picked_row must stay"):
        call.bind((rows(), steps(0, 1, 2, 0), y))


def test_a_plan_is_looked_at() -> None:
    x, y = rows(), np.zeros((1, 4), np.float32)
    for plan, error, message in (
        (steps(0, 1, 2, 3), ShapeError, "at must name columns of 3"),
        (steps(0, 1, 2), ShapeError, r"at \(R,\) must have 4 along axis R, as x has"),
        (Steps(table(0, 1, 2, 0), 1.5, np.float32(0)), TypeError, "times must be an int"),  # type: ignore[arg-type]
        ((table(0, 1, 2, 0), 2, 0.5), TypeError, "plan must be a Steps"),
    ):
        for take in (picked_row, lambda *arguments: Call(picked_row, arguments)):
            with pytest.raises(error, match=f"picked_row: {message}"):
                take(x, plan, y)


def test_a_table_that_can_be_written_to_is_looked_at_each_time() -> None:
    plan, y = Steps(np.array([0, 1, 2, 0]), 2, np.float32(0.5)), np.zeros((1, 4), np.float32)
    picked_row(rows(), plan, y)
    plan.at[3] = 3
    with pytest.raises(ShapeError, match="at must name columns"):
        picked_row(rows(), plan, y)
    behind = np.array([0, 1, 2, 0])
    seen = behind[:]
    seen.setflags(write=False)
    plan = Steps(seen, 2, np.float32(0.5))
    picked_row(rows(), plan, y)
    behind[3] = 3
    with pytest.raises(ShapeError, match="at must name columns"):
        picked_row(rows(), plan, y)


def test_what_is_known_is_not_taken_with_other_types() -> None:
    a, b, y = (np.zeros(64, np.float32) for _ in range(3))
    elementwise.add_span(a, b, y, 16)
    fixed, odd = np.zeros(64, np.float32), np.zeros(257, np.uint8)[1:].view(np.float32)
    fixed.setflags(write=False)
    for wrong, message in (
        (np.zeros(64), "b must be float32, got float64"),
        (np.zeros(128, np.float32)[::2], "b must be row-major"),
        (np.zeros(64, ">f4"), "b must be float32, got >f4"),
        (fixed, "b must be writable"),
        (odd, "b must be aligned"),
        (npnet.zeros(64), "b must be an ndarray"),
        (b.tolist(), "b must be an ndarray"),
        (b.reshape(4, 16), "b .* must have 1 axis"),
        (b[:48], "b .* must have 64 along axis L, as a has"),
    ):
        with pytest.raises((TypeError, ValueError), match=f"add_span: {message}"):
            elementwise.add_span(a, wrong, y, 16)
    for length in (0, 8, -16, 2**40):
        with pytest.raises(ValueError, match="add_span: length must"):
            elementwise.add_span(a, b, y, length)
    with pytest.raises(TypeError, match="add_span: takes a, b, y, length; got 3 arguments"):
        elementwise.add_span(a, b, y)


def test_no_more_threads_than_there_are_slots() -> None:
    @_task.task(y="S N", items="N")
    def slots(y, k):  # type: ignore[no-untyped-def]
        y[0, k] = k

    assert slots.reach((np.zeros((3, 5), np.float32),)) == (5, 3)
    assert picked_row.reach((rows(), steps(0, 1, 2, 0), np.zeros((2, 4), np.float32))) == (4, 2)


def test_compiled_code_calls_a_tasks_kernel() -> None:
    @_jit.kernel
    def both(x, plan, y):  # type: ignore[no-untyped-def]
        picked_row(x, plan, y, 0)
        parallel_for(picked_row, 3, (x, plan, y))

    both._cache = _jit.caching.NullCache()
    y = np.zeros((1, 4), np.float32)
    both(rows(), steps(0, 1, 2, 0), y)
    np.testing.assert_array_equal(y, [[*WANTED[0][:3], 0]])


def test_parameters_are_those_that_are_declared() -> None:
    with pytest.raises(TypeError, match="its parameters are not those that are declared"):

        @_task.task(x="R", items="R")
        def other(y, k):  # type: ignore[no-untyped-def]
            pass


def test_arrays_whose_bytes_numba_would_not_look_at_cannot_be_declared() -> None:
    with pytest.raises(TypeError, match="arrays may have 5 axes at most"):

        @_task.task(y="A B C D E F", items="A")
        def wide(y, k):  # type: ignore[no-untyped-def]
            pass


def test_a_plan_of_numbers_is_known_by_them() -> None:
    class Line(NamedTuple):
        first: Annotated[int, "int"]
        slope: Annotated[float, "number"]

    def inside(f: _task.Facts) -> None:
        _task.need(f, 0 <= f.first < f.N, f"first must be a number below {f.N}")

    @_task.task(line=Line, y="N", items="N", also=inside)
    def line_item(line, y, k):  # type: ignore[no-untyped-def]
        y[k] = line.first + line.slope * k

    y = np.zeros(3, np.float32)
    for slope in (1.0, 2.0):
        line_item(Line(2, slope), y)
        np.testing.assert_array_equal(y, [2, 2 + slope, 2 + 2 * slope])
    assert len(line_item._known) == 1
    for line, error, message in (
        (Line(3, 1.0), ShapeError, "first must be a number below 3"),
        (Line(2.0, 1.0), TypeError, "first must be an int"),  # type: ignore[arg-type]
        (Line(2, "x"), TypeError, "slope must be a number"),  # type: ignore[arg-type]
        ((2, 1.0), TypeError, "line must be a Line"),
    ):
        with pytest.raises(error, match=f"line_item: {message}"):
            line_item(line, y)


def test_items_are_done_with_what_was_looked_at() -> None:
    x, y = np.ones(64, np.float32), np.zeros(64, np.float32)
    for _ in range(2):
        elementwise.scale_span.do(2, x, np.float32(3), y, 16)
        np.testing.assert_array_equal(y, [3] * 32 + [0] * 32)


@pytest.mark.slow
def test_processes_share_what_is_compiled_of_tasks(tmp_path: Path) -> None:
    code = "from tests.kernels import test_task\ntest_task.test_a_task_does_all_items()"
    assert COMPILING in finish(start(tmp_path, code))
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb?")}
    assert {path.name.split("-")[0] for path in kept} >= {"test_task.picked_row"}
    assert finish(start(tmp_path, code)) == ""
    assert kept == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb?")}
