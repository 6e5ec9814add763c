"""Training programs of networks with batch norm and with branches, see `lanes.staged`.

Layers are taken together where one pass over the memory does for several: a batch norm with the
residual and the ReLU behind it is a `_Norm`, whose result need not be there at all if a convolution
alone takes it: that computes it as it loads, forward and backward. On the way back, the convolution
that gives the last part of a gradient also puts it through the ReLU, and sums it for the norm.

Running statistics move when a step is done: before, it may turn out that Winograd's transforms have
carried NaN or infinity over to where they do not belong, and then the eager loop does it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npnet import nn
from npnet.base.arrays import Array
from npnet.base.group import Group
from npnet.compiler.build import Trains
from npnet.compiler.statistics import is_counted
from npnet.compiler.trace import Link
from npnet.kernels import elementwise, lanes, norm_parts
from npnet.kernels.dense_weights import Places, gather_output, scatter_output
from npnet.kernels.linear import NO_BIAS
from npnet.kernels.norm import Backward, normalise_plane
from npnet.kernels.program import Phase
from npnet.lanes import conv, linear, weight_gradient, winograd_norm
from npnet.lanes.activation import ReLU
from npnet.lanes.arithmetic import Add
from npnet.lanes.convolve import suits_dense, suits_winograd, tile_rows, walk
from npnet.lanes.fusion import planes
from npnet.lanes.loss import LaneLoss
from npnet.lanes.norm import BatchNorm
from npnet.lanes.plan import Buffer, Extent, Shape
from npnet.lanes.staged import Staged, Whole
from npnet.lanes.unsuited import Layered, Unsuited
from npnet.lanes.winograd_norm import Norm
from npnet.ops.norm import move
from npnet.ops.windows import Pair
from npnet.tensor import Tensor

__all__ = ["StagedProgram"]

MANY_WEIGHTS = 2**16  # of a linear layer, which are walked once for the batch, not for each block


class _Value:
    """What a layer gives.

    Attributes:
        buffer: the values, or None of a norm's result that is computed where it is taken.
        norm: the batch norm that gives it.
        parts: of a convolution's result, the sums for a batch norm.
        takers: how many layers take it.
        gradient: of the loss, as far as it is there; whether it is nobody else's is `owned`.
        behind: the norm that the gradient must still go through.
        missing: how many layers have not given their part of it.
        sums: of the gradient, for the norm.
        from_conv: whether a convolution gives it.
    """

    def __init__(self, buffer: Buffer | None, takers: int, norm: Norm | None = None) -> None:
        self.buffer, self.norm, self.takers, self.missing = buffer, norm, takers, takers
        self.parts: Array | None = None
        self.gradient: Buffer | None = None
        self.owned = False
        self.behind: Norm | None = None
        self.sums: Array | None = None
        self.from_conv = False

    @property
    def shape(self) -> Shape:
        """Of one image."""
        if self.buffer is not None:
            return self.buffer.shape
        assert self.norm is not None
        return self.norm.y.shape


class StagedProgram(Trains):
    """Forward, loss and backward of layers that take what any before them gave.

    Raises:
        Unsuited: it has a layer that is none of a program in stages.
    """

    calls: Staged

    def __init__(
        self,
        links: list[Link],
        shape: tuple[int, ...],
        slots: int,
        loss: LaneLoss,
        model: nn.Module,
        group: Group | None = None,
    ) -> None:
        super().__init__(links, shape, slots)
        several = group is not None and group.size > 1
        self.calls = Staged(Extent(shape[0], slots), spare=1 if several else 0, joins=not several)
        self.whole = Whole(self.calls)
        self.gradients = {}
        self.spoiled: list[Array] = []  # flags that the kernels set
        self._moves: list[tuple[Tensor, float, Array, float]] = []
        self._norms = {id(m.running_mean): m for m in model.modules() if is_counted(m)}
        self._counting: list[nn.Module] = []
        self._kept: list[tuple[Tensor, Array]] = []
        x = self.calls.empty(shape[1:])
        self._load_by(lanes.block_to_lanes, x.rows, math.prod(shape[1:]))
        layers = _layers(links)
        values = [_Value(x, _takers(layers, -1))]
        by_number = {-1: values[0]}
        for layer in layers:
            inputs = [by_number[k] for k in layer.inputs]
            value = layer.forward(self, inputs, _takers(layers, layer.number))
            by_number[layer.number] = value
        last = self.materialised(by_number[layers[-1].number])
        self.output = np.empty((shape[0], *last.shape), np.float32)
        rows = self.output.reshape(shape[0], -1)
        self.calls.add(lanes.block_from_lanes, last.rows, rows, of=last)
        self._loss = loss
        g = loss.forward(last, self.calls)
        by_number[layers[-1].number].missing = 1
        self.add_gradient(by_number[layers[-1].number], g.viewed(last.shape), owned=True)
        for layer in reversed(layers):
            layer.backward(self, by_number[layer.number], [by_number[k] for k in layer.inputs])
        self.calls.close()
        first = Phase(self.calls.first, together=True)
        self._share([first, *self.calls.phases], group, self.spoiled)
        self._hand_out()

    def fits(self) -> bool:
        return super().fits() and all(t._values is a and a.flags.carray for t, a in self._kept)

    def run(self, x: Array) -> np.float32 | None:
        loss = super().run(x)
        if loss is None or not np.isfinite(loss) or any(map(np.any, self.spoiled)):
            return None
        for running, momentum, new, factor in self._moves:
            move(running, momentum, new if factor == 1 else new * factor)
        for module in self._counting:
            module.num_batches_tracked.array[...] += 1
        return loss

    # ---- of layers -----------------------------------------------------------------------------

    def materialised(self, value: _Value) -> Buffer:
        """The values, which are computed now if they are not there."""
        if value.buffer is None:
            norm = value.norm
            assert norm is not None
            value.buffer = z = self.calls.empty(norm.y.shape)
            residual = norm.y if norm.residual is None else norm.residual
            self.calls.add(
                normalise_plane, planes(norm.y.array), planes(residual.array), norm.constants,
                norm.residual is not None, norm.relu, planes(z.array), of=z,
            )  # fmt: skip
        return value.buffer

    def keep(self, link: Link, found: list[Array]) -> None:
        """Note a layer's gradients."""
        self._keep(link.params, found)

    def keep_running(self, tensor: Tensor) -> Array:
        """The memory of a running statistic, as kernels read it."""
        a = tensor.array
        if a.dtype != np.float32 or not a.flags.carray:
            raise Unsuited("a running statistic is not float32, or not as kernels read it")
        self._kept.append((tensor, a))
        return a

    def move(self, running: Any, mean: Array, var: Array, factor: float) -> None:
        """Let running statistics move towards a batch's when a step is done."""
        running_mean, running_var, momentum = running
        if running_mean is None and running_var is None:
            return
        if id(running_mean) not in self._norms:
            raise Unsuited("running statistics are moved that are no batch norm's")
        self._counting.append(self._norms[id(running_mean)])
        for tensor, new, times in ((running_mean, mean, 1), (running_var, var, factor)):
            self._kept.append((tensor, tensor.array))
            self._moves.append((tensor, momentum, new, times))

    def add_gradient(self, value: _Value, g: Buffer, owned: bool) -> None:
        """Add one layer's part to a value's gradient; the last one finishes it for a norm."""
        value.missing -= 1
        if value.gradient is None:
            value.gradient, value.owned = g, owned
        else:
            to = value.gradient if value.owned else g if owned else self.calls.empty(g.shape)
            arrays = value.gradient.flat, g.flat, to.flat
            self.calls.add(elementwise.add_span, *arrays, g.floats, of=to)
            value.gradient, value.owned = to, True
        if not value.missing and value.norm is not None:
            self._finish(value)

    def _finish(self, value: _Value) -> None:
        """Put a gradient that is whole through the ReLU of its norm, and sum it."""
        norm, g, x = value.norm, value.gradient, value.buffer
        assert norm is not None
        assert g is not None
        gr = g
        if norm.relu:
            assert x is not None  # a layer that is none of Winograd's took it
            gr = g if value.owned else self.calls.empty(g.shape)
        value.gradient, value.owned = gr, True if norm.relu else value.owned
        value.sums = np.zeros((self.calls.extent.blocks, g.shape[0], 2))
        plan = Backward(self.calls.extent.n, norm.relu, norm.relu, True)
        y = norm.y if x is None else x
        arrays = (planes(b.array) for b in (g, norm.y, y))
        self.calls.add(
            norm_parts.sums_plane, *arrays, plan, norm.constants, planes(gr.array), value.sums, of=g
        )

    def through_norm(self, value: _Value) -> Buffer:
        """A value's gradient, also through the norm that it must still go through."""
        g, norm = value.gradient, value.behind
        assert g is not None
        if norm is not None:
            gx = self.calls.empty(g.shape)
            plan = Backward(self.calls.extent.n, False, False, True)
            arrays = planes(g.array), planes(norm.y.array), plan, norm.constants, norm.slopes
            self.calls.add(norm_parts.gradient_plane, *arrays, planes(gx.array), of=gx)
            value.gradient, value.behind = gx, None
            return gx
        return g


