"""What the outputs of a network look like."""

from __future__ import annotations

import numpy as np

from npnet.base.arrays import Array

__all__ = ["is_softmax", "softmax_advice"]

_MARGIN = 1e-3  # what float16 rounds is within it


def is_softmax(outputs: Array) -> bool:
    """Whether outputs (N, classes) are what a softmax gives: none below 0, and each row sums to 1.

    Logits are so only by chance.
    """
    sums = outputs.sum(axis=1)
    return bool((outputs >= 0).all() and np.allclose(sums, 1, rtol=0, atol=_MARGIN))


def softmax_advice(network: str, loss: str) -> str:
    """What to do about a network that ends in a softmax, where its loss takes another."""
    return (
        f"{network} gives probabilities (values from 0 that sum to 1), and {loss} takes the "
        "softmax of what it is given: taken twice, it slows learning and blurs the answers; let "
        "forward end in the logits, without softmax"
    )
