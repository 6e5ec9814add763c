"""`npnet.testing.check_layer`: for pytest and the cells of notebooks."""

from __future__ import annotations

import numpy as np
import pytest

from npnet.testing import check_layer
from tests.grading.files import RIGHT, WRONG, module

LAYERS = module(next(p for p in RIGHT if p.stem == "torch_like"))


def test_right_ones_pass() -> None:
    check_layer(LAYERS.Linear)
    check_layer(LAYERS.ReLU, kind="relu")


def test_wrong_ones_raise_with_the_mistake() -> None:
    conv = module(next(p for p in WRONG if p.stem == "conv_assign")).Conv2d
    with pytest.raises(
        AssertionError, match=r"(?s)Conv2d \(conv2d\) is not right:.*col2im-assigns"
    ):
        check_layer(conv)


def test_kinds() -> None:
    class Mine(LAYERS.Linear):  # type: ignore[misc, name-defined]
        pass

    with pytest.raises(ValueError, match=r"name Mine does not say .* one of linear, relu"):
        check_layer(Mine)
    with pytest.raises(ValueError, match="did you mean 'linear'"):
        check_layer(Mine, kind="liner")
    check_layer(Mine, kind="linear")
    with pytest.raises(TypeError, match="must be a class, got a int"):
        check_layer(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="add or overwrite"):
        check_layer(Mine, gradients="both")
    with pytest.raises(ValueError, match="neither forward and backward"):
        check_layer(type("Linear", (), {}))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"__init__": lambda self, foo, bar, baz: None}, "has the argument 'baz'"),
        ({}, "has no weight: after __init__ there must be an attribute weight"),
        (
            {"weight": 1, "__init__": lambda self: setattr(self, "weight", np.zeros(7))},
            "weight has the shape",
        ),
    ],
)
def test_what_the_protocol_asks_for_is_taught(members: dict[str, object], message: str) -> None:
    methods = {"forward": lambda self, x: x, "backward": lambda self, g: g}
    with pytest.raises(AssertionError, match=message):
        check_layer(type("Linear", (), {**methods, **members}))


def test_a_backward_that_forgets_to_return_is_told() -> None:
    class ReLU:
        def forward(self, x: np.ndarray) -> np.ndarray:
            return np.maximum(x, 0)

        def backward(self, g: np.ndarray) -> None:
            self.gx = g

    with pytest.raises(AssertionError, match="backward returned None; it must return"):
        check_layer(ReLU)