def _takers(layers: list[_Layer], number: int) -> int:
    return sum(layer.inputs.count(number) for layer in layers)


# ---- layers ------------------------------------------------------------------------------------


def _layers(links: list[Link]) -> list[_Layer]:
    """The links, of which a batch norm, an addition and a ReLU are one layer where nobody else
    takes what is between; it stands where the last of them stood.
    """
    takers: list[list[int]] = [[] for _ in links]
    for k, link in enumerate(links):
        for i in link.inputs:
            if i >= 0:
                takers[i].append(k)
    layers: dict[int, _Layer] = {}
    done: set[int] = set()
    for k, link in enumerate(links):
        if not isinstance(link.op, BatchNorm):
            continue
        last, inputs, relu = k, link.inputs, False
        after = takers[last][0] if len(takers[last]) == 1 else k
        if isinstance(links[after].op, Add) and after not in done:
            done.update((last, after))
            residual = [i for i in links[after].inputs if i != last]
            last, inputs = after, (*inputs, *residual)
        after = takers[last][0] if len(takers[last]) == 1 else k
        if isinstance(links[after].op, ReLU):
            done.update((last, after))
            last, relu = after, True
        done.add(last)
        layers[last] = _NormLayer(link, last, inputs, relu)
    for k, link in enumerate(links):
        if k not in done:
            kind: type[_Layer] = _AddLayer if isinstance(link.op, Add) else _OpLayer
            kind = _ConvLayer if isinstance(link.op, conv.Conv2d) else kind
            layers[k] = kind(link, k, link.inputs)
    return [layers[k] for k in sorted(layers)]


