"""Averages of a network's weights over its training: the names of `torch.optim.swa_utils`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from npnet.base.checks import ShapeError, check_number
from npnet.base.grad_mode import no_grad
from npnet.devices.cpu import device as Device
from npnet.nn import Module
from npnet.optim._compiled import kernels_for
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = [
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
]

Average: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
MultiAverage: TypeAlias = Callable[[Sequence[Tensor], Sequence[Tensor], Tensor], None]


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """The exponential moving average a <- decay * a + (1 - decay) * p, for `avg_fn`."""
    check_number("get_ema_avg_fn", "decay", decay, least=0, most=1)
    return lambda a, p, count: decay * a + (1 - decay) * p


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAverage:
    """The same of all tensors at once, in place, for `multi_avg_fn`.

    Integers, such as batch norm's count of batches, are rounded towards 0.
    """
    check_number("get_ema_multi_avg_fn", "decay", decay, least=0, most=1)
    return lambda averages, values, count: _lerp(averages, values, 1 - decay)


def get_swa_avg_fn() -> Average:
    """The mean of all so far, a <- a + (p - a) / (count + 1), for `avg_fn`."""
    return lambda a, p, count: a + (p - a) / (count + 1)


def get_swa_multi_avg_fn() -> MultiAverage:
    """The same of all tensors at once, in place, for `multi_avg_fn`."""
    return lambda averages, values, count: _lerp(averages, values, 1 / (int(count) + 1))


@np.errstate(all="ignore")  # NaN and infinity are values, as in the kernel
def _lerp(averages: Sequence[Tensor], values: Sequence[Tensor], weight: float) -> None:
    """a <- a + weight * (p - a), in place."""
    _check_alike(averages, values)
    for average, value in zip(averages, values, strict=True):
        a, p = average.array, value.array
        if kernels := kernels_for(a, p):
            kernels.lerp(a, p, weight)
        elif average.is_floating_point():
            a += weight * (p - a)
        else:
            np.copyto(a, a * (1 - weight) + p * weight, casting="unsafe")
        average._version.writes += 1


def _check_alike(averages: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Raise unless each average can take its value; called before the first is changed."""
    if len(averages) != len(values):
        raise ShapeError(
            f"average: there must be a value for each of {len(averages)} averages, "
            f"got {len(values)}"
        )
    for i, (average, value) in enumerate(zip(averages, values, strict=True)):
        if average.shape != value.shape:
            raise ShapeError(
                f"average: value {i} must have the shape of its average, {average.shape}, got "
                f"{value.shape}; where a parameter's data were replaced, make the average anew"
            )
        if not average.array.flags.writeable:
            raise ShapeError(f"average: average {i} lies on read-only memory; pass a clone()")


class AveragedModel(Module):
    """A copy of a network whose weights are an average over those of the network in training.

        a <- p                              at the first update
        a <- average(a, p, n_averaged)      at each further one

    Without a function of its own, the mean of all (SWA).

    Args:
        model: the network, copied as it is now.
        device: None or the CPU.
        avg_fn: (average, value, n_averaged) -> the new average.
        multi_avg_fn: changes a list of averages in place, given those of the values and n_averaged;
            it is called once for each dtype. `get_ema_multi_avg_fn` is the usual one.
        use_buffers: average the buffers too; otherwise they are copied at each update.

    Attributes:
        module: the copy.
        n_averaged: how many updates were made, a buffer.

    Source: Polyak, Juditsky (1992); Izmailov et al. (2018), arXiv:1803.05407, for the mean.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Device | str | int | None = None,
        avg_fn: Average | None = None,
        multi_avg_fn: MultiAverage | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("AveragedModel: give avg_fn or multi_avg_fn, not both")
        if device is not None:
            Device(device)  # raises for any but the CPU
        self.module = copy.deepcopy(model)
        self.register_buffer("n_averaged", result(np.array(0)))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the weights that `model`, the network in training, has now into the average.

        Raises:
            ValueError: it is another network than the one that was copied, or one whose parameters
                have other shapes now; nothing is changed then.
        """
        ours, theirs = (_tensors(m, self.use_buffers) for m in (self.module, model))
        if len(ours) != len(theirs):
            raise ValueError(
                f"update_parameters: the model has {len(theirs)} tensors, but the one that was "
                f"given to AveragedModel {len(ours)}; pass the same network"
            )
        _check_alike(ours, theirs)
        buffers: tuple[list[Tensor], list[Tensor]] = ([], [])
        if not self.use_buffers:
            buffers = list(self.module.buffers()), list(model.buffers())
            _check_alike(*buffers)
        with no_grad():
            self._average(ours, theirs)
            for a, b in zip(*buffers, strict=True):
                a.copy_(b)
        self.n_averaged.array += 1

    def _average(self, averages: list[Tensor], values: list[Tensor]) -> None:
        if self.n_averaged.array == 0:
            for a, p in zip(averages, values, strict=True):
                a.copy_(p)
        elif self.avg_fn is not None:
            new = [
                self.avg_fn(a, p, self.n_averaged) for a, p in zip(averages, values, strict=True)
            ]
            _check_alike(averages, new)
            for a, p in zip(averages, new, strict=True):
                a.copy_(p)
        else:
            average = self.multi_avg_fn or get_swa_multi_avg_fn()
            groups: dict[np.dtype[Any], tuple[list[Tensor], list[Tensor]]] = {}
            for a, p in zip(averages, values, strict=True):
                group = groups.setdefault(a.dtype, ([], []))
                group[0].append(a)
                group[1].append(p)
            for alike in groups.values():
                average(*alike, self.n_averaged)


def _tensors(model: Module, with_buffers: bool) -> list[Tensor]:
    """Parameters, and perhaps buffers, each once; without names, which would cost a fast step."""
    found: dict[int, Tensor] = {}
    modules: list[Module | None] = [model]
    while modules:
        if (module := modules.pop()) is not None:
            tables = (
                (module._parameters, module._buffers) if with_buffers else (module._parameters,)
            )
            for table in tables:
                found.update((id(t), t) for t in table.values() if t is not None)
            modules.extend(module._modules.values())
    return list(found.values())
