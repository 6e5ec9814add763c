"""What is verified: a module, and inputs to try it on."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.base.bfloat16 import FLOATS
from npnet.base.grad_mode import enable_grad
from npnet.base.trees import mapped
from npnet.nn import Module
from npnet.random import drawing_apart
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = [
    "SAMPLES",
    "Case",
    "Given",
    "Results",
    "computed",
    "flat",
    "output_gradients",
    "prepared",
]

SAMPLES = 17  # of a batch in float32: a block of sixteen, and one that is not whole


class Given(NamedTuple):
    """An input: float64, or whole numbers, and whether it wants a gradient.

    Example:
        >>> from npnet.verify import Given
        >>> Given(np.zeros((4, 3))).wants
        True
    """

    array: Array
    wants: bool = True


Draw = Callable[[np.random.Generator, int], Sequence[Given]]  # of so many samples


@dataclass(frozen=True)
class Case:
    """One module and how to draw inputs for it.

    Attributes:
        text: what a person calls it.
        model: in float32; claims work on copies of it.
        draw: inputs of a batch of n.
        training: the mode that it is tried in.
        twin: makes the same module in PyTorch, without its weights; None: there is none.
        is_network: whether it is many layers.

    Example:
        >>> from npnet.verify import Case, Given
        >>> draw = lambda rng, n: [Given(rng.standard_normal((n, 3)))]
        >>> case = Case("Linear(3, 2)", nn.Linear(3, 2), draw, training=True, twin=None)
        >>> case.name
        'Linear(3, 2) in training'
    """

    text: str
    model: Module
    draw: Draw
    training: bool
    twin: Callable[[], Any] | None
    is_network: bool = False

    @property
    def name(self) -> str:
        """With the mode."""
        return f"{self.text} in {'training' if self.training else 'evaluation'}"


class Results(NamedTuple):
    """What a module gives for a batch; gradients of inputs and parameters, by name."""

    outputs: dict[str, Array]
    gradients: dict[str, Array]
    buffers: dict[str, Array]
    draws: bool  # whether it drew random numbers
    root: Any = None  # the first output, with its tape


def prepared(case: Case, dtype: Any) -> Module:
    """A copy of the module in a dtype and in its mode."""
    model = copy.deepcopy(case.model)
    model = model.double() if np.dtype(dtype) == np.float64 else model.float()
    for parameter in model.parameters():
        parameter.grad = None
    return model.train(case.training)


def flat(output: Any) -> list[Tensor]:
    """The tensors of what a module gives, in order."""
    found: list[Tensor] = []
    mapped(output, lambda x: found.append(x) if isinstance(x, Tensor) else None)
    return found


def output_gradients(outputs: Sequence[Array], seed: int) -> list[Array | None]:
    """A random gradient for each output of floats: with ones, a wrong softmax would pass."""
    rng = np.random.default_rng((seed, 1))
    draws = [np.asarray(rng.standard_normal(y.shape)) for y in outputs]
    return [g if y.dtype.kind in FLOATS else None for g, y in zip(draws, outputs, strict=True)]


def computed(
    model: Module, given: Sequence[Given], dtype: Any, seed: int, place: Callable[..., Any] = result
) -> Results:
    """Outputs and all gradients, for output gradients that the seed draws.

    Args:
        place: what makes a tensor of an input's array.
    """
    inputs = [
        place(g.array.astype(dtype) if g.array.dtype.kind == "f" else g.array.copy()) for g in given
    ]
    for x, g in zip(inputs, given, strict=True):
        x.requires_grad_(g.wants and g.array.dtype.kind == "f")
    with enable_grad(), drawing_apart(seed):
        before = _state()
        ys = flat(model(*inputs))
        draws = _state() != before
    gys = output_gradients([y.array for y in ys], seed)
    for y, gy in zip(ys, gys, strict=True):
        if gy is not None and y.requires_grad:
            y.backward(result(gy.astype(y.dtype)), retain_graph=True)
    tensors = [(f"input {i}", x) for i, x in enumerate(inputs)] + [*model.named_parameters()]
    return Results(
        {f"output {i}": y.detach().numpy() for i, y in enumerate(ys)},
        {name: x.grad.numpy().copy() for name, x in tensors if x.grad is not None},
        {name: b.detach().numpy().copy() for name, b in model.named_buffers()},
        draws,
        ys[0] if ys else None,
    )


def _state() -> str:
    """Of the generator that modules draw from in this thread."""
    from npnet.random import default_generator

    return str(default_generator.numpy.bit_generator.state)