class _Layer:
    """One layer of a program in stages.

    Attributes:
        number: of its last link.
        inputs: the numbers of the layers that give what it takes.
    """

    def __init__(self, link: Link, number: int, inputs: tuple[int, ...]) -> None:
        self.link, self.number, self.inputs = link, number, inputs

    def forward(self, program: StagedProgram, inputs: list[_Value], takers: int) -> _Value:
        """Add the calls that make the values which so many layers take."""
        raise NotImplementedError

    def backward(self, program: StagedProgram, value: _Value, inputs: list[_Value]) -> None:
        """Add the calls that make the gradients of weights, and the inputs' parts of theirs."""
        raise NotImplementedError


class _OpLayer(_Layer):
    """What a `LaneOp` does."""

    def forward(self, program: StagedProgram, inputs: list[_Value], takers: int) -> _Value:
        op: Any = self.link.layer()
        if isinstance(op, conv.ConvTranspose2d):
            raise Layered("a transposed convolution wants the whole batch")
        many = isinstance(op, linear.Linear) and self.link.params[0].numel() > MANY_WEIGHTS
        self.op, self.out = op, program.whole if many else program.calls
        x = program.materialised(inputs[0])
        return _Value(op.forward(x, self.out, *self.link.weights), takers)

    def backward(self, program: StagedProgram, value: _Value, inputs: list[_Value]) -> None:
        g, is_batch = program.through_norm(value), self.inputs[0] < 0
        self.op.needs_input_grad = (not is_batch, *[True] * len(self.link.params))
        gx, *found = self.op.backward(g, self.out)
        program.keep(self.link, found)
        if not is_batch:
            shared = np.may_share_memory(gx.array, g.array)
            program.add_gradient(inputs[0], gx, value.owned if shared else True)


