"""What to do about arrays that are no images or labels: lines of NumPy that can be followed.

A fix is for the training and the test split together: what is done to one alone, such as numbering
its classes, may give the two different meanings. `tests/test_advice.py` follows each of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from npnet.base.arrays import Array

__all__ = [
    "for_dtype",
    "for_label_dtype",
    "for_label_shape",
    "for_labels",
    "for_mixed_dtypes",
    "for_shape",
]


def for_dtype(arrays: Mapping[str, Array], key: str) -> str:
    """How images of integers, truth values or else become ones that npnet takes.

    uint8 only where every value stays what it is, in both splits; float32 keeps the others.
    """
    kind = arrays[key].dtype.kind
    if kind == "c":
        return f"save real numbers, as {key}.real or np.abs({key})"
    if kind not in "biu":
        return "save the pixels as numbers"
    splits = [arrays[name] for name in _split_names(arrays, key)]
    floats = [x for x in splits if x.dtype.kind == "f"]
    if floats and floats[0].size and floats[0].max() <= 1 < arrays[key].max(initial=0):
        return f"scale it as the other split, as {key} / np.float32(255) if that was divided by 255"
    fits = all(x.size and x.dtype.kind in "iu" and _in_bytes(x) for x in splits)
    dtype = "np.uint8" if fits else "np.float32"
    return "convert it by " + _for_both(arrays, key, f"{{}}.astype({dtype})")


def _in_bytes(x: Array) -> bool:
    return bool(x.min() >= 0 and x.max() <= 255)


def for_mixed_dtypes(x: Array, x_test: Array) -> str:
    """How uint8 images of one split and floats of the other come to mean the same."""
    key, other = ("x", x_test) if x.dtype == np.uint8 else ("x_test", x)
    if other.min() >= 0 and other.max() <= 1:
        return f"if the floats were divided by 255, write {key} / np.float32(255)"
    return f"if the floats are from 0 to 255, write {key}.astype(np.float32)"


def for_shape(key: str, shape: Sequence[int], count: int) -> str:
    """How an array of another shape becomes `count` images.

    Args:
        count: how many labels there are.
    """
    if len(shape) > 2 and shape[0] != count and list(shape).count(count) == 1:
        axis = list(shape).index(count)
        return f"the images lie along axis {axis}: np.moveaxis({key}, {axis}, 0)"
    if len(shape) == 2:
        return _for_flat(key, shape[1])
    if len(shape) == 5 and shape[-1] == 1:
        return f"leave out the last axis: {key}[..., 0]"
    if len(shape) == 4 and shape[3] in (2, 4) and shape[1] not in (2, 4):
        return f"leave out the opacity: {key}[..., :{shape[3] - 1}]"
    if len(shape) == 4 and shape[1] in (2, 4):
        return f"leave out the opacity: {key}[:, :{shape[1] - 1}]"
    return "save grey images, or red, green and blue"


def _for_flat(key: str, pixels: int) -> str:
    side = math.isqrt(pixels)
    if side > 1 and side * side == pixels:
        return f"if they are square, write {key}.reshape(-1, {side}, {side})"
    side = math.isqrt(pixels // 3)
    if side > 1 and 3 * side * side == pixels:
        return (
            f"write {key}.reshape(-1, 3, {side}, {side}) if all reds come first, "
            f"{key}.reshape(-1, {side}, {side}, 3) if each pixel has its colours together"
        )
    return f"write {key}.reshape(-1, H, W) with their height and width"


def for_label_shape(key: str, y: Array, count: int) -> str:
    """How labels of another shape become one number for each of `count` images."""
    if y.size == count and y.shape[:1] == (count,):
        return f"write {key}[:, 0]" if y.ndim == 2 else f"write {key}.reshape(-1)"
    if y.size == count:
        return f"write {key}.reshape(-1)"
    if y.ndim == 2 and y.dtype.kind in "biuf":
        for axis in (1, 0):
            one_hot = ((y == 0) | (y == 1)).all() and (y.sum(axis) == 1).all()
            if one_hot and y.shape[1 - axis] == count:
                return f"they are one-hot: write {key}.argmax(axis={axis})"
    return "give each image one number, that of its class"


def for_label_dtype(arrays: Mapping[str, Array], key: str) -> str:
    """How labels that are no numbers become some."""
    splits = [arrays[name] for name in _split_names(arrays, key)]
    if arrays[key].dtype.kind == "b":
        return f"write {key}.astype(np.uint8)"
    if arrays[key].dtype.kind in "SU" and all(map(_are_digits, splits)):
        return "write " + _for_both(arrays, key, "{}.astype(np.int64)")
    if arrays[key].dtype.kind in "SU" and len({y.dtype.kind for y in splits}) == 1:
        return _renumber(*splits)
    return "give each image the number of its class"


def _are_digits(y: Array) -> bool:
    """Whether all are texts of whole numbers from 0."""
    return y.dtype.kind in "SU" and all(label.isdigit() for label in set(y.ravel().tolist()))


def for_labels(y: Array, y_test: Array | None) -> str:
    """How whole numbers become classes 0, 1, 2, ... that mean the same in both splits."""
    least, most = int(y.min()), int(y.max())
    gaps = len(np.unique(y)) < most - least + 1
    if y_test is not None and not np.isin(y_test, y).all():
        strange = np.setdiff1d(y_test, y)[0]
        return (
            f"number both splits alike; if they are, and label {strange} of y_test is of a class "
            "that y lacks, leave it out: keep = np.isin(y_test, y), x_test[keep], y_test[keep]"
        )
    if not gaps and least:
        shift = f"- {least}" if least > 0 else f"+ {-least}"
        return f"write y {shift}" + ("" if y_test is None else f" and y_test {shift}")
    return _renumber(y, y_test)


def _renumber(y: Array, y_test: Array | None = None) -> str:
    if y_test is None:
        return "renumber by np.unique(y, return_inverse=True)[1]"
    if not np.isin(y_test, y).all():
        return "leave out the test images of classes that y has not, then number the classes"
    return (
        "renumber both by the classes of y: classes, y = np.unique(y, return_inverse=True), then "
        "y_test = np.searchsorted(classes, y_test)"
    )


def _split_names(arrays: Mapping[str, Array], key: str) -> list[str]:
    """x and x_test, or y and y_test, as far as there are both."""
    stem = key.removesuffix("_test")
    return [name for name in (stem, f"{stem}_test") if name in arrays]


def _for_both(arrays: Mapping[str, Array], key: str, form: str) -> str:
    return " and ".join(form.format(name) for name in _split_names(arrays, key))
