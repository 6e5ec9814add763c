"""How arithmetic, activations and reductions are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from npnet.nn.backward_hooks import Through
from npnet.onnx.writing import Writer, says, writers
from npnet.ops import (
    activation,
    arithmetic,
    choices,
    elementwise,
    exponentials,
    functions,
    piecewise,
    reduce,
    smooth,
    special,
    trigonometry,
)
from npnet.ops.dropout import Dropout
from npnet.ops.einsum import EinSum
from npnet.ops.extremes import ExtremeOf
from npnet.ops.norms import Norm2
from npnet.ops.shape import Clone
from npnet.ops.sorting import CumSum
from npnet.ops.statistics import Prod
from npnet.tape import Function
from npnet.tracing import Step

# Ops that are one node without options, whose inputs are the op's.
_SAME: dict[type[Function], str] = {
    activation.ReLU: "Relu",
    activation.Sigmoid: "Sigmoid",
    activation.Tanh: "Tanh",
    activation.Hardswish: "HardSwish",
    arithmetic.Add: "Add",
    arithmetic.Div: "Div",
    arithmetic.Gate: "Mul",
    arithmetic.Mul: "Mul",
    arithmetic.Neg: "Neg",
    arithmetic.Pow: "Pow",
    arithmetic.Sub: "Sub",
    functions.Abs: "Abs",
    functions.Cos: "Cos",
    functions.Exp: "Exp",
    functions.Log: "Log",
    functions.Sin: "Sin",
    functions.Sqrt: "Sqrt",
    smooth.Mish: "Mish",
    special.Erf: "Erf",
    trigonometry.Acos: "Acos",
    trigonometry.Acosh: "Acosh",
    trigonometry.Asin: "Asin",
    trigonometry.Asinh: "Asinh",
    trigonometry.Atan: "Atan",
    trigonometry.Atanh: "Atanh",
    trigonometry.Cosh: "Cosh",
    trigonometry.Sinh: "Sinh",
    trigonometry.Tan: "Tan",
}
_STEPS: dict[Any, str] = {np.floor: "Floor", np.ceil: "Ceil", elementwise._sign: "Sign"}


def _same(writer: Writer, step: Step) -> str:
    return writer.node(_SAME[step.kind], writer.inputs(step))


writers.update(dict.fromkeys(_SAME, _same))


def number(writer: Writer, step: Step, value: Any) -> str:
    """A constant of the dtype that the op computes in."""
    return writer.constant(value, step.arrays[0].dtype)


@says(Through, Clone)
def _through(writer: Writer, step: Step) -> str:
    return writer.inputs(step)[0]


@says(Dropout)
def _dropout(writer: Writer, step: Step) -> str:
    raise writer.unsaid(
        step, "it draws random numbers in evaluation too; pass training=self.training to dropout"
    )


# ---- activations ---------------------------------------------------------------------------------


@says(activation.LeakyReLU)
def _leaky_relu(writer: Writer, step: Step) -> str:
    return writer.node("LeakyRelu", writer.inputs(step), alpha=float(step.op.slope))


@says(activation.ELU)
def _elu(writer: Writer, step: Step) -> str:
    return writer.node("Elu", writer.inputs(step), alpha=float(step.op.alpha))


@says(smooth.ScaledELU)
def _scaled_elu(writer: Writer, step: Step) -> str:
    op, inputs = step.op, writer.inputs(step)
    if op.rate == 1:
        return writer.node("Selu", inputs, alpha=float(op.alpha), gamma=float(op.scale))
    return writer.node("Celu", inputs, alpha=float(op.alpha))


@says(activation.SiLU)
def _silu(writer: Writer, step: Step) -> str:
    (x,) = writer.inputs(step)
    return writer.node("Mul", [x, writer.node("Sigmoid", [x])])


@says(activation.GELU)
def _gelu(writer: Writer, step: Step) -> str:
    return writer.node("Gelu", writer.inputs(step), approximate="none")


@says(activation.GELUTanh)
def _gelu_tanh(writer: Writer, step: Step) -> str:
    return writer.node("Gelu", writer.inputs(step), approximate="tanh")


@says(activation.Softmax)
def _softmax(writer: Writer, step: Step) -> str:
    return writer.node("Softmax", writer.inputs(step), axis=step.op.dim)


@says(activation.LogSoftmax)
def _log_softmax(writer: Writer, step: Step) -> str:
    return writer.node("LogSoftmax", writer.inputs(step), axis=step.op.dim)


@says(piecewise.Hardtanh, choices.Clamp)
def _clip(writer: Writer, step: Step) -> str:
    bounds = [
        "" if bound is None else number(writer, step, bound)
        for bound in (step.op.low, step.op.high)
    ]
    return writer.node("Clip", [*writer.inputs(step), *bounds])


@says(piecewise.Hardsigmoid)
def _hardsigmoid(writer: Writer, step: Step) -> str:
    return writer.node("HardSigmoid", writer.inputs(step), alpha=1 / 6, beta=0.5)


@says(piecewise.Threshold)
def _threshold(writer: Writer, step: Step) -> str:
    (x,) = writer.inputs(step)
    below = writer.node("LessOrEqual", [x, number(writer, step, step.op.threshold)])
    return writer.node("Where", [below, number(writer, step, step.op.value), x])


@says(piecewise.Shrink)
def _shrink(writer: Writer, step: Step) -> str:
    lambd, bias = float(step.op.lambd), float(step.op.off)
    return writer.node("Shrink", writer.inputs(step), lambd=lambd, bias=bias)


@says(piecewise.PReLU)
def _prelu(writer: Writer, step: Step) -> str:
    x, weight = writer.inputs(step)
    ndim = step.arrays[0].ndim
    if writer.shapes_of(step.inputs[1])[0][0] > 1 and ndim > 2:
        sized = [(writer.shapes_of(step.inputs[1])[0][0], *[1] * (ndim - 2))] * writer.runs
        weight = writer.reshape(weight, sized)
    return writer.node("PRelu", [x, weight])


@says(smooth.Softplus)
def _softplus(writer: Writer, step: Step) -> str:
    (x,), beta, threshold = writer.inputs(step), step.op.beta, step.op.threshold
    factor = None if beta == 1 else number(writer, step, beta)
    given = x if factor is None else writer.node("Mul", [x, factor])
    y = writer.node("Softplus", [given])
    y = y if factor is None else writer.node("Div", [y, factor])
    if threshold >= 20:  # there the two are the same within 2e-9
        return y
    is_above = writer.node("Greater", [given, number(writer, step, threshold)])
    return writer.node("Where", [is_above, x, y])


@says(smooth.LogSigmoid)
def _log_sigmoid(writer: Writer, step: Step) -> str:
    (x,) = writer.inputs(step)
    return writer.node("Neg", [writer.node("Softplus", [writer.node("Neg", [x])])])


@says(smooth.GLU)
def _glu(writer: Writer, step: Step) -> str:
    (x,) = writer.inputs(step)
    a = writer.node("Split", [x], outputs=("output_0", "output_1"), axis=step.op.dim, num_outputs=2)
    b = a.removesuffix("0") + "1"
    return writer.node("Mul", [a, writer.node("Sigmoid", [b])])


# ---- arithmetic ----------------------------------------------------------------------------------


@says(arithmetic.Scale)
def _scale(writer: Writer, step: Step) -> str:
    factors = [op.factor for op in step.ops]
    if factors[0] == factors[1]:  # else it was made of values, which is told of forward
        writer.fixed(step, factors, "factor")
    factor = factors[0]
    return writer.node("Mul", [*writer.inputs(step), number(writer, step, factor)])


@says(arithmetic.FloorDivide)
def _floor_divide(writer: Writer, step: Step) -> str:
    return writer.node("Floor", [writer.node("Div", writer.inputs(step))])


@says(arithmetic.Remainder)
def _remainder(writer: Writer, step: Step) -> str:
    x, other = writer.inputs(step)
    whole = writer.node("Floor", [writer.node("Div", [x, other])])
    return writer.node("Sub", [x, writer.node("Mul", [whole, other])])


@says(arithmetic.Fmod)
def _fmod(writer: Writer, step: Step) -> str:
    return writer.node("Mod", writer.inputs(step), fmod=1)


@says(elementwise.Step)
def _step(writer: Writer, step: Step) -> str:
    name = _STEPS.get(step.op.compute)
    if name is None:
        raise writer.unsaid(step, "of the functions with jumps floor, ceil and sign can be said")
    return writer.node(name, writer.inputs(step))


@says(elementwise.Frac)
def _frac(writer: Writer, step: Step) -> str:
    (x,) = writer.inputs(step)
    whole = writer.node("Floor", [writer.node("Abs", [x])])
    return writer.node("Sub", [x, writer.node("Mul", [writer.node("Sign", [x]), whole])])


@says(choices.ClampBetween)
def _clamp_between(writer: Writer, step: Step) -> str:
    x, low, high = writer.inputs(step)
    return writer.node("Min", [writer.node("Max", [x, low]), high])


@says(choices.Extremum)
def _extremum(writer: Writer, step: Step) -> str:
    kind = "Max" if step.op.choose is np.maximum else "Min"
    return writer.node(kind, writer.inputs(step))


@says(choices.Where)
def _where(writer: Writer, step: Step) -> str:
    condition = writer.same([op.condition for op in step.ops], "a condition")
    return writer.node("Where", [writer.constant(condition), *writer.inputs(step)])


@says(choices.Lerp)
def _lerp(writer: Writer, step: Step) -> str:
    x, end, weight = writer.inputs(step)
    way = writer.node("Mul", [weight, writer.node("Sub", [end, x])])
    return writer.node("Add", [x, way])


@says(exponentials.Exp2)
def _exp2(writer: Writer, step: Step) -> str:
    return writer.node("Pow", [number(writer, step, 2), *writer.inputs(step)])


@says(exponentials.Expm1)
def _expm1(writer: Writer, step: Step) -> str:
    return writer.node("Sub", [writer.node("Exp", writer.inputs(step)), number(writer, step, 1)])


@says(exponentials.Log1p)
def _log1p(writer: Writer, step: Step) -> str:
    return writer.node("Log", [writer.node("Add", [*writer.inputs(step), number(writer, step, 1)])])


@says(exponentials.Log2, exponentials.Log10)
def _log_of_base(writer: Writer, step: Step) -> str:
    base = 2 if step.kind is exponentials.Log2 else 10
    log = writer.node("Log", writer.inputs(step))
    return writer.node("Div", [log, number(writer, step, np.log(base))])


@says(EinSum)
def _einsum(writer: Writer, step: Step) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    parts = ["".join(letters[i] for i in labels) for labels in (*step.op.inputs, step.op.out)]
    equation = f"{','.join(parts[:-1])}->{parts[-1]}"
    return writer.node("Einsum", writer.inputs(step), equation=equation)


# ---- reductions ----------------------------------------------------------------------------------


def _reduced(
    writer: Writer, step: Step, kind: str, axes: Sequence[int], keepdim: bool, x: str = ""
) -> str:
    given = [x or writer.inputs(step)[0], writer.constant(list(axes), np.int64)]
    if not len(axes):
        return given[0]
    return writer.node(kind, given, keepdims=int(keepdim))


_SUMS: dict[type[Function], str] = {
    reduce.Mean: "ReduceMean",
    reduce.Sum: "ReduceSum",
    Norm2: "ReduceL2",
}


@says(*_SUMS)
def _sum(writer: Writer, step: Step) -> str:
    return _reduced(writer, step, _SUMS[step.kind], step.op.axes, step.op.keepdim)


@says(reduce.Var, reduce.Std)
def _var(writer: Writer, step: Step) -> str:
    (x,), op = writer.inputs(step), step.op
    divisor = writer.fixed(step, [float(o.divisor) for o in step.ops], "count")
    off = writer.node("Sub", [x, _reduced(writer, step, "ReduceMean", op.axes, True)])
    total = _reduced(writer, step, "ReduceSum", op.axes, op.keepdim, writer.node("Mul", [off, off]))
    y = writer.node("Div", [total, number(writer, step, divisor)])
    return writer.node("Sqrt", [y]) if step.kind is reduce.Std else y


@says(reduce.Extreme)
def _extreme(writer: Writer, step: Step) -> str:
    kind = "ReduceMax" if step.op.choose is np.max else "ReduceMin"
    ndim = len(writer.shapes_of(step.inputs[0])[0])
    return _reduced(writer, step, kind, range(ndim), False)


@says(ExtremeOf)
def _extreme_of(writer: Writer, step: Step) -> str:
    kind = "ReduceMax" if step.op.choose is np.max else "ReduceMin"
    return _reduced(writer, step, kind, step.op.axes, step.op.keepdim)


@says(reduce.ExtremeAlong)
def _extreme_along(writer: Writer, step: Step) -> str:
    xs, dim = writer.trace.arrays(step.inputs[0]), step.op.dim
    for kind, choose in (("ReduceMax", np.max), ("ReduceMin", np.min)):
        if all(
            np.array_equal(choose(x, axis=dim, keepdims=True), y)
            for x, y in zip(xs, step.arrays, strict=True)
        ):
            return _reduced(writer, step, kind, [dim], True)
    raise writer.unsaid(step, "of what is picked along an axis max and min can be said")


@says(Prod)
def _prod(writer: Writer, step: Step) -> str:
    return _reduced(writer, step, "ReduceProd", [step.op.dim], step.op.keepdim)


@says(CumSum)
def _cumsum(writer: Writer, step: Step) -> str:
    axis = writer.constant(step.op.dim, np.int64)
    return writer.node("CumSum", [*writer.inputs(step), axis])