class _AddLayer(_Layer):
    """The sum of two values."""

    def forward(self, program: StagedProgram, inputs: list[_Value], takers: int) -> _Value:
        a, b = map(program.materialised, inputs)
        y = program.calls.empty(a.shape)
        program.calls.add(elementwise.add_span, a.flat, b.flat, y.flat, y.floats, of=y)
        return _Value(y, takers)

    def backward(self, program: StagedProgram, value: _Value, inputs: list[_Value]) -> None:
        g = program.through_norm(value)
        for x in inputs:
            program.add_gradient(x, g, owned=False)


class _NormLayer(_Layer):
    """A batch norm, perhaps with a residual and a ReLU behind it."""

    def __init__(self, link: Link, number: int, inputs: tuple[int, ...], relu: bool) -> None:
        super().__init__(link, number, inputs)
        self.relu, self.op = relu, link.op.op  # type: ignore[attr-defined] # of a LaneOp

    def forward(self, program: StagedProgram, inputs: list[_Value], takers: int) -> _Value:
        (x, *others), calls = inputs, program.calls
        y, residual = program.materialised(x), [program.materialised(v) for v in others]
        (channels, *_), training = y.shape, self.op.training
        weight, bias = self.link.weights
        if training:
            if x.parts is None:
                x.parts = np.zeros((calls.extent.blocks, channels, 4))
                calls.add(
                    norm_parts.statistics_plane, planes(y.array), calls.extent.n, x.parts, of=y
                )
            mean, var = (np.zeros(channels, np.float32) for _ in range(2))
        else:
            mean, var = (program.keep_running(t) for t in self.op.running[:2])
        parts = np.zeros((1, channels, 4)) if x.parts is None else x.parts
        constants, slopes = lanes.zeros((4, channels)), lanes.zeros((2, channels))
        add = calls.together if training else calls.before
        eps = np.float32(self.op.eps)
        arguments = parts, training, weight, bias, eps, mean, var, constants
        add(norm_parts.constants_channel, *arguments)
        self.count = calls.extent.n * math.prod(y.shape[1:])
        if training:
            program.move(self.op.running, mean, var, self.count / (self.count - 1))
        self.norm = Norm(y, constants, slopes, residual[0] if residual else None, self.relu)
        return _Value(None, takers, self.norm)

    def backward(self, program: StagedProgram, value: _Value, inputs: list[_Value]) -> None:
        (x, *others), norm, g = inputs, self.norm, value.gradient
        assert g is not None
        totals, training = lanes.zeros((2, norm.y.shape[0])), self.op.training
        arguments = value.sums, training, self.count, norm.constants, norm.slopes, totals
        program.calls.together(norm_parts.slopes_channel, *arguments)
        program.keep(self.link, [totals[1], totals[0]])
        for other in others:
            program.add_gradient(other, g, owned=False)
        value.behind, value.owned = norm, value.owned and not others
        if x.from_conv and x.takers == 1:
            x.gradient, x.behind = g, norm
        else:
            program.add_gradient(x, program.through_norm(value), owned=True)


