"""What a network computes, read off the tape: layers, in a chain or not, that a program can run."""

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

__all__ = ["Later", "Link", "is_chain", "trace"]


class Later(Exception):
    """Why a batch has no program, though its network may have one."""


@dataclass(frozen=True)
class Link:
    """One layer of a network.

    Attributes:
        op: as it stands on the tape, with its options.
        params: weight and perhaps bias, or neither.
        shapes: those in which the op takes them, such as a signal's weight as an image's.
        inputs: the numbers of the layers that give what it takes; -1 for the batch.
    """

    op: Function
    params: tuple[Tensor, ...]
    shapes: tuple[tuple[int, ...], ...]
    inputs: tuple[int, ...] = (-1,)

    @property
    def weights(self) -> list[Array]:
        """The parameters' memory, as the op takes it."""
        pairs = zip(self.params, self.shapes, strict=True)
        return [p.array if p.shape == shape else p.array.reshape(shape) for p, shape in pairs]

    @property
    def draws(self) -> bool:
        """Whether the op draws random numbers, for each batch anew."""
        return bool(getattr(self._kind, "draws", False))

    def layer(self) -> LaneOp:
        """A new one of the same kind and options, for a program."""
        from npnet.lanes.function import LaneOp

        return self._kind(self.op.op if isinstance(self.op, LaneOp) else self.op)

    @property
    def _kind(self) -> Any:
        """The class by which kernels do the op."""
        return table().get(type(self.op), type(self.op))


def trace(model: nn.Module, x: Tensor, chains: bool = True) -> tuple[list[Link], Tensor]:
    """The layers of `model` in the order in which they ran, found by a forward pass on the batch
    `x`, and what it gives.

    Args:
        chains: whether they must be a chain, of layers that treat each image by itself.

    Raises:
        Unsuited: it is something else.
    """
    sample = _in_lanes(x)
    sample.requires_grad = True
    try:
        with enable_grad(), _traced():
            y = model(sample)
    except Exception as error:
        if type(error) is RuntimeError:  # not without recording: it writes over its input, say
            raise Unsuited(f"its forward pass can't be recorded: {error}") from error
        raise Later(f"its forward pass fails: {error}") from error  # the model says it best
    nodes = _nodes(y.grad_fn if isinstance(y, Tensor) else None)
    for node in reversed(nodes):
        _check_layer(node, x, chains)
    numbers = {id(node): k for k, node in enumerate(nodes)} | {id(sample): -1}
    links: list[Link] = []
    for node in nodes:
        count = _image_count(node)
        params = [_viewed(p) for p in node.parents[count:]]
        shapes = tuple([shape for _, shape in params])
        inputs = tuple([numbers.get(id(p), len(nodes)) for p in node.parents[:count]])
        links.append(Link(node, _parameters(node, [p for p, _ in params]), shapes, inputs))
    if not links or max(max(link.inputs) for link in links) >= len(nodes):
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
    return links, y


def is_chain(links: list[Link]) -> bool:
    """Whether each layer takes what the one before it gave, and treats each image by itself."""
    in_order = all(link.inputs == (k - 1,) for k, link in enumerate(links))
    return in_order and all(_is_chained(link.op) for link in links)


def _nodes(last: Function | None) -> list[Function]:
    """The ops that the last one, and no weight, came of, in the order in which they ran."""
    found: dict[int, Function] = {}
    waiting = [] if last is None else [last]
    while waiting:
        node = waiting.pop()
        if id(node) not in found:
            found[id(node)] = node
            images = node.parents[: _image_count(node)]
            waiting += [p for p in images if isinstance(p, Function)]
    return sorted(found.values(), key=lambda node: node.order)


def _image_count(node: Function) -> int:
    """How many of an op's inputs are images; what else it takes are weights."""
    from npnet.lanes.function import LaneFunction

    kind = type(node) if isinstance(node, LaneFunction) else table().get(type(node))
    return 1 if kind is None or kind.images is None else kind.images


def _check_layer(node: Function, x: Tensor, chains: bool) -> None:
    """Raise unless programs may have such a layer."""
    from npnet.lanes.function import LaneFunction  # NumPy alone needs nothing of it

    if _is_chained(node):
        return
    if isinstance(node, LaneFunction) and not chains and node.staged:
        return
    # of a few images, everything is in lanes that can be
    kind = Layered if isinstance(node, LaneFunction) and not is_few(x) else Unsuited
    raise kind(f"{node.name().removesuffix('Backward')} is not among its layers")


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
