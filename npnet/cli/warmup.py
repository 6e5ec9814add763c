"""`npnet warmup`: compile every kernel ahead, so that no later process has to wait for one."""

from __future__ import annotations

import functools
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import npnet
from npnet import __version__, models, nn
from npnet.backend import get_backend
from npnet.base.files import atomic_write
from npnet.runs.commands import reason, run_command
from npnet.runs.errors import ConfigError
from npnet.runs.flags import read_flags
from npnet.runs.optimizers import OPTIMIZERS
from npnet.training.config import CRITERIA

__all__ = ["SETTINGS", "Options", "main", "tasks"]

DONE = "warm.json"  # in the kernels' folder: what was compiled ahead
IMAGES, CLASSES = 17, 10  # a whole block of sixteen, and one that is not
MEGABYTE = 1e6
LINES = 10  # that a file or a pipe is told of the progress
_HOW_TO_GET_NUMBA = "unset NPNET_BACKEND and NUMBA_DISABLE_JIT, and pip install 'npnet[kernels]'"


@dataclass(frozen=True)
class Options:
    """Compile all kernels of npnet for this machine and keep them on disk.

    It takes a minute or two and is done once; without it, a kernel is compiled when it is first
    used.
    """


SETTINGS = Options


def main(argv: Sequence[str], prog: str = "npnet warmup") -> int:
    """Compile everything. Returns the exit code."""
    stopped = "stopped; what was compiled is kept, npnet warmup goes on from there"

    def work() -> None:
        read_flags(argv, Options(), prog)
        _warm_up()

    return run_command(work, prog, stopped)


def _warm_up() -> None:
    if get_backend() != "numba":
        raise ConfigError(f"the numpy backend has no kernels; {_HOW_TO_GET_NUMBA}")
    from npnet.kernels import _jit

    try:
        folder = _jit.make_folder()
        if _is_done(folder / DONE):
            print(f"nothing to do: all kernels are in {folder}")
        else:
            _compile_all(folder)
    except OSError as error:
        raise ConfigError(
            f"kernels can't be kept: {reason(error)}; "
            "name a folder that can be written by NUMBA_CACHE_DIR"
        ) from None


def tasks() -> dict[str, Callable[[], None]]:
    """By name, what uses every kernel together: each is a few steps on a small batch."""
    work: dict[str, Callable[[], None]] = {}
    for name in models.MODELS:
        for channels in (1, 3):
            work[f"{name}, {channels} channels"] = _training(name, channels)
    for rule in OPTIMIZERS:
        work[rule] = _training("lenet5", 1, optimizer=rule, clip_grad_norm=1.0)
    work["moving average"] = _training("lenet5", 1, ema=0.9)
    for criterion in CRITERIA:
        work[criterion] = _training("lenet5", 1, criterion=criterion)
    for layer in _layers():
        work[repr(layer)] = functools.partial(_train_layer, layer)
    work["LSTM"] = _read_rows
    work["direct convolution"] = _without_winograd
    work["augmentation"] = _augment
    return work


def _training(model: str, channels: int, **options: Any) -> Callable[[], None]:
    """Train the network for two batches and test it, as the trainer does and in a user's loop."""

    def run() -> None:
        from npnet.train import build
        from npnet.training.config import Config
        from npnet.training.data import Data, Split
        from npnet.training.trainer import evaluate

        size = models.MODELS[model].size_for(32)
        rng = np.random.default_rng(0)
        x = rng.integers(0, 256, (2 * IMAGES, channels, size, size), dtype=np.uint8)
        split = Split(x, np.arange(len(x)) % CLASSES)
        classes = tuple(str(k) for k in range(CLASSES))
        data = Data("random", classes, split, split, split, (0.5,) * channels, (0.3,) * channels)
        learner = build(Config(model=model, batch_size=IMAGES, **options), data)
        for images, labels in data.batches(split, IMAGES):
            learner.train_step(images, labels)
            logits = learner.model.train()(npnet.from_numpy(images))
            nn.functional.cross_entropy(logits, npnet.from_numpy(labels)).backward()
            learner.optimizer.step()
        evaluate(learner, data, split)
        compiled = npnet.compile(learner.model)
        with npnet.no_grad():
            for n in (1, IMAGES):
                learner.predict(images[:n])
                compiled(npnet.from_numpy(images[:n]))

    return run


def _augment() -> None:
    """Transform bytes as `--augment` does."""
    images, rng = np.zeros((IMAGES, 1, 32, 32), np.uint8), np.random.default_rng(0)
    for interpolation in ("nearest", "bilinear"):
        npnet.transforms.RandomAffine(10, interpolation=interpolation).transform(images, rng)


