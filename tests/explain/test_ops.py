"""Every op is explained, its example runs, and its gradients are right."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import npnet
from npnet.explain.catalogue import (
    CLASSROOM,
    GROUPS,
    OPS,
    WITHOUT,
    codes_of,
    equation_of,
    helpers_of,
    op_named,
    public,
    source_of,
)
from npnet.explain.example import BOUND, Example
from npnet.explain.example import computed as computed_now
from npnet.explain.explanation import explain
from npnet.explain.names import ALSO
from npnet.nn import functional
from npnet.tape import Function

# Functions that no example can show.
HIDDEN = {
    "AllReduce": "it adds up over several processes",
    "Cast": "a difference of 1e-6 drowns in the rounding of another dtype",
    "FloorDivide": "its gradient is 0 everywhere",
    "Step": "its gradient is 0 everywhere",
    "TruncDivide": "its gradient is 0 everywhere",
}
OPERATORS = {"add", "sub", "mul", "div", "getitem"}
OF_ANOTHER = {  # of a layer that applies them, or of the op that they are a case of
    "multi_head_attention_forward",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
}


@functools.cache
def computed(op: str) -> Example:
    return computed_now(OPS[op])


def functions_below(kind: type[Function]) -> Iterator[type[Function]]:
    for below in kind.__subclasses__():
        yield below
        yield from functions_below(below)


def test_every_op_is_explained() -> None:
    public = {name for name in functional.__all__ if not name.endswith("_")}
    assert public - WITHOUT.keys() <= OPS.keys()
    assert not WITHOUT.keys() & OPS.keys()
    assert sum(map(len, GROUPS.values())) == len(OPS)  # none in two tables
    assert set(CLASSROOM) <= OPS.keys()


def test_every_backward_pass_is_shown() -> None:
    for module in pkgutil.walk_packages(npnet.ops.__path__, "npnet.ops."):
        importlib.import_module(module.name)
    there = {
        kind.__name__
        for kind in functions_below(Function)
        if kind.__module__.startswith("npnet.ops.") and hasattr(kind, "backward")
    }
    shown = {
        base.__name__ for op in OPS for kind in computed(op).functions for base in kind.__mro__
    }
    assert len(there) > 150
    assert there - shown == set(HIDDEN)


@pytest.mark.parametrize("space", [npnet, npnet.linalg, npnet.Tensor])
def test_every_function_of_the_ops_is_explained(space: Any) -> None:
    missing = []
    for name in dir(space):
        found = inspect.unwrap(getattr(space, name))
        where = getattr(found, "__module__", None) or ""
        is_op = where.startswith("npnet.ops.") and where != "npnet.ops.dtypes"
        if is_op and inspect.isfunction(found) and not name.endswith("_") and name[0] != "_":
            missing += [name] * (op_named(name) is None and name not in WITHOUT)
    assert not missing


def test_other_names_lead_to_an_op() -> None:
    assert set(ALSO.values()) <= OPS.keys()
    assert not [name for name in ALSO if "_" in name]
    assert not [name for name in WITHOUT if op_named(name)]


def test_what_has_no_derivative_gives_none() -> None:
    x = npnet.tensor([[1.5, -0.5], [0.3, 2.0]], requires_grad=True)
    for name in ("argmax", "argsort", "count_nonzero", "isnan", "signbit", "detach"):
        assert name in WITHOUT
        assert not getattr(npnet.Tensor, name)(x).requires_grad
    for name in ("ceil", "floor", "fix", "round", "sign", "sgn", "trunc"):
        assert name in WITHOUT
        (gx,) = npnet.autograd.grad(getattr(npnet, name)(x).sum(), x)
        assert not gx.numpy().any()


def test_examples_call_what_they_explain() -> None:
    others = {op for op in OPS if f"{public(op).__name__}(" not in OPS[op].call}
    assert others == OPERATORS | OF_ANOTHER
    assert public("cholesky") is npnet.linalg.cholesky
    assert public("unfold_axis") is inspect.unwrap(npnet.ops.views.unfold)
    assert public("repeat") is inspect.unwrap(npnet.ops.splitting.repeat)
    assert public("gelu_tanh") is inspect.unwrap(functional.gelu)


@pytest.mark.parametrize("op", OPS)
def test_explanation(op: str) -> None:
    example = computed(op)
    assert example.agrees, (example.gradients, example.differences)
    assert example.largest <= BOUND
    assert all(np.isfinite(g).all() for g in example.gradients.values())
    assert any(np.abs(g).max() > 0 for g in example.gradients.values())
    assert all(step.endswith((".", ".)")) for step in OPS[op].steps)
    assert equation_of(op)
    assert "Args:" not in equation_of(op)
    assert source_of(op, example.functions)
    codes = codes_of(op, example.functions)
    assert any("def backward" in code.text for code in codes)
    assert all(code.about for code in codes)
    for name, gradient in example.gradients.items():
        total = float(example.terms(name).rpartition("= ")[2].strip("()"))
        assert np.isclose(gradient, total, rtol=1e-3, atol=1e-3).any()


def test_the_example_is_the_op(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is kept: a wrong op has a wrong example."""
    before = computed_now(OPS["tanh"])
    monkeypatch.setattr(npnet.ops.activation.Tanh, "backward", lambda self, gy: (gy,))
    after = computed_now(OPS["tanh"])
    assert before.agrees
    assert not after.agrees
    np.testing.assert_array_equal(after.gradients["x"], after.output_gradient)


