"""The random numbers of npnet: one generator that `manual_seed` sets, or one that is passed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

__all__ = [
    "Generator",
    "default_generator",
    "fork_rng",
    "initial_seed",
    "manual_seed",
    "numpy_generator",
    "seed",
]


class Generator:
    """A source of random numbers with PyTorch's interface around NumPy's PCG64.

    The numbers are not PyTorch's: the same seed draws other values there.

    Attributes:
        numpy: the `numpy.random.Generator` that draws.

    Example:
        >>> generator = npnet.Generator().manual_seed(1)
        >>> first = npnet.rand(3, generator=generator)
        >>> npnet.equal(first, npnet.rand(3, generator=npnet.Generator().manual_seed(1)))
        True
    """

    def __init__(self, device: str = "cpu") -> None:
        if str(device) != "cpu":
            raise NotImplementedError(f"Generator: npnet runs on the CPU, got device {device!r}")
        self.seed()

    def manual_seed(self, seed: int) -> Generator:
        """Start the sequence of `seed`: any integer, negative ones wrap to 64 bits."""
        self._seed = int(seed) % 2**64
        self.numpy = np.random.default_rng(self._seed)
        return self

    def seed(self) -> int:
        """Start from a seed of the operating system's, and return it."""
        seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed that the present sequence started from."""
        return self._seed

    def get_state(self) -> dict[str, Any]:
        """Where the sequence stands; a tree of numbers and strings that JSON takes."""
        return {"seed": self._seed, "bit_generator": self.numpy.bit_generator.state}

    def set_state(self, state: dict[str, Any]) -> Generator:
        """Go on from where `get_state` stood.

        Raises:
            KeyError, TypeError, ValueError: it is no such state; nothing is changed then.
        """
        # On a copy first: NumPy's setter reads entry by entry, and may fail in the middle.
        trial = type(self.numpy.bit_generator)()
        trial.state = state["bit_generator"]
        self._seed, self.numpy.bit_generator.state = int(state["seed"]), trial.state
        return self


class _State(threading.local):
    apart: np.random.Generator | None = None  # what this thread draws from for a while


_state = _State()


class _DefaultGenerator(Generator):
    """The generator that all threads draw from, but for one that draws apart."""

    @property
    def numpy(self) -> np.random.Generator:
        return self._numpy if _state.apart is None else _state.apart

    @numpy.setter
    def numpy(self, value: np.random.Generator) -> None:
        self._numpy = value


default_generator: Generator = _DefaultGenerator()


@contextmanager
def drawing_apart(seed: int | tuple[int, ...] = 0) -> Iterator[None]:
    """Let this thread draw from a seed of its own: the default generator stays where it is."""
    before, _state.apart = _state.apart, np.random.default_rng(seed)
    try:
        yield
    finally:
        _state.apart = before


def manual_seed(seed: int) -> Generator:
    """Seed the generator that initialisation, dropout, `rand` and shuffling draw from.

    Example:
        >>> _ = npnet.manual_seed(1)
        >>> first = npnet.rand(3)
        >>> _ = npnet.manual_seed(1)
        >>> npnet.equal(first, npnet.rand(3))
        True
    """
    return default_generator.manual_seed(seed)


def initial_seed() -> int:
    """The seed of the default generator.

    Example:
        >>> _ = npnet.manual_seed(7)
        >>> npnet.initial_seed()
        7
    """
    return default_generator.initial_seed()


def seed() -> int:
    """Seed the default generator by the operating system, and return the seed.

    Example:
        >>> npnet.seed() == npnet.initial_seed()
        True
    """
    return default_generator.seed()


@contextmanager
def fork_rng(devices: Any = None, enabled: bool = True) -> Iterator[None]:
    """Draws inside leave the default generator where it was.

    Args:
        devices: GPUs whose generators are kept too; there are none.
    """
    before = default_generator.get_state() if enabled else None
    try:
        yield
    finally:
        if before is not None:
            default_generator.set_state(before)


def numpy_generator(generator: Generator | np.random.Generator | None) -> np.random.Generator:
    """The NumPy generator behind `generator`, the default one's for None."""
    if generator is None:
        return default_generator.numpy
    return generator.numpy if isinstance(generator, Generator) else generator
