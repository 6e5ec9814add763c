"""The sampler of several processes, each of which visits its share of a data set."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from npnet.base.group import current_group
from npnet.utils.data.sampler import Sampler, length_of

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """Every num_replicas-th item from the rank-th on, in an order that all ranks share.

    Args:
        dataset: what has a length N.
        num_replicas: how many processes there are; default those of `npnet.distributed`, else 1.
        rank: which of them this is; default this process's, else 0.
        shuffle: whether the order is random, by seed and epoch; otherwise it is 0, 1, 2, ...
        seed: the same in all of them.
        drop_last: leave items out so that all have the same number; else some come twice.

    Raises:
        ValueError: rank is not one of num_replicas.

    Example:
        >>> sampler = npnet.utils.data.DistributedSampler
        >>> [list(sampler(range(5), 2, rank, shuffle=False)) for rank in range(2)]
        [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        size, own = (1, 0) if (group := current_group()) is None else (group.size, group.rank)
        self.num_replicas = size if num_replicas is None else num_replicas
        self.rank = own if rank is None else rank
        if not 0 <= self.rank < self.num_replicas:
            raise ValueError(
                f"DistributedSampler: rank must be in [0, {self.num_replicas - 1}], got {self.rank}"
            )
        self.dataset, self.shuffle, self.seed, self.drop_last = dataset, shuffle, seed, drop_last
        self.epoch = 0
        count = length_of("DistributedSampler", dataset)
        whole = drop_last and count % self.num_replicas
        self.num_samples = (
            count // self.num_replicas if whole else math.ceil(count / self.num_replicas)
        )
        self.total_size = self.num_samples * self.num_replicas

    def __iter__(self) -> Iterator[int]:
        order = np.arange(len(self.dataset))
        if self.shuffle:
            order = np.random.default_rng(self.seed + self.epoch).permutation(len(self.dataset))
        order = np.resize(order, self.total_size)  # cut, or from the beginning again
        return iter(order[self.rank :: self.num_replicas].tolist())

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Let the next pass have the order of this epoch; otherwise all have that of the first."""
        self.epoch = epoch
