"""A Function by kernels, and the table of those that there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from npnet.base.arrays import Array
from npnet.lanes.channels import Channels
from npnet.lanes.layout import Lanes, to_lanes
from npnet.lanes.plan import Buffer, Calls, Loop
from npnet.lanes.unsuited import Unsuited
from npnet.tape import Function, Values, Variable, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["BY_LANES", "LaneFunction", "LaneOp", "by_lanes"]


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
        any_axes: whether they may be other than images (N, C, H, W) and features (N, F).
        joins: whether it is enough that one of the images is in lanes: the others, of the same
            batch, come there. Otherwise all must be.
        staged: whether programs may have it that run in stages.
    """

    images: ClassVar[int | None] = 1
    any_axes: ClassVar[bool] = False
    joins: ClassVar[bool] = False
    staged: ClassVar[bool] = False
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


class LaneOp(LaneFunction):
    """An op that says by calls how it is done, to the loop and to programs alike.

    forward takes the first image as a `Buffer`, where the calls go, then what else the op takes:
    other images as buffers, weights as arrays. It returns a Buffer, which the calls fill. backward
    takes gy as a Buffer and where its calls go, and returns for each input a Buffer or an array
    that they fill, or None where none is needed.

    Attributes:
        chained: whether programs may have it.
        keeps_output: whether backward needs what forward gave.
        is_view: whether the output lies on the memory of the input.
        draws: whether it draws random numbers, for each batch anew.
        layout: what its result is on the tape.
    """

    chained: ClassVar[bool] = False
    keeps_output: ClassVar[bool] = False
    is_view: ClassVar[bool] = False
    draws: ClassVar[bool] = False
    layout: ClassVar[type[Lanes]] = Lanes

    def fused(self, x: Lanes, *others: Any) -> Lanes | None:
        """The result together with what x still waits for, or one that waits itself; else None."""
        return None

    def after(self, first: LaneOp, x: Buffer, overwrites: bool) -> LaneOp | None:
        """This op, and the one before it that takes x, as one; None where they stay two.

        Args:
            overwrites: whether nobody else needs x.
        """
        return None

    def by_channels(self, x: Channels, out: Calls, *weights: Array) -> Channels:
        """The result for one image with channels in the lanes. Unsuited where that is no way."""
        if not x.grouped:
            raise Unsuited("its first layer mixes no channels")
        return Channels(self.forward(x.buffer, out, *weights), x.channels)

    def apply(self, inputs: tuple[Variable, ...]) -> Tensor:
        x, *images = [to_lanes(v.values) for v in inputs[: self.images]]
        weights = [v.array for v in inputs[1 + len(images) :]]
        y = self.fused(x, *images, *weights)
        if y is None:
            out, n = Loop(x.shape[0]), x.shape[0]
            others = [Buffer(image.blocks) for image in images]
            y = self.layout(self.forward(Buffer(x.blocks), out, *others, *weights).array, n)
        return result(y)

    def differentiate(self, gy: Values) -> tuple[Any, ...]:
        g = to_lanes(gy)
        n = g.shape[0]
        gradients = self.backward(Buffer(g.blocks), Loop(n))
        return tuple([Lanes(gx.array, n) if type(gx) is Buffer else gx for gx in gradients])


BY_LANES: dict[type[Function], type[LaneFunction]] = {}
F = TypeVar("F", bound=type[LaneFunction])


def by_lanes(op: type[Function]) -> Callable[[F], F]:
    """Note the class by which kernels do an op."""

    def note(kind: F) -> F:
        BY_LANES[op] = kind
        return kind

    return note
