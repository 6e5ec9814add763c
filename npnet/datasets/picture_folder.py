"""A folder of class folders of pictures, as arrays."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.files import open_regular, printable, user_path
from npnet.base.pictures import pillow
from npnet.datasets._errors import DataError
from npnet.datasets.arrays import ImageData, from_arrays
from npnet.datasets.folder import IMG_EXTENSIONS
from npnet.transforms import Resize

__all__ = ["read_folder"]

_ENDINGS = (*IMG_EXTENSIONS, ".gif")
_SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
_LARGEST_SIDE = 256  # of pictures that nobody has named a size for
_MANY = 5_000  # pictures, which take their time
# How far red, green and blue may be apart in a grey picture: lossy formats do not keep them equal.
_GREY_MEAN, _GREY_MOST = 3, 24
_SHOWN = 3  # names in an error
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")


def read_folder(
    path: str | os.PathLike[str],
    size: tuple[int, int] | None = None,
    notice: Callable[[str], None] = print,
) -> ImageData:
    """Read pictures from a folder with a folder for each class, or with such folders in `train`,
    and perhaps `val` and `test`.

    They are grey where all of them are, else in colour, and are stretched to one size: `size`, or
    that of all, or the median height and width, at most 256. What is transparent lies on white.
    Without `test`, one sixth of each class is split off, always the same one. Classes are in the
    order of their names; folders whose names begin with . or __ are none.

    Args:
        size: (H, W).
        notice: is told where there are so many that it takes its time.

    Raises:
        DataError: there are no pictures, a class has none or is not in `train`, or a file can't be
            read; names it.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     for name in "cat", "dog":
        ...         pathlib.Path(root, name).mkdir()
        ...         for i in range(6):
        ...             npnet.utils.save_image(npnet.rand(3, 8, 8), f"{root}/{name}/{i}.png")
        ...     data = npnet.datasets.read_folder(root)
        >>> data.x_train.shape, data.classes
        ((10, 3, 8, 8), ('cat', 'dog'))
    """
    root = _folder(path).resolve()
    splits = _splits(root)
    classes = sorted(splits["train"])
    if len(classes) < 2:
        raise DataError(
            f"{printable(root)}: needs a folder for each of at least 2 classes, got "
            f"{', '.join(map(printable, classes))}"
        )
    files = {split: _files(splits[split], classes, split) for split in splits}
    count = sum(map(len, files.values()))
    if count > _MANY:
        notice(f"reading {count:,} pictures from {printable(root)}")
    pictures = {split: _pictures(root, named) for split, named in files.items()}
    everything = [picture for split in pictures.values() for picture in split]
    channels = 1 if all(len(picture) == 1 for picture in everything) else 3
    shape = size or _common_size(everything)
    arrays: dict[str, Array] = {}
    for split, found in pictures.items():
        arrays[f"x_{split}"] = _stacked(found, channels, shape)
        arrays[f"y_{split}"] = np.array([label for _, label in files[split]], np.int64)
    data = from_arrays(
        arrays["x_train"],
        arrays["y_train"],
        arrays.get("x_test"),
        arrays.get("y_test"),
        name=f"{printable(root.name)}/",
    )
    return dataclasses.replace(
        data,
        name=f"{printable(root.name)}/",
        classes=tuple(map(printable, classes)),
        x_val=arrays.get("x_val"),
        y_val=arrays.get("y_val"),
    )


# ---- folders -------------------------------------------------------------------------------------


def _folder(path: str | os.PathLike[str]) -> Path:
    try:
        root = user_path(path)
    except OSError as error:
        raise DataError(f"dataset: no folder can be {error.filename}: {error.strerror}") from error
    if not root.is_dir():
        raise DataError(
            f"{printable(root)} is no folder; name a folder that has a folder of pictures for each "
            "class"
        )
    return root


def _folders(folder: Path) -> dict[str, Path]:
    """The folders in a folder by name, without hidden ones."""
    try:
        there = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{printable(folder)} can't be read: {error.strerror}") from error
    return {
        entry.name: entry
        for entry in there
        if entry.is_dir() and not entry.name.startswith((".", "__"))
    }


def _splits(root: Path) -> dict[str, dict[str, Path]]:
    """Split -> class -> folder; "train" is always there."""
    inside = _folders(root)
    found: dict[str, dict[str, Path]] = {}
    for split, names in _SPLITS.items():
        for name, folder in inside.items():
            if name.lower() in names and _folders(folder):
                found[split] = _folders(folder)
    if "train" in found:
        return found
    if not inside:
        some = "its pictures lie in it side by side" if _is_any_picture(root) else "it has none"
        raise DataError(
            f"{printable(root)}: needs a folder of pictures for each class, as "
            f"{printable(root.name)}/cat and {printable(root.name)}/dog, but {some}"
        )
    return {"train": inside}


def _is_any_picture(folder: Path) -> bool:
    return any(_is_picture(entry) for entry in folder.iterdir())


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in _ENDINGS and not path.name.startswith(".")


def _files(folders: dict[str, Path], classes: Sequence[str], split: str) -> list[tuple[Path, int]]:
    """(path, label) of all pictures of a split, sorted, also of those deep in the folders."""
    found: list[tuple[Path, int]] = []
    empty = []
    for name, folder in folders.items():
        if name not in classes:
            raise DataError(
                f"{printable(folder)}: its class {printable(name)} has no folder in train, which "
                f"has {_listed(list(classes))}"
            )
        paths = [path for path in sorted(folder.rglob("*")) if _is_picture(path)]
        found += [(path, classes.index(name)) for path in paths]
        if not paths:
            empty.append(folder)
    if not found:
        where = printable(next(iter(folders.values())).parent)
        raise DataError(f"{where}: there are no pictures in its folders ({', '.join(_ENDINGS)})")
    if empty and split == "train":
        raise DataError(
            f"{_listed([str(folder) for folder in empty])}: has no pictures "
            f"({', '.join(_ENDINGS)}); remove the folder, or put the pictures of that class there"
        )
    return found


# ---- pictures ------------------------------------------------------------------------------------


def _pictures(root: Path, files: Sequence[tuple[Path, int]]) -> list[Array]:
    """Each as (1 or 3, H, W) uint8; grey where it has no colour."""
    found, broken = [], []
    for path, _ in files:
        try:
            found.append(_read(path))
        except (OSError, SyntaxError, ValueError) as error:
            broken.append(f"{path.relative_to(root)} ({_why(error)})")
    if broken:
        raise DataError(
            f"{printable(root)}: {len(broken)} of {len(files)} pictures can't be read: "
            f"{_listed(broken)}; repair or remove them"
        )
    return found


def _why(error: Exception) -> str:
    return "no picture that Pillow reads" if "cannot identify" in str(error) else str(error)


def _read(path: Path) -> Array:
    image = pillow("a folder of pictures")
    from PIL import ImageOps

    with open_regular(path) as file:
        try:
            picture = ImageOps.exif_transpose(image.open(file))
            picture.load()
        except image.DecompressionBombError as error:
            raise ValueError(str(error)) from error
        return _as_array(image, picture)


def _as_array(image: Any, picture: Any) -> Array:
    if picture.mode in _SIXTEEN_BITS or picture.mode == "I":
        values = np.asarray(picture).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("its values are not from 0 to 65535")
        return (values // 257).astype(np.uint8)[None]
    if picture.mode == "F":
        raise ValueError("its pixels are floats, whose white nobody knows")
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        paper = image.new("RGBA", picture.size, "white")
        picture = image.alpha_composite(paper, picture).convert("RGB")
    if picture.mode in ("1", "L"):
        return np.array(picture.convert("L"))[None]
    picture = picture.convert("RGB")
    x = np.array(picture).transpose(2, 0, 1)
    apart = x.max(0) - x.min(0)
    is_grey = apart.mean() <= _GREY_MEAN and apart.max() <= _GREY_MOST
    return np.array(picture.convert("L"))[None] if is_grey else x


def _common_size(pictures: Sequence[Array]) -> tuple[int, int]:
    """(H, W) of all, or the median of theirs, at most so large."""
    sides = np.array([picture.shape[1:] for picture in pictures])
    if (sides == sides[0]).all():
        return int(sides[0][0]), int(sides[0][1])
    height, width = np.median(sides, axis=0)
    share = min(1.0, _LARGEST_SIDE / max(height, width))
    return max(1, round(height * share)), max(1, round(width * share))


def _stacked(pictures: list[Array], channels: int, size: tuple[int, int]) -> Array:
    """(N, C, H, W); each picture is given up as soon as it is there."""
    try:
        x = np.empty((len(pictures), channels, *size), np.uint8)
    except MemoryError:
        raise DataError(
            f"{len(pictures)} pictures of {size[0]} x {size[1]} are more than this machine's "
            "memory; name a smaller --image_size"
        ) from None
    resize = Resize(size).transform
    for index, picture in enumerate(pictures):
        x[index] = resize(picture[None])[0]  # one channel fills all three
    return x


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(printable, names[:_SHOWN])) + more
