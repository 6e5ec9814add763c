"""The handwritten digits that ship with npnet: real data without a download.

digits.npz has `images` (1797, 8, 8) of 0 to 16 and `target` (1797,), uint8: the values of the file
that scikit-learn ships too, which is the test set of "Optical Recognition of Handwritten Digits" by
E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, 1998, doi 10.24432/C50P49, under the
licence CC BY 4.0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from npnet.datasets.arrays import ImageData, stratified_split
from npnet.transforms import Resize

__all__ = ["load_digits"]

FILE = Path(__file__).with_name("digits.npz")
CHECKSUM = "a7e90fa73760e8f2b1dedf547e10a262714d3855f807565302a081a95da5177c"  # SHA-256


def load_digits() -> ImageData:
    """1,797 digits of 8x8 pixels with values 0 to 16, made uint8 and resized to 28x28 as MNIST's.

    A value v becomes round(255 * v / 16), then bilinear. A sixth of each class is for testing,
    always the same images: 1,498 train, 299 test.

    Example:
        >>> digits = npnet.datasets.load_digits()
        >>> np.bincount(digits.y_test).tolist()
        [30, 30, 30, 30, 30, 30, 30, 30, 29, 30]

    Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998.
    """
    with np.load(FILE) as file:
        images, y = file["images"], file["target"].astype(np.int64)
    x = np.rint(images * (255 / 16)).astype(np.uint8)[:, None]
    x = Resize(28).transform(x)
    train, test = stratified_split(y)
    classes = tuple(str(label) for label in range(10))
    return ImageData("digits", x[train], y[train], x[test], y[test], classes)