def _layers() -> Iterator[nn.Module]:
    """Layers that no network of the registry has, or not with this option."""
    for kernel, stride in ((1, 1), (1, 2), (3, 1), (3, 2), (5, 1), (5, 2), (7, 2)):
        yield nn.Conv2d(16, 24, kernel, stride, padding=kernel // 2)
    yield from (nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.ConvTranspose2d(16, 1, 4, 2, 1))
    yield from (nn.MaxPool2d(2), nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(2), nn.AvgPool2d(3, 2, 1))
    yield from (nn.AdaptiveAvgPool2d(1), nn.AdaptiveAvgPool2d(3), nn.BatchNorm2d(16))
    yield from (nn.ReLU(), nn.LeakyReLU(), nn.Tanh(), nn.Sigmoid(), nn.Dropout())
    yield from (nn.ELU(), nn.SiLU(), nn.Hardswish(), nn.ReLU6(), nn.Hardsigmoid())
    yield from (nn.SELU(), nn.Softplus(), nn.Mish())
    yield from (nn.GroupNorm(4, 16), nn.LayerNorm((16, 12, 12)), nn.PReLU(16), nn.Dropout2d())


def _train_layer(layer: nn.Module) -> None:
    """Forward and backward behind a convolution, in training and in evaluation, and compiled."""
    first, pixels = nn.Conv2d(3, 16, 3, padding=1), npnet.randn(IMAGES, 3, 12, 12)
    _train_compiled(nn.Sequential(first, layer), pixels)
    for mode in (True, False):
        y = layer.train(mode)(first(pixels))
        (y * y).sum().backward()
        (y + y).flatten(1).detach().numpy()


def _read_rows() -> None:
    """Forward and backward of a recurrent layer whose cell is by kernels."""
    y, _ = nn.LSTM(8, 8)(npnet.randn(2, IMAGES, 8))
    y.sum().backward()


def _train_compiled(model: nn.Module, pixels: npnet.Tensor) -> None:
    """A step of the network that gives images, and of one behind it that gives features."""
    head = nn.Sequential(nn.Flatten(), nn.LazyLinear(8), nn.LayerNorm(8), nn.PReLU())
    with npnet.no_grad():
        images = model(pixels)
        head(images)
    whole = nn.Sequential(*model, *head)
    for network, target in ((model, images), (whole, npnet.zeros(IMAGES, 8))):
        optimizer = npnet.optim.SGD(network.parameters(), lr=0.1)
        npnet.compile(network, nn.functional.mse_loss, optimizer)(pixels, target)


def _without_winograd() -> None:
    npnet.set_winograd(False)
    try:
        for channels in (3, 16, 32, 64):
            conv = nn.Conv2d(channels, 2 * channels, 3, padding=1)
            conv(npnet.randn(IMAGES, channels, 16, 16, requires_grad=True)).sum().backward()
    finally:
        npnet.set_winograd(True)


def _compile_all(folder: Path) -> None:
    from npnet.kernels import _ahead, _jit

    start, before, work = time.perf_counter(), len(_compiled(folder)), tasks()
    _jit.announce()
    helper = _ahead.ask(folder, _ahead.EVERY_KERNEL, _jit.options(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a full disk: it is an error here
        for task in _with_bar(work):
            task()
    if helper is not None:
        helper.end()
    if _jit.reasons_uncached:
        raise ConfigError(f"kernels can't be kept: {_jit.reasons_uncached[0]}")
    atomic_write(folder / DONE, json.dumps(_contents(work)).encode())
    files = _compiled(folder)
    print(
        f"{len(files) - before} kernels compiled in {time.perf_counter() - start:.0f} s; {folder} "
        f"has {len(files)}, {sum(file.stat().st_size for file in files) / MEGABYTE:.1f} MB"
    )


def _with_bar(work: dict[str, Callable[[], None]]) -> Iterator[Callable[[], None]]:
    """The tasks, with a progress bar where the output is a terminal, else some lines."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        for number, (name, task) in enumerate(work.items()):
            if number * LINES // len(work) > (number - 1) * LINES // len(work):
                print(f"{number} of {len(work)} done, now {name}", file=sys.stderr, flush=True)
            yield task
        return
    columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}")
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=len(work))
        for name, task in work.items():
            progress.update(bar, description=name)
            yield task
            progress.advance(bar)


def _compiled(folder: Path) -> list[Path]:
    return list(folder.rglob("*.nbc"))


def _contents(work: dict[str, Callable[[], None]]) -> dict[str, Any]:
    return {"npnet": __version__, "tasks": list(work)}


def _is_done(file: Path) -> bool:
    try:
        return bool(json.loads(file.read_bytes()) == _contents(tasks()))
    except (FileNotFoundError, ValueError):  # never done, or a torn file
        return False
