"""The helper of `kernels._ahead`: compiles what a network's first step needs, from its end."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import npnet
from npnet import models, nn

__all__ = ["compile_from_the_end", "main"]

IMAGES = 32
NICE = 5  # it gives way to whoever computes


def main() -> None:
    """Arguments: the folder of the session, and the network."""
    folder, network = Path(sys.argv[1]), sys.argv[2]
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    with contextlib.suppress(AttributeError, OSError):
        os.nice(NICE)
    compile_from_the_end(folder, [lambda: train_step(network)])


def _end_with_parent(folder: Path) -> None:
    sys.stdin.buffer.read()  # until the other end is closed
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def compile_from_the_end(folder: Path, work: Sequence[Callable[[], None]]) -> None:
    """Compile what the work needs and the other process does not compile, the last kernel first."""
    npnet.set_backend("numba")
    from npnet.kernels import _ahead, _jit, _task

    if _jit.make_folder() != folder.parent:  # the environment does not tell all
        return
    session = _ahead.join(folder)
    with _task.listing() as listed, warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for do in work:
            do()
    kernels = {task.kernel._cache.name(types): (task.kernel, types) for task, types in listed}
    session.plan([*kernels])
    for name, (kernel, types) in reversed(kernels.items()):
        if session.claim(name):
            kernel.compile(types)


def train_step(network: str) -> None:
    """A step of a network of the registry, as a user's loop makes it."""
    spec = models.MODELS[network]
    model, size = models.create(network), spec.size_for(32)
    optimizer = npnet.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    logits = model(npnet.randn(IMAGES, spec.in_channels, size, size))
    nn.functional.cross_entropy(logits, npnet.tensor(np.arange(IMAGES) % 10)).backward()
    optimizer.step()
