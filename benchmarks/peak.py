"""How fast this machine can multiply and add: what a kernel's speed is a share of."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass

from harness import Table, environment

import npnet
from npnet.kernels import lanes, simd
from npnet.kernels._jit import get_num_threads, kernel
from npnet.kernels._parallel import parallel_for

__all__ = ["peak"]

PEAK_STEPS, PEAK_RUNS = 2**20, 9


def peak() -> float:
    """GFLOP/s of multiply-adds on registers alone, on all threads: the most that can be had."""
    shape, threads = simd.row_shape(), get_num_threads()
    w, x = lanes.zeros((shape.rows,)), lanes.zeros((shape.columns, simd.LANES))
    y = lanes.empty((threads, shape.rows, shape.columns, simd.LANES))
    seconds = []
    for _ in range(PEAK_RUNS):
        start = time.perf_counter()
        _multiply_add(shape, w, x, y)
        seconds.append(time.perf_counter() - start)
    return 2e-9 * y.size * PEAK_STEPS / min(seconds)


@kernel
def _multiply_add(shape, w, x, y):
    parallel_for(multiply_add, y.shape[0], (shape, w, x, y))


@kernel
def multiply_add(shape, w, x, y, k):
    acc = simd.zeros(shape)
    for _ in range(PEAK_STEPS):
        acc = simd.add_products(acc, w, 0, x, 0, simd.LANES)
    right = y.shape[3]
    simd.store_tile(acc, y, k * y[0].size, y[0, 0].size, right, y.shape[1], y.shape[2])


@dataclass(frozen=True)
class Result:
    """One row: what a number of threads reaches."""

    threads: int
    gflops: float


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--json", help="write the results to this file")
    args = parser.parse_args(argv)
    about = environment(args.threads)
    table = Table("multiply-adds, GFLOP/s: most of the rounds", about, ["threads", "GFLOP/s"],
                  args.json)  # fmt: skip
    for threads in sorted({1, args.threads}):
        npnet.set_num_threads(threads)
        most = max(peak() for _ in range(args.rounds))
        table.add([str(threads), f"{most:.0f}"], Result(threads, most))
    table.close(**{"measured peak": f"{most:.0f} GFLOP/s"})


if __name__ == "__main__":
    main()
