"""MPI: several processes train one network, and it has the weights of one process, to the bit.

    python examples/mpi.py
    mpiexec -n 2 python -m mpi4py examples/mpi.py       needs pip install 'npnet[mpi]'

The three lines that make a program one for several processes are marked. Each process computes a
part of every batch; gradients are added up in an order that does not depend on how many there are.
Both commands print the same sum of the weights.
"""

from __future__ import annotations

import argparse
import hashlib

import npnet
from npnet import datasets, distributed, models, optim
from npnet.nn import functional as F


def main(steps: int, batch: int) -> None:
    group = distributed.init()  # 1: alone, a group of one
    data = datasets.load("digits")
    x = F.interpolate(npnet.from_numpy(data.x_train).float() / 255 - 0.3, size=(32, 32))
    y = npnet.from_numpy(data.y_train)

    npnet.manual_seed(0)
    network = models.LeNet5()
    model = distributed.DistributedModel(network)  # 2: the weights of rank 0 in all
    rule = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    optimizer = distributed.DistributedOptimizer(rule)  # 3: and its settings
    step = npnet.compile(model, F.cross_entropy, optimizer)
    for number in range(steps):
        chosen = npnet.randperm(len(x))[:batch]  # the same in all processes
        loss = step(x[chosen], y[chosen])
        if group.rank == 0 and (number + 1) % 10 == 0:
            print(f"step {number + 1}: loss {loss.item():.4f}")

    digest = hashlib.sha256()
    for weight in network.state_dict().values():
        digest.update(weight.numpy().tobytes())
    sums = group.gather(digest.hexdigest()[:16])
    if group.rank == 0:
        assert len(set(sums)) == 1, "the processes have different weights"
        print(f"processes: {group.size}; parts of a batch were shared: {step.unshared is None}")
        print(f"sum of the weights: {sums[0]}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch", type=int, default=128, help="a multiple of 16")
    args = parser.parse_args()
    main(args.steps, args.batch)
