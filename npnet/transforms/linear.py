"""LinearTransformation: images as vectors times a matrix, such as ZCA whitening."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError
from npnet.tensor import as_tensor
from npnet.transforms.base import TensorTransform

__all__ = ["LinearTransformation"]


class LinearTransformation(TensorTransform):
    """y = (x - mean) @ matrix, each image being one row.

    Args:
        transformation_matrix: (D, D).
        mean_vector: (D,).

    Shape: (..., C, H, W) with C * H * W = D, unchanged.

    Raises:
        ValueError: shapes that do not fit one another.

    Example:
        >>> whiten = npnet.transforms.LinearTransformation(0.5 * npnet.eye(2), npnet.ones(2))
        >>> whiten(npnet.tensor([[[3.0, 5.0]]]))
        tensor([[[1., 2.]]])
    """

    def __init__(self, transformation_matrix: Any, mean_vector: Any) -> None:
        super().__init__()
        matrix, mean = as_tensor(transformation_matrix), as_tensor(mean_vector)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise ValueError(
                f"LinearTransformation: transformation_matrix must be square, got {matrix.shape}"
            )
        if mean.shape != matrix.shape[:1]:
            raise ValueError(
                f"LinearTransformation: mean_vector must have {matrix.shape[0]} numbers, as the "
                f"matrix has rows, got shape {mean.shape}"
            )
        self.transformation_matrix, self.mean_vector = matrix, mean

    def transform(self, images: Array, rng: np.random.Generator | None = None) -> Array:
        matrix, mean = self.transformation_matrix.array, self.mean_vector.array
        rows = images.reshape(len(images), -1)
        if rows.shape[1] != len(matrix):
            raise ShapeError(
                f"LinearTransformation: images must have {len(matrix)} values, as the matrix has "
                f"rows, got {rows.shape[1]}; images.shape = {images.shape}"
            )
        return ((rows - mean) @ matrix).reshape(images.shape)

    def __repr__(self) -> str:
        return (
            f"LinearTransformation(transformation_matrix={self.transformation_matrix.tolist()}, "
            f"mean_vector={self.mean_vector.tolist()})"
        )
