"""The self-test of `npnet doctor`: float32 against NumPy in float64, and the speed that is reached.

Each check trains a layer for one step in float32, with the backend in force, and the same layer in
float64, which is NumPy's; outputs and gradients must agree to the rounding of float32.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import npnet
from npnet import models, nn, optim
from npnet.backend import get_backend
from npnet.base.arrays import Array
from npnet.nn import functional as F

__all__ = ["CHECKS", "run"]

IMAGES = 17  # a block of sixteen, and one that is not whole
# Of the largest value: rounding leaves 1e-6, and Winograd's algorithm up to 1e-5.
LARGEST_ERROR = 1e-4
SHARE_OF_CHECKS = 0.6  # of the time; the rest is for speed
Notice = Callable[[str], None] | None


def run(seconds: float, notice: Notice = None) -> dict[str, Any]:
    """All checks and speeds that find time.

    Args:
        notice: called with a line about each.

    Returns:
        "checks": name, error relative to the largest value, and whether that is "ok"; "speed":
        what was measured; "not run": what found no time, as where kernels had to be compiled.
    """
    say = notice or (lambda line: None)
    start = time.perf_counter()
    say(f"self-test: {get_backend()} in float32 against NumPy in float64")
    checks, skipped = [], []
    for name, check in CHECKS.items():
        if time.perf_counter() - start > seconds * SHARE_OF_CHECKS:
            skipped.append(name)
            continue
        with npnet.random.fork_rng():
            npnet.manual_seed(0)  # the same each time: a tie of a maximum could fall otherwise
            error = check()
        checks.append({"name": name, "error": error, "ok": bool(error < LARGEST_ERROR)})
        say(f"  {name:<22} {'ok   ' if error < LARGEST_ERROR else 'WRONG'} error {error:.0e}")
    speed: dict[str, float] = {}
    for name, measure in SPEEDS.items():
        if time.perf_counter() - start > seconds:
            skipped.append(name)
            continue
        speed.update(measure(speed))
    for name, value in speed.items():
        say(f"  {name:<36} {value:>12,.1f}")
    if skipped:
        say(f"  not run, as the time was over: {', '.join(skipped)}")
        kernels = "npnet warmup compiles kernels ahead, and " if get_backend() == "numba" else ""
        say(f"  ({kernels}other programs may be at work: try again)")
    return {
        "checks": checks,
        "speed": speed,
        "not run": skipped,
        "seconds": time.perf_counter() - start,
    }


# ---- right ---------------------------------------------------------------------------------------


def _layer(make: Callable[[], list[nn.Module]], shape: tuple[int, ...]) -> Callable[[], float]:
    """The largest error of the layers' outputs and gradients."""

    def check() -> float:
        random = np.random.default_rng(0)
        model = nn.Sequential(*make())
        x = random.standard_normal((IMAGES, *shape))
        ours = _results(copy.deepcopy(model), x.astype(np.float32))
        right = _results(copy.deepcopy(model).double(), x.astype(np.float32).astype(np.float64))
        return max(map(_error, ours, right))

    return check


def _results(model: nn.Module, x: Array) -> list[Array]:
    """Outputs and all gradients, of x and of the parameters; an op behind keeps them in lanes."""
    inputs = npnet.from_numpy(x).requires_grad_()
    y = model(inputs)
    (y * y).sum().backward()
    tensors = [y.detach(), inputs.grad, *(p.grad for p in model.parameters())]
    return [np.array(tensor.numpy()) for tensor in tensors if tensor is not None]


def _error(a: Array, b: Array) -> float:
    if not np.isfinite(a).all():
        return float("inf")
    return float(np.abs(a - b).max(initial=0) / max(np.abs(b).max(initial=0), 1e-30))


def _conv(channels: int) -> nn.Module:
    # Without a bias, whose gradient is nothing but rounding where a batch norm follows.
    return nn.Conv2d(channels, 16, 3, padding=1, bias=False)


