"""What the programs share: digits to learn, and a start that is the same in every library."""

import os

import numpy as np
import torch
from sklearn.datasets import load_digits

BATCH = int(os.environ.get("PROGRAMS_BATCH", "8"))
STEPS = 30
NUDGE = os.environ.get("PROGRAMS_NUDGE")  # a seed: weights begin some roundings away


def arrays(count=BATCH * STEPS, size=28, channels=1):
    """Images uint8 (N, H, W), or (N, H, W, 3) of three channels, and labels int64 (N,)."""
    images, labels = load_digits(return_X_y=True)
    which = np.arange(count) % len(images)
    images = (images.reshape(-1, 8, 8)[which] * 15).astype(np.uint8)
    if size > 8:
        images = images.repeat(3, 1).repeat(3, 2)  # 24 x 24
        low = (size - 24) // 2
        images = np.pad(images, ((0, 0), (low, size - 24 - low), (low, size - 24 - low)))
    # Without noise whole areas are equal, and lie on the kink of a ReLU or the tie of a pool at once.
    images += np.random.default_rng(2).integers(0, 15, images.shape, np.uint8)
    if channels == 3:
        images = np.stack([images, 255 - images, images // 2], axis=-1)
    return images, labels[which].astype(np.int64)


def digits(count=BATCH * STEPS, size=28, channels=1):
    """Images float32 (N, C, H, W) in 0..1 and labels int64 (N,), as tensors."""
    images, labels = arrays(count, size, channels)
    images = images[:, None] if channels == 1 else images.transpose(0, 3, 1, 2)
    return torch.from_numpy((images / 255).astype(np.float32)), torch.from_numpy(labels)


def start(*models, seed=0):
    """Fill the models' parameters from NumPy's generator, in the order of their names.

    A seed other than 0 begins where no rounding decides at a kink (see test_programs.py).
    """
    rng, nudges = np.random.default_rng(seed), np.random.default_rng(int(NUDGE or 0))
    for model in models:
        for name, p in ((n, p) for n, p in model.named_parameters() if p.requires_grad):
            if p.dim() > 1:
                values = rng.standard_normal(p.shape) / np.sqrt(p[0].numel())
            else:
                values = rng.uniform(-0.1, 0.1, p.shape) + name.endswith("weight")
            if NUDGE is not None:
                values *= 1 + 2**-21 * nudges.uniform(-1, 1, p.shape)
            with torch.no_grad():
                p.copy_(torch.from_numpy(values.astype(np.float32)))
    return models[0]
