"""A training step: by a program where all of the network's layers have one, else by the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from npnet import nn
from npnet.base.grad_mode import is_grad_enabled
from npnet.base.group import Group
from npnet.base.threads import new_lock
from npnet.base.trees import mapped
from npnet.compiler.cache import Programs
from npnet.compiler.inference import CompiledModel
from npnet.compiler.trace import Link, is_chain
from npnet.lanes.choice import LEAST
from npnet.lanes.unsuited import Layered, Unsuited
from npnet.nn.parallel import DistributedDataParallel
from npnet.optim import Optimizer
from npnet.random import default_generator
from npnet.tape import anomaly_mode, result
from npnet.tensor import Tensor

__all__ = ["Alike", "EagerStep", "Step"]


class EagerStep:
    """A training step as it is written by hand, in npnet or, word for word, in PyTorch.

    Attributes:
        output: what the network gave for the last batch, for instance logits (N, classes); off the
            tape, also in tuples, lists and dicts.

    Example:
        >>> model = nn.Linear(3, 2)
        >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
        >>> step = npnet.compiler.EagerStep(model, F.mse_loss, optimizer)
        >>> step(npnet.zeros(4, 3), npnet.zeros(4, 2)).shape, step.output.shape
        ((), (4, 2))
    """

    output: Any = None

    def __init__(self, model: Any, criterion: Callable[..., Any], optimizer: Any) -> None:
        self.model, self.criterion, self.optimizer = model, criterion, optimizer

    def __call__(self, x: Any, y: Any) -> Any:
        """Forward, loss, backward and update on one batch. Returns the loss, without history.

        Args:
            x: images (N, C, H, W) or features (N, F).
            y: what the criterion takes: class numbers (N,), or targets (N, F).
        """
        loss = self.gradients(x, y)
        self.optimizer.step()
        return loss

    def gradients(self, x: Any, y: Any) -> Any:
        """The same without the update: parameters get their gradients, and only this batch's."""
        return self._backward(self.model(x), y)

    def _backward(self, output: Any, y: Any) -> Any:
        loss = self.criterion(output, y)
        self.optimizer.zero_grad()
        loss.backward()
        self.output = mapped(output, _detached)
        return loss.detach()


def _detached(value: Any) -> Any:
    """The same values off the tape, npnet's or PyTorch's."""
    return value.detach() if hasattr(value, "detach") else value


