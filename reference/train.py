"""Train the same network in PyTorch: `python -m reference.train`, with the flags of npnet.train.

Data, split, order of the batches and initial weights are those of npnet for the same seed, and so
are the files that a run writes: two runs can be laid over each other in TensorBoard. The networks
are plain PyTorch; the loop is the text of npnet's trainer, with torch for its library.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch

import npnet
from npnet.runs.errors import ConfigError
from npnet.runs.weights import arrays
from npnet.train import train
from npnet.training.config import Config
from npnet.training.data import Data
from npnet.training.learner import Learner, initial_model
from npnet.training.parts import Parts
from reference import models

__all__ = ["build", "main"]


def build(config: Config, data: Data, parts: Parts | None = None) -> Learner:
    """A network of PyTorch with npnet's initial weights, and PyTorch's optimizer and schedule.

    Raises:
        ConfigError: something is the user's own, which is made of npnet.
    """
    if parts is not None and parts.is_any:
        raise ConfigError(
            "model: python -m reference.train repeats npnet's own networks, losses, optimizers and "
            "schedules in PyTorch, and has no callbacks; yours is trained by npnet train"
        )
    torch.set_num_threads(npnet.get_num_threads())
    channels, classes = data.image_shape[0], len(data.classes)
    model = models.create(config.model, in_channels=channels, num_classes=classes)
    learner = Learner(config, model, data, torch)
    learner.load_weights(arrays(initial_model(config, data)))
    return learner


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the command line says. Returns the exit code."""
    return train(sys.argv[1:] if argv is None else argv, "python -m reference.train", build)


if __name__ == "__main__":
    raise SystemExit(main())
