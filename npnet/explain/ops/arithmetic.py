"""Arithmetic, reductions and ops that move values."""

from __future__ import annotations

from npnet.explain.explanation import Explanations, explain

__all__ = ["ARITHMETIC"]

X = [[0.5, -1.0, 2.0], [1.5, 0.3, -0.7], [-2.0, 1.0, 0.8]]
Y = [[1.0, 2.0, -0.5], [0.4, -1.5, 3.0], [2.5, 0.6, -1.0]]
ROW = [1.0, -2.0, 0.5]
POSITIVE = [[0.5, 1.0, 2.0], [1.5, 0.3, 0.7], [2.5, 3.0, 0.8]]
UNDONE = (
    "Where an input was repeated to fit (broadcasting), it went into several results: its gradient "
    "is the sum over them."
)
MOVED = "Values change places, or get another shape, and nothing else."

ARITHMETIC: Explanations = {
    "add": explain(
        "x + row", {"x": X, "row": ROW}, "dy/dx = 1 and dy/drow = 1: both get gy.", UNDONE
    ),
    "sub": explain("x - row", {"x": X, "row": ROW}, "The first gets gy, the second -gy.", UNDONE),
    "mul": explain(
        "x * row", {"x": X, "row": ROW}, "d(ab)/da = b: gx = gy * row, grow = gy * x.", UNDONE
    ),
    "mul_channels": explain(
        "npnet.mul(x, gate)",
        {"x": [[[[0.5, -1.0], [2.0, 1.5]], [[0.3, -0.7], [-2.0, 1.0]]]],
         "gate": [[[[0.5]], [[2.0]]]]},
        "One number for each channel, as of squeeze and excitation: gx = gy * gate.",
        "A gate met every pixel of its channel: ggate = the sum of gy * x over these.",
    ),
    "div": explain(
        "x / other",
        {"x": X, "other": POSITIVE},
        "d(a/b)/da = 1 / b and d(a/b)/db = -a / b^2.",
        "gx = gy / other, gother = -gy * x / other^2.",
        UNDONE,
    ),
    "pow": explain(
        "npnet.pow(x, power)",
        {"x": POSITIVE, "power": [2.0, 3.0, -1.0]},
        "dx^p/dx = p * x^(p - 1), and x^p = exp(p log x), so dx^p/dp = x^p * log x.",
        UNDONE,
    ),
    "exp": explain("npnet.exp(x)", {"x": X}, "exp is its own derivative: gx = gy * y."),
    "log": explain("npnet.log(x)", {"x": POSITIVE}, "d(log x)/dx = 1 / x: gx = gy / x."),
    "sqrt": explain(
        "npnet.sqrt(x)", {"x": POSITIVE}, "d(x^(1/2))/dx = 1 / (2 sqrt x): gx = gy / (2 y)."
    ),
    "sin": explain("npnet.sin(x)", {"x": X}, "gx = gy * cos(x)."),
    "cos": explain("npnet.cos(x)", {"x": X}, "gx = -gy * sin(x)."),
    "abs": explain("npnet.abs(x)", {"x": X}, "gx = gy * sign(x); at 0, where it bends, 0."),
    "clamp": explain(
        "npnet.clamp(x, -0.9, 0.9)",
        {"x": X},
        "y = x between the bounds and a constant outside: gx = gy between and on them, else 0.",
    ),
    "maximum": explain(
        "npnet.maximum(x, other)",
        {"x": X, "other": Y},
        "y is one of both: the larger gets gy, the other 0; where they are equal, half each.",
        UNDONE,
    ),
    "matmul": explain(
        "npnet.matmul(a, b)",
        {"a": X, "b": [[1.0, 0.5], [-1.0, 2.0], [0.3, -0.2]]},
        "y[i, k] = sum over j of a[i, j] * b[j, k].",
        "dy[i, k] / da[i, j] = b[j, k], so ga[i, j] = sum over k of gy[i, k] * b[j, k]: "
        "ga = gy @ b^T.",
        "Alike gb[j, k] = sum over i of a[i, j] * gy[i, k]: gb = a^T @ gy.",
    ),
    "sum": explain(
        "npnet.sum(x, 1)", {"x": X}, "Every term counts 1: gy is repeated over what was summed."
    ),
    "mean": explain(
        "npnet.mean(x, 1)", {"x": X}, "A sum, divided by M: gy / M is repeated over the M values."
    ),
    "var": explain(
        "npnet.var(x, 1)",
        {"x": X},
        "y = sum of c^2 / (M - 1) with c = x - mean.",
        "dc_j/dx_i = [i = j] - 1 / M, and the c sum to 0, so the mean's part vanishes.",
        "gx = gy * 2 c / (M - 1).",
    ),
    "std": explain(
        "npnet.std(x, 1)",
        {"x": X},
        "y = sqrt(var): dy/dvar = 1 / (2 y).",
        "gx = gy * c / ((M - 1) * y).",
    ),
    "max": explain(
        "npnet.max(x)",
        {"x": X},
        "y is the largest value, whose derivative by itself is 1: it gets gy, all others 0.",
        "Without an axis equal values share gy; along an axis the first gets everything.",
    ),
    "logsumexp": explain(
        "npnet.logsumexp(x, 1)",
        {"x": X},
        "y = log(sum of exp(x)): dy/dx_i = exp(x_i) / sum of exp = softmax(x)_i = exp(x_i - y).",
    ),
    "flatten": explain(
        "npnet.flatten(x, 1)", {"x": [X]}, MOVED, "gx is gy in the shape of x: a view, no copy."
    ),
    "reshape": explain("npnet.reshape(x, (9,))", {"x": X}, MOVED, "gx is gy in the shape of x."),
    "transpose": explain(
        "npnet.transpose(x, 0, 1)", {"x": X}, MOVED, "y[j, i] = x[i, j], so gx = gy^T."
    ),
    "permute": explain(
        "npnet.permute(x, (2, 0, 1))", {"x": [X]}, MOVED, "gx is gy with the axes put back."
    ),
    "cat": explain(
        "npnet.cat([a, b], 1)",
        {"a": X, "b": Y},
        MOVED,
        "Each input gets its piece of gy.",
    ),
    "stack": explain("npnet.stack([a, b])", {"a": X, "b": Y}, MOVED, "Each input gets its slice."),
    "gather": explain(
        "npnet.gather(x, 1, rows)",
        {"x": X, "rows": [[0, 0], [2, 1], [1, 2]]},
        "y[i, j] = x[i, rows[i, j]]: copies.",
        "gx is the sum of gy over all copies of a value: what was read twice gets both.",
    ),
    "where": explain(
        "npnet.where(mask, x, other)",
        {"mask": [[True, False, True], [False, True, True], [True, False, False]],
         "x": X, "other": Y},
        "Each result is x or other: gy goes to the one that was taken, and 0 to the other.",
    ),
}  # fmt: skip