class Step(EagerStep):
    """What `compile` returns for training: `step(x, y)` makes one training step.

    Python threads take turns: a step reads and writes all parameters.

    Attributes:
        fallback: why the last batch had no program, such as hooks; None if it had one.
        group: the ranks that share each batch; None if this process does it alone.
        unshared: why each of several ranks did the whole of the last batch; None if they had parts.

    Example:
        >>> model = npnet.models.LeNet5()
        >>> optimizer = optim.Adam(model.parameters())
        >>> step = npnet.compile(model, F.cross_entropy, optimizer)
        >>> loss = step(npnet.zeros(32, 1, 32, 32), npnet.zeros(32, dtype=npnet.int64))
        >>> loss.shape, step.output.shape
        ((), (32, 10))
    """

    fallback: str | None = None
    unshared: str | None = None

    def __init__(
        self, model: nn.Module, criterion: Callable[..., Tensor], optimizer: Optimizer
    ) -> None:
        super().__init__(_original(model), criterion, optimizer)
        self.group = group_of(model)
        self._alike = Alike(self.group)
        self._turn = new_lock()
        self._hands_out_copies = False
        self._programs = self._new_programs()

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        with self._turn:
            loss: Tensor = super().__call__(x, y)
            return loss

    def gradients(self, x: Tensor, y: Tensor) -> Tensor:
        """The same without the update: parameters get their gradients, and only this batch's.

        A program writes the gradients of each batch into the same memory, unless somebody holds
        those of the batch before.
        """
        with self._turn:
            if not is_grad_enabled():  # it fails, with what the eager loop says
                return super().gradients(x, y)
            self._alike.check(x, y, _original(self.model))
            programs = self._programs_now()
            program = programs.of(_original(self.model), x)
            self.fallback = programs.fallback or self._unsuited(program, y)
            if self.fallback == _HELD:
                programs.drop(x.shape)
            self.unshared = self.fallback
            if self.fallback is None:
                self.unshared = program.unshared
                loss = self._run(program, x, programs)
                if loss is not None:
                    return loss
                self.fallback = self.unshared = "a sum is not finite"
                programs.output = NotImplemented
            output = programs.output  # the model may have been run already, to be read
            return self._backward(self.model(x) if output is NotImplemented else output, y)

    def _programs_now(self) -> Programs:
        """The programs of the model and the criterion that the step has now."""
        model = _original(self.model)
        if self._programs.model is not model or self._criterion is not self.criterion:
            self._programs = self._new_programs()
        return self._programs

    def _new_programs(self) -> Programs:
        self._criterion = self.criterion
        others = [self.criterion] if isinstance(self.criterion, nn.Module) else []
        return Programs(_original(self.model), self._build, others, chains=False, rewinds=True)

    def _unsuited(self, program: Any, y: Any) -> str | None:
        """Why a program is not to be run with these targets."""
        if anomaly_mode.enabled:
            return "the search for NaN in derivatives is on"
        if not any(p.requires_grad for p in program.gradients):
            return "all of its parameters are frozen"
        if any(p._has_hooks for p in program.gradients):
            return "a parameter has a hook on its gradient"
        if not self._hands_out_copies and program.is_held():
            self._hands_out_copies = True  # from the next batch on
            return _HELD
        if type(y) is not Tensor or y.requires_grad:
            return "targets that are no tensor, or require a gradient, have no kernels"
        if not program.takes(y.array):
            return f"targets of {y.dtype} {y.shape} with such values have no kernels"
        return None

    def _run(self, program: Any, x: Tensor, programs: Programs) -> Tensor | None:
        """The loss of a batch; None, and nothing has changed, where the loop must be asked."""
        if programs.before is not None:
            programs.before.restore()
        if programs.drawn is not None and program.calls.draws:
            default_generator.set_state(programs.drawn)
        self.optimizer.zero_grad()
        wanted = {p: g for p, g in program.gradients.items() if p.requires_grad}
        for p, g in wanted.items():
            if p.grad is g:  # the optimizer does not have it: what is there is to be added to
                p.grad = g.clone()
        loss = program.run(x.array)
        if loss is None:
            return None
        for p, g in wanted.items():
            if p.grad is None:
                p.grad = g.clone() if self._hands_out_copies else g
            else:
                p._accumulate(g.array)
        self.output = result(program.output.copy())
        return result(np.asarray(loss))

    def _build(self, links: list[Link], shape: tuple[int, ...], slots: int) -> Any:
        # here: NumPy alone needs nothing of it
        from npnet.compiler.build import TrainingProgram
        from npnet.compiler.losses import loss_of
        from npnet.compiler.staged import StagedProgram

        loss = loss_of(self.criterion)
        if loss is None:
            raise Unsuited(
                "its criterion is neither cross_entropy nor mse_loss with options that have kernels"
            )
        if is_chain(links):
            try:
                return TrainingProgram(links, shape, slots, loss(shape[0]), self.group)
            except Layered:
                pass  # in stages it can be done
        if shape[0] < LEAST:
            raise Layered("a program in stages wants more images")
        model = _original(self.model)
        return StagedProgram(links, shape, slots, loss(shape[0]), model, self.group)


LOOKED_AT, SELDOM = 3, 64  # the first steps, and after them every so many, are looked at in ranks
SAMPLES = 1000  # numbers of an array that are looked at


class Alike:
    """Sees to it, now and then, that all ranks have the same batches and weights.

    Each would compute a part of another batch, and nobody would see it.
    """

    def __init__(self, group: Group | None) -> None:
        self.group, self._steps = group, 0

    def check(self, x: Any, y: Any, model: nn.Module) -> None:
        """Raise RuntimeError where a rank has another batch, or other weights, in this step."""
        if self.group is None or self.group.size == 1:
            return
        self._steps += 1
        if self._steps > LOOKED_AT and self._steps % SELDOM:
            return
        found = self.group.gather(_sample(x, y, model))
        for rank, other in enumerate(found):
            if other != found[0]:
                raise RuntimeError(
                    f"compile: rank {rank} has another batch or other weights than rank 0 in step "
                    f"{self._steps}; every rank gives the whole batch, of which it computes a "
                    "part: let all draw by the same seed (npnet.manual_seed(0) after "
                    "distributed.init()), and change weights in all or in none"
                )


def _sample(x: Any, y: Any, model: nn.Module) -> list[tuple[Any, ...]]:
    """Some numbers of a batch and of the weights, by which others are told from them."""
    arrays = [t.array for t in (x, y, *model.parameters()) if isinstance(t, Tensor)]
    strides = [(a, a.size // SAMPLES + 1) for a in arrays]
    return [(a.shape, a.reshape(-1)[::stride].tobytes()) for a, stride in strides]


_HELD = "somebody holds the gradients of the batch before, whose memory a program would overwrite"


def _original(model: Any) -> Any:
    """The model itself, without what it was wrapped in to be compiled or shared out."""
    while isinstance(model, (CompiledModel, DistributedDataParallel)):
        model = model._orig_mod if isinstance(model, CompiledModel) else model.module
    return model


def group_of(model: Any) -> Group | None:
    """The processes that share a model's batches; None if this one does them alone."""
    return model.group if isinstance(model, DistributedDataParallel) else None
