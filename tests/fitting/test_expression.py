"""Expressions: what they mean, and that what they can't mean is a plain error."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from npnet.fitting.expression import Expression, ExpressionError

X = np.linspace(0.1, 2.0, 7)
# Python and NumPy round their functions differently in the last places; what they are composed of
# may amplify that.
ROUNDING = {"rtol": 1e-9, "atol": 1e-12}


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("x^2 + 2 sin x + cos(x - 1) - 5", lambda x: x**2 + 2 * np.sin(x) + np.cos(x - 1) - 5),
        ("-x^2", lambda x: -(x**2)),
        ("2^-x", lambda x: 2**-x),
        ("x^2^3", lambda x: x**8),
        ("x**2", lambda x: x**2),
        ("x - 1 - 2", lambda x: x - 3),
        ("x/2*3", lambda x: x * 1.5),
        ("2 -3", lambda x: -1 + 0 * x),
        ("3(x + 1)(x - 1)", lambda x: 3 * (x**2 - 1)),
        ("2pi x", lambda x: 2 * np.pi * x),
        ("2πx", lambda x: 2 * np.pi * x),
        ("2e x", lambda x: 2 * np.e * x),
        ("2e-3x", lambda x: 0.002 * x),
        (".5x + 1.", lambda x: 0.5 * x + 1),
        ("sin 2x cos x", lambda x: np.sin(2 * x) * np.cos(x)),
        ("x sin x x", lambda x: x * np.sin(x * x)),
        ("sin x^2", lambda x: np.sin(x**2)),
        ("sin(x)^2 x", lambda x: np.sin(x) ** 2 * x),
        ("sin^2 x + cos^2(x)", lambda x: 1 + 0 * x),
        ("sin -x", lambda x: -np.sin(x)),
        ("sqrt abs -x", np.sqrt),
        ("exp(-x^2)/2", lambda x: np.exp(-(x**2)) / 2),
        ("ln x + log10 x", lambda x: np.log(x) + np.log10(x)),
        ("+x--x", lambda x: 2 * x),
        ("x \N{MINUS SIGN} 2 \N{MIDDLE DOT} 3", lambda x: x - 6),
        ("1/(1 + exp(1000))", lambda x: 0 * x),
    ],
)
def test_meaning(text: str, function: Callable[[Any], Any]) -> None:
    y = Expression(text)(X)
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, function(X), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (" ", "is empty"),
        ("x+", "the end of 'x\\+' stands where a number"),
        ("sin", "the end of 'sin' stands where"),
        ("(x", r"'\(' at character 1 .* is never closed; add a \)"),
        ("x) + 1", r"'\)' at character 2 .* was not opened"),
        ("2 sni x", "'sni' at character 3 .* is not known; did you mean 'sin'"),
        ("sinx", "did you mean 'sin'"),
        ("y", "the names are x, e, pi"),
        ("1/2x", r"'x' at character 4 .* write 1/\(2x\) or \(1/2\)x"),
        ("x 2", "'2' at character 3 .* follows without a sign"),
        ("1..2", "follows without a sign"),
        ("sin^x 2", "must be a number, as in sin"),
        ("2 $ x", r"'\$' at character 3 .* means nothing here"),
        ("x = 2", "'=' at character 3"),
        ("()", "stands where a number"),
        ("(" * 400 + "x", "nested more than 40 deep"),
        ("-" * 900 + "x", "nested more than 40 deep"),
        ("x^" * 400 + "x", "nested more than 40 deep"),
        ("sin " * 200 + "x", "nested more than 40 deep"),
        ("x+" * 5000 + "x", "at most 1000 characters, got 10001"),
        ("__import__('os').system('true')", "'_' at character 1"),
        ("exec(x)", "'exec' at character 1 .* is not known"),
        ("x.__class__", "means nothing here"),
        ("lambda: 0", "means nothing here"),
        ("x[0]", "means nothing here"),
        ("\x00", "means nothing here"),
    ],
)
def test_what_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=f"^expression: .*{message}"):
        Expression(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 + log(x - 1)", "'log' at character 5 .* no finite value at x = 0.1"),
        ("sqrt(1 - x)", "'sqrt' at character 1 .* no finite value at x = 1.05"),
        ("1/(x - x)", "'/' at character 2"),
        ("9^9^9^9", r"'\^' at character 4"),
        ("1e999", "'1e999' at character 1"),
        ("9" * 500, "at character 1"),
        ("(-x)^0.5", r"'\^' at character 5"),
    ],
)
def test_values_that_are_not_finite(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        Expression(text)(X)


def test_long_sums_need_no_deep_stack() -> None:
    np.testing.assert_allclose(Expression("x" + "+x" * 499)(X), 500 * X)


# An expression beside what Python makes of it: (text for npnet, function of math's).
Pair = tuple[str, Callable[[float], float]]

leaves: st.SearchStrategy[Pair] = st.one_of(
    st.just(("x", lambda x: x)),
    st.just(("pi", lambda x: math.pi)),
    st.floats(0, 100).map(lambda v: (repr(v), lambda x: v)),
)


def call(name: str, a: Pair) -> Pair:
    function = getattr(math, name)
    return f"{name}({a[0]})", lambda x: function(a[1](x))


def binary(sign: str, a: Pair, b: Pair) -> Pair:
    text = f"({a[0]}) {sign} ({b[0]})"  # for "" a product
    combine: dict[str, Callable[[float, float], float]] = {
        "+": lambda u, v: u + v,
        "-": lambda u, v: u - v,
        "*": lambda u, v: u * v,
        "": lambda u, v: u * v,
        "/": lambda u, v: u / v,
        "^": math.pow,
    }
    return text, lambda x: combine[sign](a[1](x), b[1](x))


trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(call, st.sampled_from(["sin", "cos", "exp", "sqrt", "tanh", "atan"]), inner),
        st.builds(binary, st.sampled_from(["+", "-", "*", "", "/", "^"]), inner, inner),
        inner.map(lambda a: (f"-({a[0]})", lambda x: -a[1](x))),
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(trees, st.floats(-3, 3))
def test_random_trees(pair: Pair, x: float) -> None:
    text, function = pair
    try:
        expected = function(x)
    except (ArithmeticError, ValueError):
        expected = math.nan
    assume(math.isfinite(expected) and abs(expected) < 1e6 and len(text) <= 1000)
    # Where rounding alone moves the value, the two need not agree.
    try:
        near = function(x * (1 + 1e-13) + 1e-15)
    except (ArithmeticError, ValueError):
        near = math.nan
    assume(abs(near - expected) <= 1e-9 * abs(expected))
    np.testing.assert_allclose(Expression(text)(np.array([x]))[0], expected, **ROUNDING)
