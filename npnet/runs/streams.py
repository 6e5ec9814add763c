"""The streams of random numbers of a seed: `np.random.default_rng((seed, STREAM, ...))`.

What is drawn from one follows from the seed and from what comes after the stream (epoch, number of
the batch) alone, so that a resumed run draws what the unbroken one drew.
"""

from __future__ import annotations

import numpy as np

from npnet.base.arrays import Array

__all__ = ["AUGMENT", "DROPOUT", "FLIP", "NOISE", "ORDER", "SAMPLING", "SPLIT", "epoch_order"]

SPLIT = 0  # (seed, 0) is what `npnet.manual_seed(seed)` sets, by which initial weights are drawn
ORDER = 1  # of an epoch's images
DROPOUT = 2
AUGMENT = 3
NOISE = 4  # of a function's samples
SAMPLING = 5  # of labels from the softmax
FLIP = 6  # which images are mirrored in the first epoch


def epoch_order(seed: int, epoch: int, count: int) -> Array:
    """The order of an epoch: it follows from seed and epoch alone, so resuming is exact."""
    return np.random.default_rng((seed, ORDER, epoch)).permutation(count)