class _ConvLayer(_Layer):
    """A convolution: by regions where it is Winograd's."""

    def forward(self, program: StagedProgram, inputs: list[_Value], takers: int) -> _Value:
        (x,), calls, op = inputs, program.calls, self.link.layer()
        assert isinstance(op, conv.Conv2d)
        (weight, *biases), self.op, window = self.link.weights, op, op.window
        _, height, width = x.shape
        size, groups, channels = (height, width), op.op.groups, min(weight.shape[:2])
        self.by_winograd = op.fast and suits_winograd(window, channels, groups)
        self.matrix: Array | None = None
        is_dense = suits_dense(window, size, weight.shape, groups, program.whole)
        if self.by_winograd and not is_dense and not winograd_norm.suits(window):
            raise Layered("a convolution wants the whole batch")
        bias = biases[0] if biases else NO_BIAS
        y = calls.empty((len(weight), *window.output_size(size)))
        value = _Value(y, takers)
        value.from_conv = True
        if is_dense:
            self.by_winograd = False
            self.matrix = self._gathered(program, weight, (height, width))
            if biases and y.size != (1, 1):
                raise Layered("a bias of several pixels wants the whole batch")
            x_rows = program.materialised(x).flattened
            value.buffer = linear.multiply(x_rows, self.matrix, bias, program.whole).viewed(y.shape)
        elif self.by_winograd:
            norm = x.norm if x.buffer is None else None
            kept = None
            is_taken_again = x.takers > 1 or winograd_norm.are_heavy(weight, calls)
            if norm is not None and (is_taken_again or norm.residual is not None):
                kept = calls.empty(norm.y.shape)
            value.parts, spoiled = winograd_norm.forward(
                x.buffer, norm, kept, weight, bias, y, True, calls, tile_rows(weight.shape)
            )
            program.spoiled.append(spoiled)
            x.buffer = x.buffer if kept is None else kept
        else:
            images = program.materialised(x)
            walk(images, weight, bias, window, y, False, op.fast, calls, groups=groups)
        return value

    def backward(self, program: StagedProgram, value: _Value, inputs: list[_Value]) -> None:
        (x,), calls, (weight, *biases) = inputs, program.calls, self.link.weights
        biased, gbias = bool(biases), None
        assert value.gradient is not None
        if self.by_winograd:
            gx, finishes = calls.empty(x.shape), x.norm is not None and x.missing == 1
            is_heavy = winograd_norm.are_heavy(weight, calls)
            if is_heavy:
                program.through_norm(value)
            gweight, gbias, sums, spoiled = winograd_norm.backward(
                value.gradient, value.behind, x.buffer, x.norm, finishes, x.gradient, weight, gx,
                calls, not is_heavy,
            )  # fmt: skip
            program.spoiled += spoiled
            if is_heavy:
                gweight, gbias = weight_gradient.backward_weight(
                    program.materialised(x), value.gradient, self.op.window, program.whole,
                    biased=biased,
                )  # fmt: skip
            x.gradient, x.owned, x.missing = gx, True, x.missing - 1
            if finishes:
                x.sums = sums
        elif self.matrix is not None:
            gweight, gbias = self._dense(program, program.through_norm(value), x, weight)
        else:
            g, window, groups = program.through_norm(value), self.op.window, self.op.op.groups
            if self.inputs[0] >= 0:
                gx = calls.empty(x.shape)
                walk(g, weight, NO_BIAS, window, gx, True, self.op.fast, calls, groups=groups)
                program.add_gradient(x, gx, owned=True)
            gweight, gbias = weight_gradient.backward_weight(
                program.materialised(x), g, window, program.whole, groups, biased=biased
            )
        program.keep(self.link, [gweight, gbias] if biased and gbias is not None else [gweight])

    def _gathered(self, program: StagedProgram, weight: Array, size: Pair) -> Array:
        """The matrix of a convolution whose windows cover the image: see `lanes.dense`."""
        window = self.op.window
        (top, _), (left, _) = window.padding
        self.places = Places(top, left, *window.stride, *window.output_size(size), *size)
        if not window.is_padded:
            return weight.reshape(len(weight), -1)
        rows = len(weight) * math.prod(window.output_size(size))
        matrix = lanes.empty((rows, weight.shape[1] * math.prod(size)))
        program.calls.before(gather_output, weight, self.places, matrix)
        return matrix

    def _dense(
        self, program: StagedProgram, g: Buffer, x: _Value, weight: Array
    ) -> tuple[Array, Array]:
        """The gradients of weight and bias, where there is a matrix; adds that of the input."""
        assert self.matrix is not None
        if self.inputs[0] >= 0:
            gx = linear.multiply_transposed(g.flattened, self.matrix, program.whole)
            program.add_gradient(x, gx.viewed(x.shape), owned=True)
        images = program.materialised(x).flattened
        gmatrix, gbias = linear.gradients(images, g.flattened, program.whole)
        if not self.op.window.is_padded:
            return gmatrix.reshape(weight.shape), gbias
        gweight, spoiled = lanes.empty(weight.shape), np.zeros(len(weight), np.bool_)
        program.calls.together(scatter_output, gmatrix, self.places, gweight, spoiled, late=True)
        program.spoiled.append(spoiled)
        return gweight, gbias
