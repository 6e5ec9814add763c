"""The same in two ways of npnet: by kernels and NumPy, compiled and eager, on several threads."""

from __future__ import annotations

import contextlib
import copy
import warnings
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from npnet import nn, optim
from npnet.backend import by_kernels, by_numpy
from npnet.base.arrays import Array
from npnet.base.extras import lacking
from npnet.base.threads import get_num_threads, set_num_threads
from npnet.lanes.choice import suits_lanes
from npnet.nn import functional as F
from npnet.random import drawing_apart
from npnet.tape import Function, result
from npnet.tensor import Tensor
from npnet.verify.claims import BOUNDS, CANCELS, Claim, Worst, largest, named, told
from npnet.verify.subjects import SAMPLES, Case, Results, computed, prepared

__all__ = ["compiled_against_eager", "kernels_against_numpy", "one_thread_against_several"]

STEPS = 3  # of training
# As BOUNDS, of the way that a weight has gone: what rounding did in the first step goes through all
# layers again in the next ones.
TRAINED = {
    False: (1e-4, "of the longest way in a tensor: float32 leaves 1e-6, Winograd's algorithm 1e-5"),
    True: (
        2e-2,
        f"of the longest way in a tensor: what rounding did in the first of {STEPS} steps goes "
        "through all layers again in the next",
    ),
}
THREADS = (1, 2, 3)
CLASSES = 3  # behind a layer that is compiled


def _given(case: Case, seed: int) -> Sequence[Any]:
    return case.draw(np.random.default_rng((seed, zlib.crc32(case.name.encode()))), SAMPLES)


# ---- kernels -------------------------------------------------------------------------------------


def _in_lanes(array: Array) -> Tensor:
    from npnet.lanes.layout import to_lanes

    x = result(array)
    return result(to_lanes(x.array)) if suits_lanes(x) else x


def kernels_used(root: Any) -> int:
    """How many ops behind a result kernels did."""
    from npnet.lanes.function import LaneFunction

    count, ahead, seen = 0, [root._grad_fn], set()
    while ahead:
        node = ahead.pop()
        if not isinstance(node, Function) or id(node) in seen:
            continue
        seen.add(id(node))
        count += isinstance(node, LaneFunction)
        ahead += node.parents
    return count


def kernels_against_numpy(cases: Sequence[Case], seed: int, subject: str) -> Claim:
    """The claim that the compiled kernels compute what NumPy does, in float32."""
    is_network = any(case.is_network for case in cases)
    bound, why = BOUNDS[is_network]
    claim = Claim(
        "kernels", subject, "outputs and gradients by the Numba kernels, float32", "NumPy's"
    )
    if missing := lacking("kernels"):
        return replace(claim, note=f"not installed: {', '.join(missing)}")
    worst, left = Worst(), {}
    for case in cases:
        given = _given(case, seed)
        try:
            with by_kernels():
                ours = computed(prepared(case, np.float32), given, np.float32, seed, _in_lanes)
                used = kernels_used(ours.root)
        except ImportError as error:
            return replace(claim, note=str(error))
        if not used:
            left[case.name] = "has no kernels, NumPy computes it"
            continue
        with by_numpy():
            theirs = computed(prepared(case, np.float32), given, np.float32, seed)
        _add(worst, ours, theirs, case.name)
    return told(claim, worst, left, bound, why)


def _add(worst: Worst, ours: Results, theirs: Results, name: str) -> None:
    floor = CANCELS * largest([*theirs.gradients.values()])
    worst.add_pairs(ours.outputs, theirs.outputs, name)
    worst.add_pairs(named(ours.gradients), named(theirs.gradients), name, floor)
    worst.add_pairs(ours.buffers, theirs.buffers, name)


# ---- compiled ------------------------------------------------------------------------------------


def _trainable(case: Case, seed: int) -> tuple[nn.Module, Any, Tensor, Tensor] | str:
    """A network to train, its loss, a batch and its targets; or why there is none."""
    given = _given(case, seed)
    if len(given) != 1 or given[0].array.dtype.kind != "f":
        return "does not take one batch of floats"
    x = result(given[0].array.astype(np.float32))
    with drawing_apart(seed):
        y = prepared(case, np.float32)(x)
        if not isinstance(y, Tensor) or y.ndim < 2 or len(y) != SAMPLES:
            return "does not give a row for each image"
        model = prepared(case, np.float32)
        if not case.is_network:
            model = _between(model, x, int(np.prod(y.shape[1:])))
        elif y.ndim != 2:
            return "does not give logits"
    if not any(p.requires_grad for p in model.parameters()):
        return "has no weights that learn"
    if case.is_network and not y.requires_grad:
        return "gives what hangs on no weight: it was detached, or has no derivative"
    classes = np.random.default_rng(seed).integers(
        0, CLASSES if not case.is_network else y.shape[1], SAMPLES
    )
    return model.train(case.training), F.cross_entropy, x, result(classes)


