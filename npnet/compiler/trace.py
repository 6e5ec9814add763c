"""What a network computes, read off the tape: a chain of layers that a program can run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from npnet import nn
from npnet.base.arrays import Array
from npnet.base.grad_mode import enable_grad, state
from npnet.lanes.choice import is_few, table
from npnet.lanes.unsuited import Layered, Unsuited
from npnet.ops.shape import Reshape
from npnet.random import drawing_apart
from npnet.tape import Function, result
from npnet.tensor import Tensor

if TYPE_CHECKING:
    from npnet.lanes.function import LaneOp

__all__ = ["Later", "Link", "trace"]


class Later(Exception):
    """Why a batch has no program, though its network may have one."""


@dataclass(frozen=True)
class Link:
    """One layer of a chain.

    Attributes:
        op: as it stands on the tape, with its options.
        params: weight and perhaps bias, or neither.
        shapes: those in which the op takes them, such as a signal's weight as an image's.
    """

    op: Function
    params: tuple[Tensor, ...]
    shapes: tuple[tuple[int, ...], ...]

    @property
    def weights(self) -> list[Array]:
        """The parameters' memory, as the op takes it."""
        pairs = zip(self.params, self.shapes, strict=True)
        return [p.array if p.shape == shape else p.array.reshape(shape) for p, shape in pairs]

    @property
    def draws(self) -> bool:
        """Whether the op draws random numbers, for each batch anew."""
        return bool(self._kind.draws)

    def layer(self) -> LaneOp:
        """A new one of the same kind and options, for a program."""
        from npnet.lanes.function import LaneOp

        return self._kind(self.op.op if isinstance(self.op, LaneOp) else self.op)

    @property
    def _kind(self) -> Any:
        """The class by which kernels do the op."""
        return table().get(type(self.op), type(self.op))


def trace(model: nn.Module, x: Tensor) -> tuple[list[Link], Tensor]:
    """The layers that `model` is a chain of, found by a forward pass on the batch `x`, and what
    it gives.

    Raises:
        Unsuited: it is something else.
    """
    from npnet.lanes.function import LaneFunction  # NumPy alone needs nothing of it

    sample = _in_lanes(x)
    sample.requires_grad = True
    try:
        with enable_grad(), _traced():
            y = model(sample)
    except Exception as error:
        if type(error) is RuntimeError:  # not without recording: it writes over its input, say
            raise Unsuited(f"its forward pass can't be recorded: {error}") from error
        raise Later(f"its forward pass fails: {error}") from error  # the model says it best
    links: list[Link] = []
    node = y.grad_fn if isinstance(y, Tensor) else None
    while node is not None:
        if not _is_chained(node):
            # of a few images, everything is in lanes that can be
            by_kernels = isinstance(node, LaneFunction) and not is_few(x)
            kind = Layered if by_kernels else Unsuited
            raise kind(f"{node.name().removesuffix('Backward')} is not among its layers")
        before, *params = node.parents
        viewed = [_viewed(p) for p in params]
        shapes = tuple([shape for _, shape in viewed])
        links.append(Link(node, _parameters(node, [p for p, _ in viewed]), shapes))
        node = before if isinstance(before, Function) else None
    if not links or links[-1].op.parents[0] is not sample:
        raise Unsuited("its output does not depend on its input alone")
    if all(link.op.view for link in links):
        raise Unsuited("its output lies on the memory of its input")
    for link in links:  # programs live on, and want the ops' options alone
        _forget_values(link.op)
    seen = [id(p) for link in links for p in link.params]
    if len(set(seen)) < len(seen):
        raise Unsuited("two of its layers share parameters")
    if not {id(p) for p in model.parameters()}.issuperset(seen):
        raise Unsuited("a weight is none of its parameters")
    return links[::-1], y


def _is_chained(node: Function) -> bool:
    """Whether programs may have such a layer."""
    from npnet.lanes.function import LaneOp

    if isinstance(node, LaneOp):
        return node.chained
    kind = table().get(type(node))  # by NumPy, before lanes begin, the batch may be flattened
    return kind is not None and issubclass(kind, LaneOp) and (kind.is_view or kind.draws)


def _in_lanes(x: Tensor) -> Tensor:
    """The batch on the tape's beginning; of a few images in lanes, or no kernel would take them."""
    if is_few(x) and x.ndim in (2, 3, 4):
        from npnet.lanes.layout import to_lanes

        return result(to_lanes(x.values))
    return result(x.array)


@contextmanager
def _traced() -> Iterator[None]:
    """Let frozen parameters be seen on the tape, and dropout draw its numbers another time.

    Both for this thread alone: others may train the same model, and draw, meanwhile.
    """
    before, state.traced = state.traced, True
    try:
        with drawing_apart():
            yield
    finally:
        state.traced = before


def _forget_values(op: Any) -> None:
    """Let go of what an op computed from and what its backward pass would need."""
    while isinstance(op, Function):
        op.free()
        op.parents, op = (), getattr(op, "op", None)


def _viewed(weight: Any) -> tuple[Any, tuple[int, ...]]:
    """The tensor that a weight is another shape of, and this shape."""
    leaf = weight
    while isinstance(leaf, Reshape):
        (leaf,) = leaf.parents
    shape = weight.size if isinstance(weight, Reshape) else getattr(leaf, "shape", ())
    return leaf, shape


def _parameters(op: Function, params: list[Any]) -> tuple[Tensor, ...]:
    if not all(isinstance(p, Tensor) for p in params):
        name = op.name().removesuffix("Backward")
        raise Unsuited(f"a weight of {name} is no parameter")
    if not all(p.array.flags.carray for p in params):
        raise Unsuited("a parameter is not contiguous, not aligned or read-only")
    return tuple(params)