def test_the_terms_are_the_chain_rule() -> None:
    example = computed("conv2d")
    said = example.terms("weight")
    assert said.startswith("gweight[0, 0, 0, 0] = ")
    sum_of = said.partition("= ")[2].partition(" = ")[0]
    total = 0.0
    for term in sum_of.replace("(", "").replace(")", "").split(" + "):
        a, b = map(float, term.split(" * "))
        total += a * b
    assert total == pytest.approx(example.gradients["weight"].reshape(-1)[0], rel=1e-3)


def test_helpers_are_what_the_code_calls() -> None:
    names = {code.name for code in helpers_of(computed("conv2d").functions)}
    assert {"im2col", "col2im", "add_up"} <= names


@pytest.mark.parametrize(
    ("op", "pulls"),
    [
        ("svd", ["_pull_full_svd", "_pull_svd"]),
        ("qr", ["_pull_qr"]),
        ("eigvalsh", ["_pull_eigh"]),
        ("inv", []),
    ],
)
def test_decompositions_show_their_backward_pass(op: str, pulls: list[str]) -> None:
    codes = codes_of(op, computed(op).functions)
    assert [code.name for code in codes if code.name.startswith("_pull")] == pulls


def test_sources_are_those_of_the_op_or_else_of_its_module() -> None:
    sources = {
        op: source_of(op, computed(op).functions) for op in ("cholesky", "solve", "svd", "tan")
    }
    assert "Murray (2016)" in sources["cholesky"]
    assert "Giles" not in sources["cholesky"]
    assert "Giles (2008)" in sources["solve"]
    assert "Giles (2008)" in sources["svd"]
    assert "none is named" in sources["tan"]


def test_what_an_example_may_say() -> None:
    x = {"x": [[1.0, 2.0], [3.0, 4.0]]}
    for call, y in {
        "x[1, :1]": [3.0],
        "x[::2].repeat(1, 2)": [[1.0, 2.0, 1.0, 2.0]],
        "npnet.linalg.slogdet(x).sign * x[0, 0]": -1.0,
    }.items():
        example = computed_now(explain(call, x))
        np.testing.assert_array_equal(example.output, y)
        assert example.agrees
    with pytest.raises(ValueError, match="malformed"):
        computed_now(explain("lambda: 1", x))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("conv2d", "conv2d"),
        ("nn.Conv2d", "conv2d"),
        ("BatchNorm2d", "batch_norm"),
        ("MSELoss", "mse_loss"),
        ("relu_", "relu"),
        ("BCEWithLogitsLoss", "binary_cross_entropy_with_logits"),
        ("flatten", "flatten"),
        ("linalg.svd", "svd"),
        ("arctan2", "atan2"),
        ("hsplit", "tensor_split"),
        ("x.T", "transpose"),
        ("broadcast_to", "expand"),
        ("masked_fill_", "masked_fill"),
        ("nothing", None),
    ],
)
def test_names(said: str, meant: str | None) -> None:
    assert op_named(said) == meant
