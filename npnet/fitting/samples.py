"""What a fit learns from and what it is measured by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from npnet.base.arrays import Array
from npnet.fitting.config import FitConfig
from npnet.fitting.expression import Expression
from npnet.runs import streams
from npnet.runs.errors import ConfigError

__all__ = ["GRID", "Samples", "prepare"]


GRID = 2000  # points of the dense grid
LARGEST_VALUE = 1e100  # of the function's values: their squares must be finite


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples and a dense grid, in float64 and in the function's own units.

    A network sees both standardised: x by middle and width of the range, to mean 0 and deviation 1
    of a uniform x; y by mean and deviation of the samples. So learning rate and widths that suit
    one range suit others.

    Attributes:
        x, y: (samples,), y with its noise.
        grid_x, grid_y: (GRID,), the middles of equal parts of the range; y without noise.
    """

    x: Array
    y: Array
    grid_x: Array
    grid_y: Array
    x_mean: float
    x_std: float
    y_mean: float
    y_std: float

    def inputs(self, x: Array) -> Array:
        """What the network takes for x (n,): (n, 1) float32."""
        return ((x - self.x_mean) / self.x_std).astype(np.float32)[:, None]

    def targets(self) -> Array:
        """What it should give for the samples: (samples, 1) float32."""
        return ((self.y - self.y_mean) / self.y_std).astype(np.float32)[:, None]

    def values(self, outputs: Array) -> Array:
        """What the network's outputs (n, 1) mean in the function's units: (n,) float64."""
        return outputs[:, 0].astype(np.float64) * self.y_std + self.y_mean


def prepare(config: FitConfig) -> Samples:
    """The samples and the grid that `config` asks for.

    Raises:
        ConfigError: the function has no finite value somewhere, or values too large to square.
    """
    low, high = config.range
    x = np.linspace(low, high, config.samples)
    grid_x = low + (np.arange(GRID) + 0.5) * ((high - low) / GRID)
    expression = Expression(config.expression)
    try:
        y, grid_y = expression(x), expression(grid_x)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    rng = np.random.default_rng((config.seed, streams.NOISE))
    with np.errstate(over="ignore"):  # what is too large is told below
        y = y + config.noise * rng.normal(size=x.size)
    largest = max(np.abs(y).max(), np.abs(grid_y).max())
    if largest > LARGEST_VALUE:
        raise ConfigError(
            f"expression: values of {largest:.3g}, noise among them, are too large to be squared; "
            f"use a range where they stay below {LARGEST_VALUE:g}"
        )
    y_std = float(y.std()) or 1.0  # a constant is fitted too
    x_std = (high - low) / 12**0.5
    return Samples(x, y, grid_x, grid_y, low / 2 + high / 2, x_std, float(y.mean()), y_std)
