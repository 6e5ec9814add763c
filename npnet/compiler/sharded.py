"""A training step whose batch norms see a shard of the batch at a time.

Shards follow from the batch alone, so that the bits are the same for any number of processes. They
have nothing to tell each other before the step ends, which is what this is for: batch norm over the
whole batch waits for all of its sums, forward and backward, in every layer.

Source: Hoffer, Hubara and Soudry, "Train longer, generalize better", arXiv:1705.08741, algorithm 1
("ghost batch normalization").
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.group import Ends, Group, added_up
from npnet.base.parts import shards_of
from npnet.compiler.step import Alike, EagerStep, Step

__all__ = ["ShardedStep"]


class ShardedStep(EagerStep):
    """A step that does each shard of a batch by itself, and adds up what they give in their order.

    Loss and gradients are means over the shards, which have the same number of images each, so the
    criterion must be a mean over images too. Each shard begins with the buffers as they were before
    the step, and the floats that it leaves in them are averaged: running statistics take one
    step towards the mean of the shards' statistics. Dropout draws by (step, shard).

    Args:
        step: what does one shard: compiled, or the loop; of the model itself, not of one that ranks
            share already.
        lib: the module `npnet` or `torch`.
        group: processes that share the shards out, each of which gives the whole batch. One of
            fewer shards than processes is computed by all of them.

    Raises:
        TypeError: the step's batches are shared already.

    Example:
        >>> model = nn.Linear(3, 2)
        >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
        >>> step = npnet.compiler.EagerStep(model, F.mse_loss, optimizer)
        >>> npnet.compiler.ShardedStep(step, npnet)(npnet.zeros(64, 3), npnet.zeros(64, 2)).shape
        ()
    """

    def __init__(self, step: EagerStep, lib: Any, group: Group | None = None) -> None:
        if isinstance(step, Step) and step.group is not None:
            raise TypeError(
                "ShardedStep: the step is of a DistributedModel, which shares each batch by "
                "itself; compile the model itself, and give the group here"
            )
        super().__init__(step.model, step.criterion, step.optimizer)
        self._step, self._lib, self._alike = step, lib, Alike(group)

    def gradients(self, x: Any, y: Any) -> Any:
        """The same without the update: parameters get their gradients, and only this batch's.

        Args:
            x: the whole batch, (N, ...), which is cut in `base.parts.shards_of(N)` shards.
            y: its targets, (N, ...).

        Returns:
            The mean loss of the batch, without history.
        """
        self._alike.check(x, y, self.model)
        shards = _Shards(shards_of(len(x)), self._alike.group)
        buffers = [_array(b) for b in self.model.buffers()]
        before = [b.copy() for b in buffers]
        key = int(self._lib.randint(0, 2**31 - 1, (1,)).item())
        outputs: list[Array] = []
        for number in shards.own:
            for buffer, old in zip(buffers, before, strict=True):
                buffer[...] = old
            images = slice(*shards.images(number, len(x)))
            with self._drawing(key, number):
                loss = self._step.gradients(x[images], y[images])
            outputs.append(_array(self._step.output))
            shards.put(self._row(loss, buffers))
        self.output = self._lib.from_numpy(shards.together(np.concatenate(outputs), len(x)))
        return self._hand_out(shards.mean(), buffers)

    @contextmanager
    def _drawing(self, key: int, number: int) -> Iterator[None]:
        """Let a shard draw its own numbers, whoever computes it."""
        seed = np.random.SeedSequence((key, number)).generate_state(1, np.uint32)[0]
        with self._lib.random.fork_rng():
            self._lib.manual_seed(int(seed))
            yield

    # ---- a shard's results in a row ------------------------------------------------------------

    def _row(self, loss: Any, buffers: list[Array]) -> Array:
        """A shard's loss, which parameters have a gradient, the gradients, and the floats kept."""
        params = self._trained()
        has = np.array([p.grad is not None for p in params], np.float32)
        grads = [
            np.zeros(p.shape, np.float32) if p.grad is None else _array(p.grad) for p in params
        ]
        arrays = _array(loss), has, *grads, *_floats(buffers)
        return np.concatenate([a.reshape(-1) for a in arrays])

    def _hand_out(self, row: Array, buffers: list[Array]) -> Any:
        """Take the mean of the rows apart. Returns the loss."""
        params = self._trained()
        loss, has, values = row[:1].reshape(()), row[1 : len(params) + 1], row[len(params) + 1 :]
        for p, is_there in zip(params, has, strict=True):
            grad, values = values[: p.numel()], values[p.numel() :]
            grad = grad.astype(_array(p).dtype, copy=False).reshape(tuple(p.shape))
            p.grad = self._lib.from_numpy(grad) if is_there else None
        for buffer in _floats(buffers):
            buffer[...] = values[: buffer.size].reshape(buffer.shape)
            values = values[buffer.size :]
        return self._lib.from_numpy(loss.copy())

    def _trained(self) -> list[Any]:
        return [p for p in self.model.parameters() if p.requires_grad]


class _Shards:
    """The shards of a batch: which are this process's, and the mean of what they all give.

    Attributes:
        own: the numbers of the shards that this process computes.
    """

    def __init__(self, count: int, group: Group | None) -> None:
        alone = group is None or group.size > count
        self._count, self._group = count, None if alone else group
        rank, size = (0, 1) if self._group is None else (self._group.rank, self._group.size)
        cuts = [r * count // size for r in range(size + 1)]
        self._ends, self.own = tuple(cuts[1:]), range(cuts[rank], cuts[rank + 1])
        self._rows: list[Array] = []

    def images(self, number: int, of: int) -> tuple[int, int]:
        """Where a shard's images begin and end."""
        return number * of // self._count, (number + 1) * of // self._count

    def put(self, row: Array) -> None:
        """What the next of the own shards gives."""
        if self._rows and (self._group is None or self._group.sums):
            self._rows[0] += row  # nobody else asks for it alone
        else:
            self._rows.append(row)

    def mean(self) -> Array:
        """The mean of all rows, added up in the order of the shards; MPI's where it sums."""
        group, (total, *_) = self._group, self._rows
        if group is not None and group.sums:
            group.wait([group.begin_sum(total)])
        elif group is not None:
            rows = np.empty((self._count, *total.shape), total.dtype)
            rows[self.own.start : self.own.stop] = self._rows
            group.wait([group.begin_gather(rows, self._ends)])
            total = added_up(rows)
        return total / total.dtype.type(self._count)

    def together(self, rows: Array, of: int) -> Array:
        """The rows of all images, of which this process has those of its own shards."""
        if self._group is None:
            return rows
        whole = np.empty((of, *rows.shape[1:]), rows.dtype)
        (start, _), (end, _) = (self.images(k, of) for k in (self.own.start, self.own.stop))
        whole[start:end] = rows
        ends: Ends = tuple(self.images(end, of)[0] for end in self._ends)
        self._group.wait([self._group.begin_gather(whole, ends)])
        return whole


def _array(tensor: Any) -> Array:
    """The memory of a tensor of either library."""
    array: Array = tensor.detach().numpy()
    return array


def _floats(arrays: list[Array]) -> list[Array]:
    return [a for a in arrays if a.dtype.kind == "f"]
