"""Samples as estimators are given them: rows of features, or images, flat to scikit-learn."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, check_consistent_length

from npnet.base.arrays import Array

__all__ = ["FLOATS", "as_rows", "check_given", "check_weights", "shape_of_samples"]

FLOATS = (np.float64, np.float32)  # whatever else comes is computed in the first


def as_rows(X: Any) -> tuple[Any, tuple[int, ...] | None]:
    """Rows that scikit-learn can check, and the shape of a sample of more than one axis."""
    if isinstance(X, (list, tuple)) and len(X) and np.ndim(X[0]) > 1:
        X = np.asarray(X)
    if getattr(X, "ndim", 2) < 3:
        return X, None
    X = np.asarray(X)
    return X.reshape(len(X), math.prod(X.shape[1:])), X.shape[1:]


def shape_of_samples(
    sample_shape: Any, given: tuple[int, ...] | None, features: int
) -> tuple[int, ...]:
    """The shape of a sample as the network is given it: (features,), or (C, H, W) of images.

    Args:
        sample_shape: the estimator's parameter; None for that of X itself.
        given: the axes of X behind the first, where it has more than two; (H, W) is (1, H, W).

    Raises:
        ValueError: a shape that does not hold the features.
    """
    if sample_shape is None:
        if given is None:
            return (features,)
        return (1, *given) if len(given) == 2 else given
    try:
        shape = tuple(operator.index(size) for size in sample_shape)
    except TypeError:
        raise ValueError(
            f"sample_shape: must be None or whole numbers such as (1, 28, 28), got {sample_shape!r}"
        ) from None
    if not shape or min(shape) < 1 or math.prod(shape) != features:
        raise ValueError(
            f"sample_shape: {shape} holds {math.prod(shape)} values, and a sample of X has "
            f"{features}{'' if given is None else f' as {given}'}; the product must be the same"
        )
    return shape


def check_given(given: tuple[int, ...] | None, fitted: tuple[int, ...]) -> None:
    """Raise ValueError where images are of another shape than those of fit."""
    if given is None or given == fitted or (1, *given) == fitted:
        return
    raise ValueError(f"X: samples have the shape {given}, but those of fit had {fitted}")


def check_weights(sample_weight: Any, X: Array) -> Array:
    """Weights (n,) in float64.

    Raises:
        ValueError: not one for each sample, a negative or infinite one, or all of them zero.
    """
    weights: Array = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weights.ndim == 0:
        weights = np.full(len(X), weights)
    if weights.ndim != 1:
        raise ValueError(f"sample_weight: must be of shape (n,), got {weights.shape}")
    check_consistent_length(X, weights)
    if weights.min() < 0:
        raise ValueError(f"sample_weight: must be >= 0, got {weights.min():g}")
    if not weights.any():
        raise ValueError("sample_weight: must have a number above zero, got weights of zero alone")
    return weights


def scaled(weights: Array) -> Array:
    """Weights times a power of two, of which sums do not overflow; their shares are the same."""
    return np.ldexp(weights, -np.frexp(weights.max())[1])
