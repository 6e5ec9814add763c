"""The helper of `kernels._ahead`: compiles what a network's first step needs, from its end."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import npnet
from npnet import models, nn

__all__ = ["main", "train_step"]

IMAGES = 32
NICE = 5  # it gives way to whoever computes


def main() -> None:
    """Arguments: the folder of the session, and a network, or `_ahead.EVERY_KERNEL`."""
    folder, work = Path(sys.argv[1]), sys.argv[2]
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    with contextlib.suppress(AttributeError, OSError):
        os.nice(NICE)
    npnet.set_backend("numba")
    from npnet.kernels import _ahead, _jit

    if _jit.make_folder() != folder.parent:  # the environment does not tell all
        return
    session = _ahead.join(folder)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if work == _ahead.EVERY_KERNEL:
            _do_all()
        else:
            _compile_for(work, session)


def _end_with_parent(folder: Path) -> None:
    sys.stdin.buffer.read()  # until the other end is closed
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _do_all() -> None:
    """What `npnet warmup` does, the last of it first."""
    from npnet.cli.warmup import tasks

    for do in reversed(tasks().values()):
        do()


def _compile_for(network: str, session: Any) -> None:
    """Compile what a step needs and the other process does not compile, the last kernel first."""
    from npnet.kernels import _task

    with _task.listing() as listed:
        train_step(network)
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
