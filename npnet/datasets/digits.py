"""The handwritten digits that ship with scikit-learn: real data without a download."""

from __future__ import annotations

import numpy as np

from npnet.datasets.arrays import ImageData, stratified_split
from npnet.transforms import Resize

__all__ = ["load_digits"]


def load_digits() -> ImageData:
    """1,797 digits of 8x8 pixels with values 0 to 16, made uint8 and resized to 28x28 as MNIST's.

    A value v becomes round(255 * v / 16), then bilinear. A sixth of each class is for testing,
    always the same images: 1,498 train, 299 test.

    Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998.
    """
    from sklearn import datasets

    bunch = datasets.load_digits()
    x = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    x = Resize(28).transform(x)
    y = bunch.target.astype(np.int64)
    train, test = stratified_split(y)
    classes = tuple(str(label) for label in range(10))
    return ImageData("digits", x[train], y[train], x[test], y[test], classes)
