"""Mixed precision under PyTorch's names: without a GPU it is switched off, as in PyTorch.

Networks compute in the dtype of their parameters here, and no op in another of its own accord.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["GradScaler", "autocast"]

F = TypeVar("F", bound=Callable[..., Any])


class autocast:
    """A context, or a decorator, that changes nothing: without a GPU it is off.

    Args:
        device_type: "cuda" warns that it is off; "cpu" is refused, if enabled.
        dtype, cache_enabled: without effect.
        enabled: False is silent.

    Raises:
        NotImplementedError: it is to be on for the CPU, where PyTorch uses bfloat16 in some ops.

    Example:
        >>> with npnet.autocast("cuda", enabled=False):
        ...     print(npnet.ones(2) + npnet.ones(2))
        tensor([2., 2.])
    """

    def __init__(
        self,
        device_type: str = "cuda",
        dtype: Any = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if enabled and str(device_type).startswith("cpu"):
            raise NotImplementedError(
                "autocast: no op is computed in bfloat16 of its own accord on the CPU; pass "
                "enabled=False, or convert by model.bfloat16()"
            )
        if enabled:
            warnings.warn("CUDA is not available. Disabling autocast.", stacklevel=2)

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __call__(self, function: F) -> F:
        @functools.wraps(function)
        def same(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return same  # type: ignore[return-value] # of the same signature


class GradScaler:
    """Passes losses and steps through: without a GPU it is off.

    Args:
        device, init_scale, growth_factor, backoff_factor, growth_interval: without effect.
        enabled: True warns that it is off.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if enabled:
            warnings.warn(
                "GradScaler is enabled, but CUDA is not available.  Disabling.", stacklevel=2
            )

    def is_enabled(self) -> bool:
        """Always False."""
        return False

    def scale(self, outputs: Any) -> Any:
        """The same."""
        return outputs

    def unscale_(self, optimizer: Any) -> None:
        """Nothing: gradients have no factor."""

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """The step of the optimizer."""
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale: Any = None) -> None:
        """Nothing."""

    def get_scale(self) -> float:
        """Always 1."""
        return 1.0

    def state_dict(self) -> dict[str, Any]:
        """Always empty."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing."""
