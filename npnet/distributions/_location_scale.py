"""What the distributions with a location and a scale have in common."""

from __future__ import annotations

from typing import Any

from npnet.distributions.distribution import Distribution, check_values, checked_parameters, shown
from npnet.tensor import Tensor

__all__ = ["LocationScale"]


class LocationScale(Distribution):
    """Symmetric around `loc`, and as wide as `scale`, which is > 0."""

    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self._validate = validate_args is not False
        self.loc, self.scale = checked_parameters(
            type(self).__name__, self._validate, loc=loc, scale=scale
        )
        if self._validate:
            array = self.scale.array
            check_values(type(self).__name__, "scale must be > 0", array > 0, array)
        self.batch_shape = self.loc.shape

    @property
    def mean(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    def __repr__(self) -> str:
        return f"{type(self).__name__}(loc: {shown(self.loc)}, scale: {shown(self.scale)})"
