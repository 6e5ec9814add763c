"""What the drawings and tables say of npnet, read off npnet itself, for both kinds of CPU.

A process by itself is told that its CPU has AVX2 alone, or AVX-512, and builds the programs of a
training step of LeNet-5 and ResNet-20. Kernels are listed and neither compiled nor run, so that any
machine finds the same:

    python docs/drawn/facts.py          # for the CPU that it is told by NUMBA_CPU_FEATURES
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
AVX2 = "+avx,+avx2,+fma,+bmi,+bmi2,+f16c,+lzcnt,+movbe,+popcnt,+sse4.1,+sse4.2"
CPUS = {"AVX2": ("haswell", AVX2), "AVX-512": ("skylake-avx512", f"{AVX2},+avx512f")}
NETWORKS, BATCH, CLASSES, THREADS = ("lenet5", "resnet20"), 128, 10, 2


@functools.cache
def facts() -> dict[str, Any]:
    """By the kind of CPU, what a process finds that is told of it."""
    with ThreadPoolExecutor() as pool:
        return dict(zip(CPUS, pool.map(_found, CPUS), strict=True))


def _found(cpu: str) -> Any:
    name, features = CPUS[cpu]
    told = {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features, "NPNET_BACKEND": "numba"}
    told["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, __file__],
        env=os.environ | told, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if run.returncode:
        raise RuntimeError(f"the facts of {cpu} were not found:\n{run.stderr}")
    return json.loads(run.stdout.splitlines()[-1])


# ---- in a process by itself --------------------------------------------------------------------


def tiles() -> dict[str, list[int]]:
    """Rows and columns of the register tiles, by what they are for."""
    from npnet.kernels import linear, simd, winograd
    from npnet.kernels.channel_lanes import PIXELS_SHAPE

    shapes = {
        "convolution, 6 outputs": simd.product_shape(6),
        "convolution, 16 outputs": simd.product_shape(16),
        "convolution, 20 outputs": simd.product_shape(20),
        "depthwise convolution": simd.product_shape(1),
        "gradient of the weights, few channels": simd.lane_shape(16),
        "gradient of the weights, channels in lanes": simd.row_shape(32),
        "Winograd's products": winograd.FREQUENCY_SHAPE,
        "linear layer, whole batch": linear.SHAPE,
        "linear layer, block by block": linear.BLOCK_SHAPE,
        "few images, channels in lanes": PIXELS_SHAPE,
    }
    return {name: [int(s.rows), int(s.columns)] for name, s in shapes.items()}


def program(name: str) -> dict[str, Any]:
    """The phases of a network's compiled step, and the bytes that go by in it and in the loop."""
    import npnet
    from npnet import models
    from npnet.kernels.program import SLOT
    from npnet.nn import functional as F

    spec, phases = models.MODELS[name], []
    model = models.create(name)
    size = spec.size_for(32)
    x = npnet.zeros(BATCH, spec.in_channels, size, size)
    y = npnet.zeros(BATCH, dtype=npnet.int64)
    optimizer = npnet.optim.SGD(model.parameters(), lr=0.01)
    with _built() as (found, slots):
        step = npnet.compile(model, F.cross_entropy, optimizer)
        step.gradients(x, y)
    if step.fallback is not None:
        raise RuntimeError(f"{name} has no program: {step.fallback}")
    for phase in found[-1]:
        calls = [
            [c.task.__name__, c.count, "slot" if c.by == SLOT else "block"] for c in phase.calls
        ]
        phases.append({"items": phase.items, "parts": phase.parts, "late": phase.late,
                       "together": phase.together, "calls": calls})  # fmt: skip
    work = [c for phase in found[-1] for c in phase.calls]
    near, far = _bytes([(c.task, c.arguments) for c in work], slots)
    with _called() as called:
        F.cross_entropy(model(x), y).backward()
    _, loop = _bytes(called, {})
    own = sum(size for size, _ in slots.values())
    return {"phases": phases, "slot": own, "near": near, "far": far, "loop": loop}


Work = list[tuple[Any, tuple[Any, ...]]]  # tasks and their arguments


@contextlib.contextmanager
def _built() -> Iterator[tuple[list[Any], dict[int, tuple[int, int]]]]:
    """The phases of programs that are built meanwhile, and the bytes of each array of slots."""
    from npnet.compiler import build
    from npnet.kernels.program import SLOT
    from npnet.lanes.plan import Recorded

    found: list[Any] = []
    slots: dict[int, tuple[int, int]] = {}  # by address: bytes of a slot, slots
    make, empty = build.Program, Recorded.empty

    def noted(phases: Any) -> Any:
        found.append(list(phases))
        return make(phases)

    def noted_empty(self: Any, shape: Any, by: int = 0) -> Any:
        buffer = empty(self, shape, by)
        if by == SLOT:
            a = buffer.array
            slots[a.ctypes.data] = (a.nbytes // len(a), len(a))
        return buffer

    build.Program, Recorded.empty = noted, noted_empty
    try:
        yield found, slots
    finally:
        build.Program, Recorded.empty = make, empty


@contextlib.contextmanager
def _called() -> Iterator[Work]:
    """The tasks that are called meanwhile, each on the whole batch."""
    from npnet.kernels._task import Task

    called: Work = []
    call = Task.__call__

    def noted(self: Any, *arguments: Any) -> None:
        called.append((self, arguments))
        call(self, *arguments)

    Task.__call__ = noted
    try:
        yield called
    finally:
        Task.__call__ = call


def _bytes(work: Work, slots: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Of a batch: bytes that kernels work on in the threads' slots, and in arrays of the batch.

    Each array counts once a call, whether it is read, written or both; scratch does not count.
    """
    from npnet.kernels.lanes import block_count

    near = far = 0
    for task, arguments in work:
        lasting = {a.ctypes.data: a.nbytes for a in task.lasting(arguments)}
        of_slots = {a.ctypes.data for a in task.arrays(arguments)} & slots.keys()
        near += sum(slots[address][0] for address in of_slots) * block_count(BATCH)
        far += sum(size for address, size in lasting.items() if address not in slots)
    return near, far


def main() -> None:
    """Print what there is, in one line."""
    sys.path[:0] = [str(ROOT)]
    np.empty = np.zeros  # what is never computed shall be the same each time
    import npnet

    npnet.set_num_threads(THREADS)
    from npnet.kernels import _task, simd

    with warnings.catch_warnings(), _task.listing(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        programs = {name: program(name) for name in NETWORKS}
    print(json.dumps({"wide": simd.WIDE, "tiles": tiles(), "programs": programs}))


if __name__ == "__main__":
    main()