def _between(layer: nn.Module, x: Tensor, features: int) -> nn.Module:
    """A layer with one before it that programs begin with, and a classifier behind."""
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if not isinstance(layer, (nn.Conv2d, nn.Linear)):
        images, size = x.ndim == 4, x.shape[1 if x.ndim == 4 else -1]
        before = nn.Conv2d(size, size, 3, padding=1) if images else nn.Linear(size, size)
        parts["layer before"] = before
    parts |= {"layer": layer, "rows": nn.Flatten()}
    parts["classifier behind"] = nn.Linear(features, CLASSES)
    return nn.Sequential(parts)


def compiled_against_eager(cases: Sequence[Case], seed: int, subject: str) -> Claim:
    """The claim that a compiled training step does what the loop does."""
    bound, why = TRAINED[any(case.is_network for case in cases)]
    claim = Claim(
        "compiled",
        subject,
        f"weights after {STEPS} steps of npnet.compile, float32",
        "the same steps of the eager loop",
    )
    if missing := lacking("kernels"):
        return replace(claim, note=f"not installed: {', '.join(missing)}")
    from npnet.compiler.cache import OTHER_VALUES

    worst, left = Worst(), {}
    for case in cases:
        made = _trainable(case, seed)
        if isinstance(made, str):
            left[case.name] = made
            continue
        try:
            with by_kernels():
                ours, fallback = _trained(made, seed, by_program=True)
                theirs, _ = _trained(made, seed, by_program=False)
        except ImportError as error:
            return replace(claim, note=str(error))
        if fallback == OTHER_VALUES and not case.is_network:
            # A network may compute beside the tape, for which a program steps aside; no layer does.
            worst.add(float("inf"), f"{case.name}: {fallback}")
        elif fallback is not None:
            left[case.name] = f"runs as the eager loop ({fallback})"
        else:
            floor = CANCELS * largest([*theirs.values()])
            worst.add_pairs(ours, theirs, case.name, floor)
    return told(claim, worst, left, bound, why)


def _trained(made: Any, seed: int, by_program: bool) -> tuple[dict[str, Array], str | None]:
    """The ways of all weights in some steps, and why there was no program."""
    from npnet.compiler import compile  # which needs the libraries of the kernels

    start, criterion, x, y = made
    model = copy.deepcopy(start)
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    step = compile(model, criterion, optimizer) if by_program else None
    with drawing_apart(seed), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no program is in `fallback`
        for _ in range(STEPS):
            if step is not None:
                step(x, y)
                continue
            optimizer.zero_grad()
            criterion(model(x), y).backward()
            optimizer.step()
    before = start.state_dict()
    ways = {
        f"the way of {name}": after.numpy() - before[name].numpy()
        for name, after in model.state_dict().items()
        if after.dtype.kind == "f"
    }
    return ways, None if step is None else step.fallback


# ---- threads -------------------------------------------------------------------------------------


def one_thread_against_several(cases: Sequence[Case], seed: int, subject: str) -> Claim:
    """The claim that the number of threads changes no bit."""
    claim = Claim(
        "threads",
        subject,
        "outputs and gradients on one thread, float32",
        f"the same on {' and '.join(map(str, THREADS[1:]))} threads, bit for bit",
    )
    if "threadpoolctl" in lacking("kernels"):
        return replace(claim, note="not installed: threadpoolctl, which sets BLAS's threads")
    worst = Worst()
    with _threads_restored():
        runs = []
        for count in THREADS:
            set_num_threads(count)
            runs.append([_bits(case, seed) for case in cases])
    for others in runs[1:]:
        for case, first, other in zip(cases, runs[0], others, strict=True):
            for name in first.keys() | other.keys():
                same = name in first and name in other and _same(first[name], other[name])
                worst.add(0.0 if same else 1.0, f"{name} of {case.name}")
    return told(claim, worst, {}, 0.0, "sums are made in an order that hangs on the batch alone")


def _same(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def _bits(case: Case, seed: int) -> dict[str, Array]:
    """All results of a module, and its weights after some steps of a program."""
    found = computed(prepared(case, np.float32), _given(case, seed), np.float32, seed)
    arrays = {**found.outputs, **named(found.gradients), **found.buffers}
    made = _trainable(case, seed)
    if not isinstance(made, str) and not lacking("kernels"):
        arrays |= _trained(made, seed, by_program=True)[0]
    return arrays


@contextlib.contextmanager
def _threads_restored() -> Iterator[None]:
    before = get_num_threads()
    try:
        yield
    finally:
        set_num_threads(before)
