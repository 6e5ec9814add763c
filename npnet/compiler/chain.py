"""What a network computes, read off the tape: a chain of layers that a program can run."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from npnet import nn
from npnet._grad_mode import enable_grad
from npnet.ops.lanes import LEAST, LaneFunction
from npnet.random import default_generator
from npnet.tensor import Function, Tensor

__all__ = ["Layered", "Link", "Unsuited", "trace"]


class Unsuited(Exception):
    """Why a network is left to the eager loop."""


class Layered(Unsuited):
    """Why a network of kernels is run layer by layer: there is nothing to mend."""


@dataclass(frozen=True)
class Link:
    """One layer of a chain.

    Attributes:
        op: as it stands on the tape, with its options.
        params: weight and perhaps bias, or neither.
    """

    op: Function
    params: tuple[Tensor, ...]


def trace(model: nn.Module, x: Tensor) -> list[Link]:
    """The layers that `model` is a chain of, found by a forward pass on one of the images `x`.

    Raises:
        Unsuited: it is something else, or may be on other images.
    """
    from npnet.compiler.layers import LAYERS  # NumPy alone needs nothing of it

    _check_modules(model)
    # so many of one image that the kernels take them
    sample = Tensor(np.repeat(x.array[:1], LEAST, 0), requires_grad=True)
    with enable_grad(), _untouched(model):
        y = model(sample)
    links: list[Link] = []
    node = y.grad_fn if isinstance(y, Tensor) else None
    while node is not None:
        if type(node) not in LAYERS:
            kind = Layered if isinstance(node, LaneFunction) else Unsuited
            raise kind(f"{node.name().removesuffix('Backward')} is not among its layers")
        before, *params = node.parents
        links.append(Link(node, _parameters(node, params)))
        node = before if isinstance(before, Function) else None
    if not links or links[-1].op.parents[0] is not sample:
        raise Unsuited("its output does not depend on its input alone")
    seen = [id(p) for link in links for p in link.params]
    if len(set(seen)) < len(seen):
        raise Unsuited("two of its layers share parameters")
    return links[::-1]


@contextmanager
def _untouched(model: nn.Module) -> Iterator[None]:
    """Let frozen parameters be seen on the tape, and dropout draw its numbers another time."""
    frozen = [p for p in model.parameters() if not p.requires_grad and p.is_floating_point()]
    drawn = default_generator.get_state()
    for p in frozen:
        p.requires_grad_()
    try:
        yield
    finally:
        default_generator.set_state(drawn)
        for p in frozen:
            p.requires_grad_(False)


_JUMPS = frozenset(dis.hasjrel + dis.hasjabs)


def _check_modules(model: nn.Module) -> None:
    """Raise unless the same layers run whatever the images are."""
    for module in model.modules():
        kind = type(module)
        if any(b is not None for b in module._buffers.values()):  # which a forward pass may move
            raise Layered(f"{kind.__name__} keeps statistics")
        ours = kind.__module__.startswith("npnet.")
        if not ours and any(i.opcode in _JUMPS for i in dis.get_instructions(kind.forward)):
            raise Unsuited(f"{kind.__name__}.forward branches or loops, and may do otherwise later")


def _parameters(op: Function, params: list[Any]) -> tuple[Tensor, ...]:
    if not all(isinstance(p, Tensor) for p in params):
        name = op.name().removesuffix("Backward")
        raise Unsuited(f"a weight of {name} is no parameter")
    if not all(p.array.flags.c_contiguous for p in params):
        raise Unsuited("a parameter is not contiguous")
    return tuple(params)
