"""Averages of a network's weights over its training: the names of `torch.optim.swa_utils`."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from npnet.base.checks import ShapeError, check_number
from npnet.base.grad_mode import no_grad
from npnet.devices.cpu import check_device
from npnet.devices.cpu import device as Device
from npnet.nn import Module
from npnet.nn.modules.batchnorm import _BatchNorm
from npnet.optim._compiled import kernels_for
from npnet.optim.lr_scheduler.scheduler import LRScheduler, Undo, check_optimizer, each_group
from npnet.optim.optimizer import Optimizer
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

Average: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
MultiAverage: TypeAlias = Callable[[Sequence[Tensor], Sequence[Tensor], Tensor], None]


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """The exponential moving average a <- decay * a + (1 - decay) * p, for `avg_fn`.

    Raises:
        ValueError: decay is not in [0, 1].

    Example:
        >>> average = optim.swa_utils.get_ema_avg_fn(decay=0.75)
        >>> average(npnet.tensor(0.0), npnet.tensor(8.0), npnet.tensor(1))
        tensor(2.)
    """
    check_number("get_ema_avg_fn", "decay", decay, least=0, most=1)
    return lambda a, p, count: decay * a + (1 - decay) * p


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAverage:
    """The same of all tensors at once, in place, for `multi_avg_fn`.

    Integers, such as batch norm's count of batches, are rounded towards 0.

    Raises:
        ValueError: decay is not in [0, 1].

    Example:
        >>> averages = [npnet.tensor([0.0])]
        >>> move = optim.swa_utils.get_ema_multi_avg_fn(decay=0.75)
        >>> move(averages, [npnet.tensor([8.0])], npnet.tensor(1))
        >>> averages
        [tensor([2.])]
    """
    check_number("get_ema_multi_avg_fn", "decay", decay, least=0, most=1)
    return lambda averages, values, count: _lerp(averages, values, 1 - decay)


def get_swa_avg_fn() -> Average:
    """The mean of all so far, a <- a + (p - a) / (count + 1), for `avg_fn`.

    Example:
        >>> average = optim.swa_utils.get_swa_avg_fn()
        >>> average(npnet.tensor(2.0), npnet.tensor(8.0), npnet.tensor(1))
        tensor(5.)

    Source: Polyak, Juditsky (1992); Izmailov et al. (2018), arXiv:1803.05407.
    """
    return lambda a, p, count: a + (p - a) / (count + 1)


def get_swa_multi_avg_fn() -> MultiAverage:
    """The same of all tensors at once, in place, for `multi_avg_fn`.

    Example:
        >>> averages = [npnet.tensor([2.0])]
        >>> optim.swa_utils.get_swa_multi_avg_fn()(averages, [npnet.tensor([8.0])], npnet.tensor(1))
        >>> averages
        [tensor([5.])]

    Source: Polyak, Juditsky (1992); Izmailov et al. (2018), arXiv:1803.05407.
    """
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

    Raises:
        AssertionError: there are both avg_fn and multi_avg_fn.
        NotImplementedError: device is not the CPU.

    Example:
        >>> model = nn.Linear(1, 1, bias=False)
        >>> average = optim.swa_utils.AveragedModel(model)
        >>> for weight in 1.0, 4.0:
        ...     _ = nn.init.constant_(model.weight, weight)
        ...     average.update_parameters(model)
        >>> average.module.weight.item()
        2.5

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
            check_device(device)
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


@no_grad()
def update_bn(
    loader: Iterable[Any], model: Module, device: Device | str | int | None = None
) -> None:
    """Let the running averages of all batch norms be those of one pass over data, all alike.

    Args:
        loader: batches, or lists or tuples of which the first is the batch.
        model: the averaged network, run in training; its modes are put back.
        device: None or the CPU.

    Raises:
        NotImplementedError: device is not the CPU.

    Example:
        >>> model = nn.BatchNorm1d(1)
        >>> optim.swa_utils.update_bn([npnet.tensor([[1.0], [3.0]])] * 2, model)
        >>> model.running_mean, model.running_var
        (tensor([2.]), tensor([2.]))

    Source: Izmailov et al. (2018), arXiv:1803.05407, algorithm 1, its last line.
    """
    if device is not None:
        check_device(device)
    norms: list[Any] = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    if not norms:
        return
    modes = [(m, m.training) for m in model.modules()]
    momenta = [m.momentum for m in norms]
    for norm in norms:
        if norm.running_mean is not None:
            norm.running_mean.zero_()
            norm.running_var.fill_(1)
            norm.num_batches_tracked.zero_()
        norm.momentum = None  # the mean of all batches
    model.train()
    try:
        for batch in loader:
            model(batch[0] if isinstance(batch, (list, tuple)) else batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, training in modes:
            module.training = training


class SWALR(LRScheduler):
    """From whatever the learning rate is to swa_lr in anneal_epochs epochs, and on with it.

        lr <- swa_lr * a + start * (1 - a),  a = (1 - cos(pi * s)) / 2 or s

    with s = min(epoch / anneal_epochs, 1); start is what the learning rate, as it is now, would
    have begun with.

    Args:
        swa_lr: where it ends, or a list with one for each group.
        anneal_epochs: epochs on the way; 0 goes there at the first step.
        anneal_strategy: "cos" or "linear", the shape of the way.
        last_epoch: see LRScheduler.

    Raises:
        ValueError: a swa_lr is below 0, there are not as many as groups, anneal_epochs is no
            integer of at least 0, or anneal_strategy is unknown.
        TypeError: optimizer is no Optimizer.

    Example:
        >>> optimizer = optim.SGD([npnet.zeros(1)], lr=1.0)
        >>> scheduler = optim.swa_utils.SWALR(optimizer, swa_lr=0.5, anneal_epochs=2)
        >>> rates = []
        >>> for _ in range(4):
        ...     rates += scheduler.get_last_lr()
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [1.0, 0.75, 0.5, 0.5]

    Source: Izmailov et al. (2018), arXiv:1803.05407.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        last_epoch: int = -1,
    ) -> None:
        check_optimizer("SWALR", optimizer)
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"SWALR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"SWALR: anneal_epochs must be an integer >= 0, got {anneal_epochs}")
        rates = each_group("SWALR", optimizer, "swa_lr", swa_lr)
        self.anneal_epochs, self._strategy = anneal_epochs, anneal_strategy
        with Undo(optimizer):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["swa_lr"] = rate
            super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How far it is from start to end in a step."""
        s = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return s if self._strategy == "linear" else (1 - math.cos(math.pi * s)) / 2

    def get_lr(self) -> list[float]:
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        rates = []
        for group in self.optimizer.param_groups:
            lr, end = float(group["lr"]), group["swa_lr"]
            start = end if before == 1 else (lr - before * end) / (1 - before)
            rates.append(end * now + start * (1 - now))
        return rates
