"""Train the same network in PyTorch: `python -m reference.train`, with the flags of npnet.train.

Data, split, order of the batches and initial weights are those of npnet for the same seed, and so
are the files that a run writes: two runs can be laid over each other in TensorBoard.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch

import npnet
from npnet.train import train
from npnet.training.config import Config
from npnet.training.data import Data
from npnet.training.learner import Learner, initial_model
from reference import models

__all__ = ["build", "main"]


def build(config: Config, data: Data) -> Learner:
    """A network of PyTorch with npnet's initial weights, and PyTorch's optimizer and schedule."""
    torch.set_num_threads(npnet.get_num_threads())
    channels, classes = data.image_shape[0], len(data.classes)
    model = models.create(config.model, in_channels=channels, num_classes=classes)
    weights = initial_model(config, data).state_dict()
    model.load_state_dict({name: torch.from_numpy(v.numpy()) for name, v in weights.items()})
    return Learner(config, model, data, torch)


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the command line says. Returns the exit code."""
    return train(sys.argv[1:] if argv is None else argv, "python -m reference.train", build)


if __name__ == "__main__":
    raise SystemExit(main())
