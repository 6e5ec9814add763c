"""A Function by kernels, and the table of those that there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from npnet.lanes.layout import Lanes, to_lanes
from npnet.tape import Function, Values, Variable, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["BY_LANES", "LaneFunction", "by_lanes"]


class LaneFunction(Function):
    """An op by kernels: its images, and the gradients of images, are in lanes.

    forward takes the images as Lanes and the other inputs, which are weights, as arrays, and
    returns Lanes, or an array where the result is none of images. backward takes gy as forward
    returned its result, and returns a Lanes for each of the images.

    Args:
        op: the Function that is done in its place, with its options; what the op's public function
            reads of it after it was applied, such as a batch's statistics, is left there.

    Attributes:
        images: how many of the inputs are images; None for all.
        joins: whether it is enough that one of the images is in lanes: the others, of the same
            batch, come there. Otherwise all must be.
    """

    images: ClassVar[int | None] = 1
    joins: ClassVar[bool] = False
    _scalar = False  # whether the result is no batch of images

    def __init__(self, op: Any) -> None:
        self.op: Any = op

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        """Whether kernels can do the op with its options on these inputs."""
        return True

    def apply(self, inputs: tuple[Variable, ...]) -> Tensor:
        images = [to_lanes(x.values) for x in inputs[: self.images]]
        weights = [] if self.images is None else [x.array for x in inputs[self.images :]]
        y: Values = self.forward(*images, *weights)
        if isinstance(y, Lanes):
            return result(y)
        self._scalar = True
        return result(y)

    def differentiate(self, gy: Values) -> tuple[Any, ...]:
        return self.backward(gy if self._scalar else to_lanes(gy))

    def name(self) -> str:
        return self.op.name()


BY_LANES: dict[type[Function], type[LaneFunction]] = {}
F = TypeVar("F", bound=type[LaneFunction])


def by_lanes(op: type[Function]) -> Callable[[F], F]:
    """Note the class by which kernels do an op."""

    def note(kind: F) -> F:
        BY_LANES[op] = kind
        return kind

    return note
