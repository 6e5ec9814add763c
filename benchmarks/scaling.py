"""Training steps of several ranks of MPI, beside one process, and what a model of the cost says.

One process with all threads and ranks of one thread each take turns, as processes; a step's time is
the slowest rank's median, and all must come to the same weights. The model takes the kernels' times
of one rank's share, measured without any exchange, and lets a network of given latency and
bandwidth carry the bytes of each exchange, while kernels go on where they need not wait. Held
against the measurement it uses the latency and bandwidth of this machine's MPI, measured too; with
those of a network between machines it says where more ranks stop paying.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from harness import Table, Timing, environment

import npnet
from npnet.base.arrays import Array
from npnet.base.group import Ends, Group
from npnet.base.parts import MOST_CHUNKS
from npnet.compiler import ShardedStep

SHAPES = {"lenet5": (1, 32, 32), "resnet20": (3, 32, 32), "resnet18": (3, 32, 32)}
BATCHES = {"lenet5": 512, "resnet20": 128, "resnet18": 128}
WARM_UP, LEAST_STEPS, SECONDS = 3, 5, 3.0
# Latency in seconds and bytes a second, of one message between two machines.
NETWORKS = {"1 GbE": (50e-6, 117e6), "25 GbE": (20e-6, 2.9e9), "InfiniBand HDR": (1.5e-6, 24e9)}
RANKS = (1, 2, 4, 8, 16, 32, 64)


# ---- one rank ----------------------------------------------------------------------------------


def training_step(
    model: str, batch: int, group: Any, by_shards: bool = False
) -> tuple[Any, Any, Any, Any]:
    """The network, its compiled step in a group or alone, and a batch."""
    npnet.manual_seed(0)
    channels = SHAPES[model][0]
    net = npnet.models.create(model, in_channels=channels, num_classes=10).train()
    rule = npnet.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    rng = np.random.default_rng(0)
    x = npnet.from_numpy(rng.standard_normal((batch, *SHAPES[model]), dtype=np.float32))
    y = npnet.from_numpy(rng.integers(0, 10, batch))
    shared = net
    if by_shards:
        step = npnet.compile(net, npnet.nn.functional.cross_entropy, rule)
        return net, ShardedStep(step, npnet, group), x, y
    if group is not None:
        npnet.base.group.set_group(group)
        shared = npnet.distributed.DistributedModel(net)
    return net, npnet.compile(shared, npnet.nn.functional.cross_entropy, rule), x, y


def work(args: argparse.Namespace) -> None:
    """Be a rank: time steps, and let the first one print what was found."""
    npnet.set_num_threads(args.threads)
    group = None
    if args.ranks:
        group = npnet.distributed.init(allreduce=args.allreduce)
    net, step, x, y = training_step(args.model, args.batch, group, args.batch_norm == "shard")
    unshared = None if isinstance(step, ShardedStep) else step.unshared
    for _ in range(WARM_UP):
        step(x, y)
    found: list[float] = []
    steps = args.steps
    for _ in range(steps):
        start = time.perf_counter()
        step(x, y)
        found.append(time.perf_counter() - start)
    bits = b"".join(np.ascontiguousarray(v.numpy()).tobytes() for v in net.state_dict().values())
    result = {"seconds": float(np.median(found)), "bits": hashlib.sha256(bits).hexdigest()}
    result |= {"sent": 0, "network": (0.0, math.inf)}
    if group is not None:
        assert not group.size > 1 or unshared is None, unshared
        before = group.sent
        step(x, y)
        result |= {"sent": group.sent - before, "network": measured_network(group)}
        every = group.gather(result)
        result["seconds"] = max(r["seconds"] for r in every)
        assert len({r["bits"] for r in every}) == 1, "ranks differ"
    if group is None or group.rank == 0:
        print(json.dumps(result), flush=True)


def measured_network(group: Any) -> tuple[float, float]:
    """Latency in seconds, and bytes a second that a rank gets, of exchanges among these ranks."""
    if group.size == 1:
        return 0.0, math.inf
    times = []
    for size in (64, 2**22):
        rows = np.zeros((group.size, size), np.uint8)
        ends = tuple(range(1, group.size + 1))
        found = []
        for _ in range(30):
            group.barrier()
            start = time.perf_counter()
            group.wait([group.begin_gather(rows, ends)])
            found.append(time.perf_counter() - start)
        times.append(float(np.median(found)))
    apart = max(times[1] - times[0], 1e-9)
    return times[0], (group.size - 1) * 2**22 / apart


def launched(args: argparse.Namespace, model: str, ranks: int, threads: int) -> dict[str, Any]:
    """Run a rank, or several; what the first one found."""
    command = [sys.executable, __file__, "--worker", "--model", model]
    command += ["--batch", str(args.batch or BATCHES[model]), "--steps", str(args.steps)]
    command += ["--ranks", str(ranks), "--threads", str(threads)]
    command += ["--batch_norm", args.batch_norm, *(["--allreduce"] if args.allreduce else [])]
    if ranks:
        mpiexec = shutil.which(
            "mpiexec", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        )
        assert mpiexec is not None, "there is no mpiexec: pip install 'npnet[mpi]'"
        command[1:1] = ["-m", "mpi4py"]
        command = [mpiexec, "-n", str(ranks), *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    found: dict[str, Any] = json.loads(lines[-1])
    return found


# ---- the model of the cost ---------------------------------------------------------------------


@dataclass
class Event:
    """What a rank does next.

    Attributes:
        kind: "compute" for `seconds`; "begin" an exchange of `nbytes` in all; "wait" for exchanges.
        which: the numbers of the exchanges that are begun, or waited for.
    """

    kind: str
    seconds: float = 0.0
    nbytes: int = 0
    which: tuple[int, ...] = ()


class Recorder(Group):
    """A rank that exchanges nothing, and writes down when it would.

    The others' rows are copies of its own: with what they hold, kernels take as long.
    """

    def __init__(self, size: int) -> None:
        self.rank, self.size, self.sums = 0, size, False
        self.events: list[Event] = []
        self._last, self._number = time.perf_counter(), 0

    def _note(self, event: Event) -> None:
        now = time.perf_counter()
        self.events += [Event("compute", now - self._last), event]
        self._last = time.perf_counter()

    def start(self) -> None:
        self.events, self._last, self._number = [], time.perf_counter(), 0

    def stop(self) -> list[Event]:
        self._note(Event("wait"))
        return self.events

    def begin_gather(self, array: Array, ends: Ends) -> int:
        self._number += 1
        self._note(Event("begin", nbytes=array.nbytes, which=(self._number,)))
        for start, end in itertools.pairwise(ends):
            array[start:end] = array[np.arange(end - start) % ends[0]]
        self._last = time.perf_counter()
        return self._number

    def begin_sum(self, array: Array) -> int:
        return self.begin_gather(array, (len(array),))

    def wait(self, begun: Sequence[int]) -> None:
        self._note(Event("wait", which=tuple(begun)))

    def gather(self, value: Any) -> list[Any]:
        return [value] * self.size

    def broadcast(self, value: Any) -> Any:
        return value

    def barrier(self) -> None:
        pass


def recorded(model: str, batch: int, ranks: int, steps: int) -> list[Event]:
    """What one of so many ranks does in a step, with the medians of its times."""
    recorder = Recorder(ranks)
    _, step, x, y = training_step(model, batch, recorder)
    every = []
    # Without the other ranks' images, a program gives other values than the model itself.
    with mock.patch("npnet.compiler.cache._are_alike", return_value=True):
        step(x, y)
    for _ in range(WARM_UP + steps):
        recorder.start()
        step(x, y)
        every.append(recorder.stop())
    assert step.unshared is None, step.unshared
    npnet.base.group.set_group(None)
    every = every[WARM_UP:]
    first = every[0]
    for k, event in enumerate(first):
        event.seconds = float(np.median([events[k].seconds for events in every]))
    return first


def fitted(few: list[Event], many: list[Event], ranks: tuple[int, int]) -> Iterator[Event]:
    """Events whose seconds are (share of the images, what every rank does), by two shares."""
    for a, b in zip(few, many, strict=True):
        assert (a.kind, a.which) == (b.kind, b.which), "two shares do other things"
        images = max(0.0, (a.seconds - b.seconds) / (1 / ranks[0] - 1 / ranks[1]))
        images = min(images, a.seconds * ranks[0])
        yield Event(a.kind, images, a.nbytes, a.which)


def simulated(
    share: Sequence[Event],
    whole: Sequence[Event],
    ranks: int,
    images: float,
    latency: float,
    bandwidth: float,
    larger: float = 1.0,
) -> float:
    """Seconds of a step.

    An exchange of M bytes takes latency * log2(ranks) + M (ranks - 1) / ranks / bandwidth, as an
    all-gather by doubling does; one begins when the one before it has ended.

    Args:
        share: events with the seconds that all images of the batch take one rank.
        whole: the same events, with the seconds of one of `MOST_CHUNKS` ranks.
        images: which part of the batch a rank has, times the batches of this size that there are.
        larger: times the bytes of an exchange, where there are more parts or images than in this
            batch.
    """
    now = free = 0.0
    done: dict[int, float] = {}
    hops = math.log2(ranks) if ranks > 1 else 0.0
    for event, base in zip(share, whole, strict=True):
        if event.kind == "compute":
            everybody = max(0.0, base.seconds - event.seconds / MOST_CHUNKS)
            now += event.seconds * images + everybody
        elif event.kind == "begin" and ranks > 1:
            moved = larger * event.nbytes * (ranks - 1) / ranks
            free = max(free, now) + latency * hops + moved / bandwidth
            done[event.which[0]] = free
        elif event.kind == "wait":
            now = max([now, *[done.get(k, 0.0) for k in event.which]])
    return now


# ---- tables ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """A row: how many ranks, their step, what they sent, and what the model says."""

    model: str
    batch: int
    ranks: int
    seconds: Timing
    sent: int
    predicted: float


def measure(args: argparse.Namespace, cores: int) -> None:
    columns = ["network", "batch", "ranks x threads", "ms a step", "x one process", "predicted ms"]
    columns += ["each sends", "latency, bandwidth of the exchanges"]
    title = "steps of several ranks on this machine: median [quartiles]"
    table = Table(title, environment(cores), columns, args.json)
    for model in args.models:
        batch = args.batch or BATCHES[model]
        ways = dict.fromkeys([(0, cores), (0, 1), *[(n, 1) for n in args.ranks_list]])
        found: dict[tuple[int, int], list[dict[str, Any]]] = {way: [] for way in ways}
        for _ in range(args.rounds):
            for ranks, threads in ways:
                found[ranks, threads].append(launched(args, model, ranks, threads))
        bits = {r["bits"] for runs in found.values() for r in runs}
        assert args.allreduce or len(bits) == 1, "the ranks have other bits than one process"
        predicts = args.batch_norm == "batch"
        if predicts:
            npnet.set_num_threads(1)
            many = recorded(model, batch, MOST_CHUNKS, LEAST_STEPS)
            share = list(fitted(recorded(model, batch, 2, LEAST_STEPS), many, (2, MOST_CHUNKS)))
        one = np.median([r["seconds"] for r in found[0, cores]])
        for (ranks, threads), runs in found.items():
            seconds = Timing(*np.quantile([r["seconds"] for r in runs], [0.5, 0.25, 0.75]).tolist())
            latency, bandwidth = np.median([r["network"] for r in runs], axis=0).tolist()
            at_once = max(1, ranks / cores)  # ranks that take turns on a core
            predicted = math.nan
            if ranks and predicts:
                images = max(1, at_once) / ranks
                predicted = simulated(share, many, ranks, images, latency, bandwidth)
            row = [
                model,
                str(batch),
                f"{ranks} x {threads}" if ranks else f"1 process x {threads}",
                f"{1e3 * seconds.median:.1f} [{1e3 * seconds.first_quartile:.1f}, "
                f"{1e3 * seconds.third_quartile:.1f}]",
                f"{one / seconds.median:.2f}",
                f"{1e3 * predicted:.1f}" if ranks and predicts else "",
                f"{runs[0]['sent'] / 1e6:.2f} MB" if ranks else "",
                f"{1e6 * latency:.0f} us, {bandwidth / 1e9:.1f} GB/s" if ranks > 1 else "",
            ]
            table.add(row, Measured(model, batch, ranks, seconds, runs[0]["sent"], predicted))
    table.close()


def carry(args: argparse.Namespace) -> None:
    """What the model says of machines with one rank each, of one thread."""
    npnet.set_num_threads(1)
    for model in args.models:
        batch = args.batch or BATCHES[model]
        many = recorded(model, batch, MOST_CHUNKS, LEAST_STEPS)
        share = list(fitted(recorded(model, batch, 2, LEAST_STEPS), many, (2, MOST_CHUNKS)))
        print(f"\n{model}: times the images a second of one rank, by the model of the cost\n")
        print(f"| network | scaling | {' | '.join(f'{n} ranks' for n in RANKS)} |")
        print(f"| --- | --- |{' --- |' * len(RANKS)}")
        for name, (latency, bandwidth) in NETWORKS.items():
            alone = simulated(share, many, 1, 1.0, latency, bandwidth)
            strong, weak = [], []
            for n in RANKS:
                parts = max(MOST_CHUNKS, n) / MOST_CHUNKS
                step = simulated(share, many, n, 1 / n, latency, bandwidth, parts)
                strong.append(f"{alone / step:.1f}")
                # at most: of more images there are more activations, but not more gradients
                step = simulated(share, many, n, 1.0, latency, bandwidth, float(n))
                weak.append(f"{n * alone / step:.1f}")
            print(f"| {name} | strong, batch {batch} | {' | '.join(strong)} |")
            print(f"| {name} | weak, batch {batch} a rank | {' | '.join(weak)} |")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["lenet5", "resnet20"], choices=SHAPES)
    parser.add_argument("--batch", type=int, help="default: 512 for lenet5, else 128")
    parser.add_argument("--ranks_list", nargs="+", type=int, default=[1, 2], metavar="RANKS")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="of each round")
    parser.add_argument("--threads", type=int, default=2, help="of the one process")
    parser.add_argument("--batch_norm", choices=["batch", "shard"], default="batch",
                        help="whose statistics it takes; shards have no prediction")  # fmt: skip
    parser.add_argument("--allreduce", action="store_true", help="let MPI add up gradients")
    parser.add_argument(
        "--carry", action="store_true", help="to other networks, by the model alone"
    )
    parser.add_argument("--json", help="write the results to this file")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)  # of a rank
    parser.add_argument("--model", help=argparse.SUPPRESS)
    parser.add_argument("--ranks", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.worker:
        work(args)
    elif args.carry:
        carry(args)
    else:
        measure(args, args.threads)


if __name__ == "__main__":
    main()
