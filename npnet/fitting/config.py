"""The settings of a fit: one dataclass that command line, help text and config.json share."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from npnet.base.checks import check_number, unknown_name
from npnet.base.threads import MOST_THREADS
from npnet.fitting.expression import Expression
from npnet.models.mlp import ACTIVATIONS
from npnet.runs.errors import ConfigError
from npnet.runs.optimizers import OPTIMIZERS, PLAIN_SCHEDULES
from npnet.runs.settings import check_path, checked_values

__all__ = ["FitConfig"]

MAX_WIDTH, MAX_SAMPLES = 4096, 1_000_000


@dataclass(frozen=True)
class FitConfig:
    """Fit a function of one variable by a multilayer perceptron, and draw the two."""

    # What the help text and the shell know besides the fields. A group of flags begins at a field.
    GROUPS: ClassVar[dict[str, str]] = {
        "data": "expression",
        "network": "widths",
        "optimisation": "epochs",
        "machine": "seed",
        "output": "log_dir",
    }
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {
        "activation": tuple(ACTIVATIONS),
        "optimizer": tuple(OPTIMIZERS),
        "scheduler": PLAIN_SCHEDULES,
    }
    PATHS: ClassVar[tuple[str, ...]] = ("log_dir",)
    EXAMPLES: ClassVar[dict[str, str]] = {
        "the course's function": "",
        "one of your own": "--expression 'exp(-x^2) sin 5x' --range -3 3 --widths 64 64 64",
    }

    expression: str = "x^2 + 2 sin x + cos(x - 1) - 5"
    """the function of x, as it is written on paper: 2x, x^3, sin 2x, exp(-x^2), sqrt, log (the
    natural one), abs, pi, e; one that begins with a minus goes as --expression=-x"""
    range: tuple[float, float] = (-5.0, 5.0)
    """from where to where x goes"""
    samples: int = 256
    """points to learn from, evenly spaced over the range with both of its ends"""
    noise: float = 0.0
    """standard deviation of normal noise on the samples, in units of the function"""
    widths: tuple[int, ...] = (64, 64)
    """how many neurons each hidden layer has"""
    activation: str = "tanh"
    """what follows each hidden layer: gelu, leaky_relu, relu, sigmoid or tanh"""
    epochs: int = 10_000
    """how often the samples are gone through"""
    learning_rate: float = 1e-2
    """step size of the optimizer in the first epoch"""
    optimizer: str = "adam"
    """the rule that updates the weights: sgd (with momentum 0.9), adam, adamw, nadam, rmsprop,
    adadelta, adagrad, adamax or radam"""
    scheduler: str = "cosine"
    """how the learning rate falls to 0 over the epochs: none (it stays), poly or cosine"""
    batch_size: int | None = None
    """samples in a training step; default: all"""
    seed: int = 0
    """of noise, initial weights and the order of batches: same seed, same bits"""
    threads: int | None = None
    """threads to compute with; default: $NPNET_NUM_THREADS, else 1, as networks of this size gain
    little from more"""
    log_dir: str | None = None
    """folder for all files of the run; default: ./runs/<time>-fit-function"""

    def __post_init__(self) -> None:
        """Check every setting. Raises ConfigError."""
        try:
            Expression(self.expression)
            if self.log_dir is not None:
                check_path("log_dir", self.log_dir)
            for field, known in self.CHOICES.items():
                if getattr(self, field) not in known:
                    raise ValueError(unknown_name(field, getattr(self, field), known))
            self._check_numbers()
        except ValueError as error:
            raise ConfigError(str(error)) from None

    def _check_numbers(self) -> None:
        low, high = self.range
        if not (low < high and math.isfinite(high - low)):
            raise ValueError(
                f"fit: range must be two finite numbers, the lower first, got {low:g} {high:g}"
            )
        if not self.widths:
            raise ValueError("fit: widths must name one hidden layer at least, such as 64")
        for width in self.widths:
            check_number("fit", "widths", width, least=1, most=MAX_WIDTH)
        check_number("fit", "samples", self.samples, least=2, most=MAX_SAMPLES)
        check_number("fit", "noise", self.noise, least=0)
        check_number("fit", "epochs", self.epochs, least=1)
        check_number("fit", "learning_rate", self.learning_rate, above=0)
        if self.batch_size is not None:
            check_number("fit", "batch_size", self.batch_size, least=1, most=self.samples)
        check_number("fit", "seed", self.seed, least=0)
        if self.threads is not None:
            check_number("fit", "threads", self.threads, least=1, most=MOST_THREADS)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], source: str) -> FitConfig:
        """Settings by name; `source` says in errors where they come from.

        Raises:
            ConfigError: a setting that is not known, of a wrong type or value.
        """
        return cls(**checked_values(cls, values, source))

    def to_json(self) -> str:
        """All settings by name."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"
