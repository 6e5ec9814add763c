"""What fits: a network, its optimizer and its schedule, in npnet or in PyTorch.

The two libraries have the same names, so that one text serves both: `lib` is the module `npnet`
or `torch`. That is how `reference.fit_function` repeats a fit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import npnet
from npnet.base.arrays import Array
from npnet.compiler import EagerStep
from npnet.fitting.config import FitConfig
from npnet.fitting.samples import Samples
from npnet.models.mlp import MLP
from npnet.runs.errors import DivergedError
from npnet.runs.optimizers import optimizer, plain_schedule
from npnet.runs.streams import epoch_order
from npnet.runs.weights import arrays, load_arrays

__all__ = ["Fitter", "initial_network"]


MOMENTUM = 0.9  # of sgd


def initial_network(config: FitConfig) -> MLP:
    """The network with the initial weights that belong to the seed."""
    npnet.manual_seed(config.seed)
    return MLP((1, *config.widths, 1), config.activation)


class Fitter:
    """A network that learns the samples by their mean squared error.

    Args:
        network: a `nn.Module` of `lib`.
        lib: the module `npnet` or `torch`.
    """

    def __init__(self, config: FitConfig, samples: Samples, network: Any, lib: Any) -> None:
        self.config, self.samples, self.network, self.lib = config, samples, network, lib
        momentum = {"momentum": MOMENTUM} if config.optimizer == "sgd" else {}
        self.optimizer = optimizer(
            config.optimizer, network.parameters(), lib.optim, lr=config.learning_rate, **momentum
        )
        self.scheduler = plain_schedule(
            config.scheduler, self.optimizer, lib.optim.lr_scheduler, config.epochs
        )
        compiles = lib is npnet and config.activation != "gelu"  # which has no kernel
        self._step = (npnet.compile if compiles else EagerStep)(
            network, lib.nn.functional.mse_loss, self.optimizer
        )
        self._forward = npnet.compile(network) if compiles else network
        self._x, self._y = samples.inputs(samples.x), samples.targets()

    @property
    def learning_rate(self) -> float:
        """Of the next epoch."""
        return float(self.optimizer.param_groups[0]["lr"])

    def train_epoch(self, epoch: int) -> None:
        """Go through the samples once; with smaller batches in an order of seed and epoch.

        Raises:
            DivergedError: a loss is not finite; says which epoch, and at which learning rate.
        """
        count, size = self.config.samples, self.config.batch_size or self.config.samples
        order = np.arange(count) if size == count else epoch_order(self.config.seed, epoch, count)
        for start in range(0, count, size):
            at = order[start : start + size]
            x, y = self.lib.from_numpy(self._x[at]), self.lib.from_numpy(self._y[at])
            if not math.isfinite(self._step(x, y).item()):
                raise DivergedError(
                    f"diverged: the loss is not finite in epoch {epoch}, at learning rate "
                    f"{self.learning_rate:g}; lower --learning_rate"
                )
        if self.scheduler is not None:
            self.scheduler.step()

    def predict(self, x: Array) -> Array:
        """The function that the network is now, at x (n,): (n,) float64, in its own units."""
        with self.lib.no_grad():
            outputs = self._forward(self.lib.from_numpy(self.samples.inputs(x)))
        return self.samples.values(outputs.numpy())

    def weights(self) -> dict[str, Array]:
        """Parameters by name, copied."""
        return arrays(self.network)

    def load_weights(self, weights: dict[str, Array]) -> None:
        """Take parameters by name."""
        load_arrays(self.network, weights, self.lib)
