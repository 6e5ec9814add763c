"""A loop in which each rank has batches of its own; prints what a rank has come to."""

from __future__ import annotations

import json
import sys

import numpy as np

import npnet
from npnet import distributed, nn, optim
from npnet.nn import functional as F

IMAGES, STEPS = 24, 4


def main() -> None:
    group = distributed.init()
    npnet.set_num_threads(1)
    npnet.manual_seed(group.rank)  # the weights of rank 0 count
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10)
    )
    model = distributed.DistributedModel(nn.SyncBatchNorm.convert_sync_batchnorm(net))
    rule = optim.SGD(model.parameters(), lr=0.1 if group.rank == 0 else 9.0, momentum=0.9)
    optimizer = distributed.DistributedOptimizer(rule)
    rng = np.random.default_rng(0)
    for _ in range(STEPS):
        x = rng.standard_normal((IMAGES, 1, 8, 8), dtype=np.float32)[group.rank :: group.size]
        y = rng.integers(0, 10, IMAGES)[group.rank :: group.size]
        loss = F.cross_entropy(model(npnet.from_numpy(x.copy())), npnet.from_numpy(y.copy()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    weights = [v.double().sum().item() for v in model.state_dict().values()]
    every = group.gather(weights)
    assert all(w == weights for w in every), every
    mean = npnet.full((3,), float(group.rank))
    distributed.all_reduce(mean)
    assert mean.tolist() == [sum(range(group.size))] * 3
    distributed.broadcast(mean.fill_(group.rank), src=group.size - 1)
    assert mean.tolist() == [group.size - 1] * 3
    distributed.barrier()
    if group.rank == 0:
        json.dump(weights, sys.stdout)


main()