def _training() -> float:
    """Three steps of LeNet-5 as one program: the error of the weights, relative to their way."""
    random = np.random.default_rng(0)
    x = random.standard_normal((IMAGES, 1, 32, 32)).astype(np.float32)
    y = npnet.from_numpy(random.integers(0, 10, IMAGES))
    model = models.create("lenet5")
    ours, right = copy.deepcopy(model), copy.deepcopy(model).double()
    step = npnet.compile(ours, F.cross_entropy, optim.SGD(ours.parameters(), 0.1, momentum=0.9))
    optimizer = optim.SGD(right.parameters(), 0.1, momentum=0.9)
    for _ in range(3):
        step(npnet.from_numpy(x), y)
        optimizer.zero_grad()
        F.cross_entropy(right(npnet.from_numpy(x.astype(np.float64))), y).backward()
        optimizer.step()
    pairs = zip(ours.parameters(), right.parameters(), strict=True)
    return max(_error(a.detach().numpy(), b.detach().numpy()) for a, b in pairs)


CHECKS: dict[str, Callable[[], float]] = {
    "conv2d 5x5, tanh": _layer(lambda: [nn.Conv2d(1, 6, 5), nn.Tanh()], (1, 12, 12)),
    "linear": _layer(lambda: [nn.Linear(120, 84), nn.Linear(84, 10)], (120,)),
    "max_pool2d, relu": _layer(lambda: [_conv(3), nn.ReLU(), nn.MaxPool2d(2)], (3, 12, 12)),
    "avg_pool2d, sigmoid": _layer(lambda: [_conv(3), nn.Sigmoid(), nn.AvgPool2d(2)], (3, 12, 12)),
    "conv2d 3x3": _layer(lambda: [_conv(16), _conv(16)], (16, 12, 12)),
    "batch_norm": _layer(lambda: [_conv(3), nn.BatchNorm2d(16), nn.ReLU()], (3, 12, 12)),
    "LeNet-5, three steps": _training,
}


# ---- fast ----------------------------------------------------------------------------------------


def _rate(work: Callable[[], object], amount: float, seconds: float = 0.4) -> float:
    """`amount` per second, of the best time: others may be at work on the machine."""
    work()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return amount / best


def _peak(_: dict[str, float]) -> dict[str, float]:
    n = 1024
    a = np.random.default_rng(0).standard_normal((n, n), np.float32)
    out = np.empty_like(a)
    return {"matrix product, GFLOP/s": _rate(lambda: np.matmul(a, a, out=out), 2e-9 * n**3)}


def _copying(_: dict[str, float]) -> dict[str, float]:
    a = np.zeros(1 << 24, np.float32)
    b = np.empty_like(a)
    return {"memory, GB/s": _rate(lambda: np.copyto(b, a), 2e-9 * a.nbytes)}


def _convolution(known: dict[str, float]) -> dict[str, float]:
    images, channels, side = 16, 32, 16
    conv = nn.Conv2d(channels, channels, 5, padding=2)
    x = npnet.randn(images, channels, side, side)

    def work() -> None:
        with npnet.no_grad():
            conv(x).numpy()  # which computes it: until then it waits for a ReLU to go with

    flops = 2e-9 * images * channels**2 * side**2 * 25
    reached = _rate(work, flops)
    peak = known.get("matrix product, GFLOP/s")
    share = {"conv2d, percent of that product": 100 * reached / peak} if peak else {}
    return {"conv2d 5x5 forward, GFLOP/s": reached, **share}


def _lenet(_: dict[str, float]) -> dict[str, float]:
    batch = 128
    model = models.create("lenet5")
    x, y = npnet.randn(batch, 1, 32, 32), npnet.randint(0, 10, (batch,))
    step = npnet.compile(model, F.cross_entropy, optim.SGD(model.parameters(), 0.01))
    return {"LeNet-5 training, images/s": _rate(lambda: step(x, y), batch)}


SPEEDS: dict[str, Callable[[dict[str, float]], dict[str, float]]] = {
    "matrix product": _peak,
    "memory": _copying,
    "conv2d": _convolution,
    "LeNet-5": _lenet,
}
