"""A whole network, in training and in evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from npnet.nn import Module
from npnet.verify.subjects import Case, Given
from npnet.verify.twin import twin_of

__all__ = ["network_cases"]


def network_cases(
    name: str,
    model: Module,
    shape: tuple[int, ...],
    build: Callable[..., Module],
    arguments: Mapping[str, Any],
) -> list[Case]:
    """The cases of a network.

    Args:
        shape: of a sample.
        build, arguments: what it was made by, of which PyTorch makes it anew.
    """

    def draw(rng: np.random.Generator, n: int) -> list[Given]:
        return [Given(np.asarray(rng.standard_normal((n, *shape))))]

    def twin() -> Any:
        return twin_of(build)(**arguments)

    return [Case(name, model, draw, mode, twin, is_network=True) for mode in (True, False)]
