"""A loop in which each rank has batches of its own; prints what a rank has come to."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

import npnet
from npnet import distributed, nn, optim
from npnet.nn import functional as F

IMAGES, STEPS = 24, 4


def check_collectives(group: Any) -> None:
    ranks, op = list(range(group.size)), distributed.ReduceOp
    wanted = {
        op.SUM: sum(ranks), op.AVG: sum(ranks) / len(ranks), op.PRODUCT: 0, op.MIN: 0,
        op.MAX: ranks[-1],
    }  # fmt: skip
    for how, value in wanted.items():
        mean = npnet.full((3,), float(group.rank))
        distributed.all_reduce(mean, how)
        assert mean.tolist() == [value] * 3, how
    distributed.broadcast(mean.fill_(group.rank), src=ranks[-1])
    assert mean.tolist() == [ranks[-1]] * 3
    places = [npnet.zeros(2) for _ in ranks]
    distributed.all_gather(places, npnet.full((2,), float(group.rank)))
    assert [p.tolist() for p in places] == [[r, r] for r in ranks]
    objects: list[Any] = [None for _ in ranks]
    distributed.all_gather_object(objects, {"rank": group.rank})
    assert objects == [{"rank": r} for r in ranks]
    distributed.broadcast_object_list(objects[:1], src=0)
    sampler = distributed.DistributedSampler(range(12), shuffle=False)
    seen: list[Any] = [None for _ in ranks]
    distributed.all_gather_object(seen, list(sampler))
    assert {item for items in seen for item in items} == set(range(12))
    assert sampler.num_replicas == group.size
    distributed.barrier()


def check_accumulation(group: Any) -> None:
    """Gradients of two batches, of which only the second is followed by an exchange."""
    layer = nn.Linear(2, 1, bias=False)
    model = distributed.DistributedModel(layer)
    x = npnet.full((1, 2), float(group.rank + 1))
    with model.no_sync():
        model(x).sum().backward()
    assert layer.weight.grad.tolist() == [[group.rank + 1.0] * 2]
    model(x).sum().backward()
    mean = 2 * sum(range(1, group.size + 1)) / group.size
    assert np.allclose(layer.weight.grad.numpy(), mean)


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
    check_collectives(group)
    check_accumulation(group)
    every = group.gather(weights)
    assert all(w == weights for w in every), every
    if group.rank == 0:
        json.dump(weights, sys.stdout)


main()
