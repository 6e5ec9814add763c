"""What a network computes, read off the tape: a chain of layers that a program can run."""

from __future__ import annotations

import dis
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from npnet import nn
from npnet._grad_mode import enable_grad
from npnet.ops.lanes import LaneFunction
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


def trace(model: nn.Module, x: Tensor, known: Callable[[Function], bool]) -> list[Link]:
    """The layers that `model` is a chain of, found by a forward pass on one of the images `x`.

    Args:
        known: whether a program can do an op.

    Raises:
        Unsuited: it is something else, or may be on other images.
    """
    _check_modules(model)
    sample = x.detach()[:1].clone().requires_grad_()
    with enable_grad():
        y = model(sample)
    links: list[Link] = []
    node = y.grad_fn if isinstance(y, Tensor) else None
    while node is not None:
        if not known(node):
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


_JUMPS = frozenset(dis.hasjrel + dis.hasjabs)


def _check_modules(model: nn.Module) -> None:
    """Raise unless the same layers run whatever the images are."""
    for name, module in model.named_modules():
        kind = type(module)
        if module._forward_hooks or module._forward_pre_hooks:
            raise Unsuited(f"{name or kind.__name__} has forward hooks")
        ours = kind.__module__.startswith("npnet.")
        if not ours and any(i.opcode in _JUMPS for i in dis.get_instructions(kind.forward)):
            raise Unsuited(f"{kind.__name__}.forward branches or loops, and may do otherwise later")


def _parameters(op: Function, params: list[Any]) -> tuple[Tensor, ...]:
    if not all(isinstance(p, Tensor) for p in params):
        name = op.name().removesuffix("Backward")
        raise Unsuited(f"a weight of {name} is frozen, or no parameter")
    return tuple(params)
