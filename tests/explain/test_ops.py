"""Every op is explained, its example runs, and its gradients are right."""

from __future__ import annotations

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
    source_of,
)
from npnet.explain.example import BOUND, computed
from npnet.nn import functional


def test_every_op_is_explained() -> None:
    public = {name for name in functional.__all__ if not name.endswith("_")}
    assert public - WITHOUT.keys() <= OPS.keys()
    assert not WITHOUT.keys() & OPS.keys()
    assert sum(map(len, GROUPS.values())) == len(OPS)  # none in two tables
    assert set(CLASSROOM) <= OPS.keys()


@pytest.mark.parametrize("op", OPS)
def test_explanation(op: str) -> None:
    example = computed(OPS[op])
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
    before = computed(OPS["tanh"])
    monkeypatch.setattr(npnet.ops.activation.Tanh, "backward", lambda self, gy: (gy,))
    after = computed(OPS["tanh"])
    assert before.agrees
    assert not after.agrees
    np.testing.assert_array_equal(after.gradients["x"], after.output_gradient)


def test_the_terms_are_the_chain_rule() -> None:
    example = computed(OPS["conv2d"])
    said = example.terms("weight")
    assert said.startswith("gweight[0, 0, 0, 0] = ")
    sum_of = said.partition("= ")[2].partition(" = ")[0]
    total = 0.0
    for term in sum_of.replace("(", "").replace(")", "").split(" + "):
        a, b = map(float, term.split(" * "))
        total += a * b
    assert total == pytest.approx(example.gradients["weight"].reshape(-1)[0], rel=1e-3)


def test_helpers_are_what_the_code_calls() -> None:
    names = {code.name for code in helpers_of(computed(OPS["conv2d"]).functions)}
    assert {"im2col", "col2im", "add_up"} <= names


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
        ("nothing", None),
    ],
)
def test_names(said: str, meant: str | None) -> None:
    assert op_named(said) == meant
