"""Up to a hundred training steps in float64 stay on PyTorch's path."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import npnet
from npnet.base.arrays import Array
from npnet.models import MODELS
from tests.models.pairs import make_pair

STEPS = 100
# Rounding starts at 1e-16 and every step carries it on: after 100 steps it is 1e-15 of LeNet's
# loss, and 4e-12 of the convnet's, which has fallen to 2e-4 by then. A wrong gradient shows in the
# second loss.
RTOL = 1e-8


def draw_batches(size: int, batch: int) -> tuple[Array, Array]:
    """Noisy images of ten classes, each a bright spot at its own place on a circle.

    Shape: (STEPS, batch, 1, size, size) in float64 and labels (STEPS, batch).
    """
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 10, (STEPS, batch))
    angle = labels * (2 * np.pi / 10)
    row, column = (size / 2 + size / 4 * f(angle)[..., None, None] for f in (np.sin, np.cos))
    i, j = np.mgrid[:size, :size]
    spots = np.exp(-((i - row) ** 2 + (j - column) ** 2) / (size / 8) ** 2)
    noise = rng.normal(0, 0.3, spots.shape)
    return (spots + noise)[:, :, None], labels


def losses_of_training(library: Any, model: Any, images: Array, labels: Array) -> list[float]:
    """The loss of each step of gradient descent with momentum, by `npnet` or `torch`."""
    parameters = list(model.parameters())
    velocities = [library.zeros_like(p) for p in parameters]
    criterion = library.nn.CrossEntropyLoss()
    losses = []
    for x, target in zip(images, labels, strict=True):
        model.zero_grad()
        loss = criterion(model(library.from_numpy(x)), library.from_numpy(target))
        loss.backward()
        losses.append(loss.item())
        with library.no_grad():
            for p, v in zip(parameters, velocities, strict=True):
                v.mul_(0.9).add_(p.grad)
                p.sub_(v, alpha=0.01)
    return losses


@pytest.mark.parametrize(
    ("name", "batch", "steps"),
    [("lenet4", 16, STEPS), ("lenet5", 16, STEPS), ("convnet", 8, 30)],
)
def test_losses_match_torch(name: str, batch: int, steps: int) -> None:
    ours, theirs = make_pair(name, "float64")
    size = MODELS[name].input_size
    assert size is not None
    images, labels = (array[:steps] for array in draw_batches(size, batch))
    losses = losses_of_training(npnet, ours, images, labels)
    expected = losses_of_training(torch, theirs, images, labels)
    np.testing.assert_allclose(losses, expected, rtol=RTOL)
    assert (
        np.mean(losses[-10:]) < 0.9 * losses[0]
    )  # it learns: a path of constant losses is no test
