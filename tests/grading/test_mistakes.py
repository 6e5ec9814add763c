"""Wrong layers are told their own mistake; right ones pass; a right oracle is no mistake."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from npnet.grading import KINDS, Rubric, grade_class
from npnet.grading.checks import TITLES
from npnet.grading.compare import equal
from npnet.grading.kinds import kind_of
from npnet.grading.kinds.adam import adam
from npnet.grading.kinds.base import each
from npnet.grading.kinds.conv import convolve
from npnet.grading.kinds.lenet import network
from npnet.grading.kinds.norm_rules import Norm
from npnet.grading.kinds.optimizers import ruled
from npnet.grading.kinds.sgd import sgd
from tests.grading.files import HERE, RIGHT, WRONG, expected, module

LEAST = 50  # wrong layers, of which 45 must be told their own mistake


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.stem)
def test_a_wrong_layer_is_told_its_own_mistake(path: Path) -> None:
    """All of them: 98 of 98."""
    name, mistake = expected(path)
    result = grade_class(getattr(module(path), name))
    assert not result.passed
    assert [d.name for d in result.diagnoses][:1] == [mistake]


def test_there_are_enough_of_them() -> None:
    assert len(WRONG) >= LEAST
    assert len({expected(path)[1] for path in WRONG}) >= 45  # different mistakes


@pytest.mark.parametrize("path", RIGHT, ids=lambda path: path.stem)
def test_right_layers_pass(path: Path) -> None:
    own = module(path)
    classes = [
        c for c in vars(own).values() if isinstance(c, type) and c.__module__ == own.__name__
    ]
    graded = [c for c in classes if kind_of(c.__name__)]
    assert len(graded) >= 4
    for cls in graded:
        result = grade_class(cls)
        wrong = [(check.name, check.message) for check in result.checks if check.state == "failed"]
        assert result.passed, (cls.__name__, wrong)
        assert not result.diagnoses, cls.__name__


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_many_courses_do_is_told_and_costs_nothing() -> None:
    """float64 of float32, and a loss that is infinite where the target has the probability 0."""
    own = module(HERE / "remarked" / "layers.py")
    told = {}
    for cls in (own.BatchNormGraph, own.CrossEntropyRight, own.DropoutRight):
        result = grade_class(cls)
        assert result.passed, (cls.__name__, [c for c in result.checks if c.state == "failed"])
        told[cls.__name__] = [d.name for d in result.diagnoses]
    assert told == {
        "BatchNormGraph": ["dtype-not-kept"],
        "CrossEntropyRight": ["sure-mistakes"],
        "DropoutRight": ["dtype-not-kept"],
    }


def test_no_kind_is_left_out() -> None:
    tried = {kind_of(expected(path)[0]) for path in WRONG}
    assert tried == KINDS.keys() - {"lenet5"}  # which is lenet with other switches


@pytest.mark.parametrize(
    ("kind", "compute"),
    [
        ("conv2d", each(convolve)),
        ("batch_norm1d", each(Norm())),
        ("batch_norm2d", each(Norm())),
        ("lenet", each(network())),
        ("lenet5", each(network("tanh", "mean"))),
        ("sgd", ruled(sgd())),
        ("adam", ruled(adam())),
    ],
)
def test_what_mistakes_are_made_of_is_right_without_one(kind: str, compute: object) -> None:
    for case in KINDS[kind].cases:
        right, ours = KINDS[kind].right(case, []), compute(case, [])  # type: ignore[operator]
        for a, b in zip(ours, right, strict=True):
            for name in a.keys() & b.keys():
                assert equal(a[name], b[name], 1e-9), (case.name, name)


# Dropout's mistakes are read off what the student's layer drew.
@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"dropout"}))
def test_every_mistake_shows_in_some_case(kind: str) -> None:
    """A mistake that no case tells from what is right could not be found."""
    of = KINDS[kind]
    rights = {case.name: of.right(case, []) for case in of.cases}
    for mistake in of.mistakes:
        differs = False
        for case in of.cases:
            try:
                with np.errstate(all="ignore"):
                    outs = mistake.compute(case, [])
            except (ValueError, IndexError):
                continue
            for out, right in zip(outs, rights[case.name], strict=True):
                for name, value in out.items():
                    differs |= name not in right or not equal(value, right[name], 1e-7)
        if (
            mistake.name.startswith("running")
            or "eval" in mistake.name
            or "momentum" in mistake.name
        ):
            continue  # of what the student's layer kept: see the wrong layers
        if mistake.name == "transposed-gradient" and not of.weights:
            continue
        assert differs, mistake.name


def test_a_layer_that_overwrites_gradients_is_right_where_that_is_asked() -> None:
    path = next(p for p in WRONG if p.stem == "linear_overwrites")
    cls = module(path).Linear
    assert not grade_class(cls).passed
    assert grade_class(cls, rubric=Rubric(adds_up=False)).passed


def test_a_layer_that_adds_up_is_told_where_overwriting_is_asked() -> None:
    cls = module(next(p for p in RIGHT if p.stem == "torch_like")).Linear
    result = grade_class(cls, rubric=Rubric(adds_up=False))
    assert [d.name for d in result.diagnoses] == ["gradients-added-up"]


def test_what_was_found_is_said() -> None:
    cls = module(next(p for p in RIGHT if p.stem == "course")).Dense
    found = grade_class(cls).found
    assert "weight in ['W'] (5, 3)" in found
    assert "bias in ['b'] (1, 3)" in found


def test_two_mistakes_are_told_apart() -> None:
    class Linear:
        def __init__(self, n_in: int, n_out: int) -> None:
            self.w, self.b = np.zeros((n_out, n_in)), np.zeros(n_out)

        def forward(self, x: np.ndarray) -> np.ndarray:
            self.x = x
            return x @ self.w.T + self.b

        def backward(self, g: np.ndarray) -> tuple[np.ndarray, ...]:
            return -(g @ self.w), g.T @ self.x / len(g), g.sum(0)

    found = {d.name: d.values for d in grade_class(Linear).diagnoses}
    assert found == {"negated": ("gx",), "batch-factor-missing": ("weight",)}


def test_what_no_mistake_explains_is_told_by_its_place() -> None:
    class ReLU:
        def forward(self, x: np.ndarray) -> np.ndarray:
            if len(x) == 1:
                raise ValueError("I want a batch")
            self.mask = x > 0
            return x * self.mask

        def backward(self, g: np.ndarray) -> np.ndarray:
            return g * self.mask

    result = grade_class(ReLU)
    assert [d.name for d in result.diagnoses] == ["only-one-batch-size"]
    check = next(c for c in result.checks if c.name == "batch_of_one")
    assert "I want a batch" in check.message


def test_zeros_have_no_points() -> None:
    class ReLU:
        def forward(self, x: np.ndarray) -> np.ndarray:
            return np.zeros_like(x)

        def backward(self, g: np.ndarray) -> np.ndarray:
            return np.zeros_like(g)

    assert sum(check.points for check in grade_class(ReLU).checks) == 0


def test_every_mistake_and_check_is_in_the_manual() -> None:
    text = (HERE.parents[1] / "docs" / "grading.md").read_text()
    names = {mistake.name for kind in KINDS.values() for mistake in kind.mistakes}
    missing = [name for name in sorted(names | TITLES.keys()) if f"`{name}`" not in text]
    assert not missing
