"""Run a program in PyTorch or on npnet, with all that is drawn at random drawn by NumPy."""

from __future__ import annotations

import contextlib
import importlib
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from npnet.drop_in import find_program, torch_is_npnet
from tests.torchvision_import import import_torchvision

__all__ = ["FOLDER", "PROGRAMS", "run"]

FOLDER = Path(__file__).parent
_NOT_PROGRAMS = ("__init__", "shared", "both", "test_programs")
PROGRAMS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in _NOT_PROGRAMS)


def run(name: str, library: str, threads: int = 1) -> list[float]:
    """The losses of a program of this folder, run in "torch" or "npnet".

    For networks as small as the tests' one thread is best: more only wait for each other.
    """
    if library == "torch":
        import_torchvision()
    stand_in = torch_is_npnet() if library == "npnet" else contextlib.nullcontext()
    with stand_in, _as_in_a_process_of_its_own(), _same_draws(threads):
        program, _ = find_program([str(FOLDER / f"{name}.py")])
        program.run([])
        losses = sys.modules["__main__"].losses
    return [float(loss) for loss in losses]


@contextlib.contextmanager
def _as_in_a_process_of_its_own() -> Iterator[None]:
    argv, path, hook = sys.argv, sys.path[:], sys.excepthook
    main, switches = sys.modules["__main__"], np.random.get_state()
    sys.modules.pop("shared", None)
    random.seed(0)
    np.random.seed(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # programs of others use names that PyTorch deprecates
            yield
    finally:
        sys.argv, sys.path[:], sys.excepthook = argv, path, hook
        sys.modules["__main__"] = main
        sys.modules.pop("shared", None)
        np.random.set_state(switches)


# ---- draws ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def _same_draws(threads: int) -> Iterator[None]:
    """In either library, take what is drawn from one generator of NumPy."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(threads)
    draws = _Draws(torch)
    replaced: list[tuple[Any, str, Callable[..., Any]]] = [
        (torch, "rand", draws.rand),
        (torch, "randn", draws.randn),
        (torch, "rand_like", lambda x: draws.rand(*x.shape)),
        (torch, "randn_like", lambda x: draws.randn(*x.shape)),
        (torch, "randint", draws.randint),
        (torch, "randperm", draws.randperm),
        (torch.nn.functional, "dropout", draws.dropout),
        (torch.nn.functional, "dropout2d", draws.dropout2d),
        (torch.utils.data.RandomSampler, "__iter__", lambda s: draws.in_random_order(s)),
        (torch.utils.data.WeightedRandomSampler, "__iter__", lambda s: draws.by_weights(s)),
    ]
    before = [(where, name, getattr(where, name)) for where, name, _ in replaced]
    try:
        for where, name, value in replaced:
            setattr(where, name, value)
        yield
    finally:
        for where, name, value in before:
            setattr(where, name, value)


class _Draws:
    """Of a library, by NumPy."""

    def __init__(self, torch: ModuleType) -> None:
        self.torch = torch
        self.rng = np.random.default_rng(1)

    def _tensor(self, values: Any, requires_grad: bool = False, **_: Any) -> Any:
        tensor = self.torch.from_numpy(np.asarray(values))
        return tensor.requires_grad_() if requires_grad else tensor

    def rand(self, *size: Any, **options: Any) -> Any:
        return self._tensor(self.rng.random(_shape(size), np.float32), **options)

    def randn(self, *size: Any, **options: Any) -> Any:
        return self._tensor(self.rng.standard_normal(_shape(size), np.float32), **options)

    def randint(self, *bounds: int, size: Any = None, **options: Any) -> Any:
        *limits, size = bounds if size is None else (*bounds, size)
        low, high = limits if len(limits) == 2 else (0, *limits)
        return self._tensor(self.rng.integers(low, high, size), **options)

    def randperm(self, n: int, **options: Any) -> Any:
        return self._tensor(self.rng.permutation(n))

    def dropout(self, x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
        return self._dropped(x, tuple(x.shape), p, training)

    def dropout2d(
        self, x: Any, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Any:
        return self._dropped(x, (*x.shape[:2], 1, 1), p, training)

    def _dropped(self, x: Any, shape: tuple[int, ...], p: float, training: bool) -> Any:
        if not training:
            return x
        kept = (self.rng.random(shape) >= p) / (1 - p)
        return x * self._tensor(kept.astype(np.float32))

    def in_random_order(self, sampler: Any) -> Iterator[int]:
        return iter(self.rng.permutation(len(sampler.data_source)).tolist())

    def by_weights(self, sampler: Any) -> Iterator[int]:
        weights = np.asarray(sampler.weights, np.float64)
        n = sampler.num_samples
        return iter(self.rng.choice(len(weights), n, p=weights / weights.sum()).tolist())


def _shape(size: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
