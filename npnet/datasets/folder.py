"""DatasetFolder, ImageFolder: files in one folder for each class."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from npnet.base.files import printable
from npnet.base.pictures import pillow
from npnet.datasets.vision import VisionDataset

__all__ = [
    "IMG_EXTENSIONS",
    "DatasetFolder",
    "ImageFolder",
    "default_loader",
    "find_classes",
    "has_file_allowed_extension",
    "is_image_file",
    "make_dataset",
    "pil_loader",
]

Path = str | os.PathLike[str]
IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def has_file_allowed_extension(filename: str, extensions: str | Sequence[str]) -> bool:
    """Whether a file's name, in whatever case, has one of the endings, which are lower-case."""
    ends = extensions if isinstance(extensions, str) else tuple(extensions)
    return filename.lower().endswith(ends)


def is_image_file(filename: str) -> bool:
    """Whether a file's name is that of a picture."""
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


def find_classes(directory: Path) -> tuple[list[str], dict[str, int]]:
    """The folders in a folder, sorted, and the number of each.

    Raises:
        FileNotFoundError: there is no such folder, or it holds none.
    """
    where = printable(directory)
    if not os.path.isdir(directory):
        raise FileNotFoundError(
            f"{where} is no folder; root must be a folder that has one folder for each class"
        )
    classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
    if not classes:
        raise FileNotFoundError(
            f"Couldn't find any class folder in {where}; put the files of each class into a folder "
            "of its own"
        )
    return classes, {name: label for label, name in enumerate(classes)}


def make_dataset(
    directory: Path,
    class_to_idx: Mapping[str, int] | None = None,
    extensions: str | Sequence[str] | None = None,
    is_valid_file: Callable[[str], bool] | None = None,
    allow_empty: bool = False,
) -> list[tuple[str, int]]:
    """(path, label) of all files in the folders of the classes, also deep in them, sorted.

    Args:
        class_to_idx: name of a folder -> label; None is find_classes'.
        extensions: the endings of the files to take; or
        is_valid_file: says by its path whether a file is taken.
        allow_empty: let a class have no file.

    Raises:
        FileNotFoundError: a class has no file.
        ValueError: no classes, or neither or both of extensions and is_valid_file.
    """
    directory = os.path.expanduser(directory)
    if class_to_idx is None:
        _, class_to_idx = find_classes(directory)
    if not class_to_idx:
        raise ValueError("make_dataset: class_to_idx must have at least one entry, got none")
    if (extensions is None) == (is_valid_file is None):
        given = "neither" if extensions is None else "both"
        raise ValueError(f"make_dataset: takes extensions or is_valid_file, got {given}")
    samples, empty = [], []
    for name in sorted(class_to_idx):
        files = [
            (path, class_to_idx[name])
            for path in _files(os.path.join(directory, name))
            if (
                is_valid_file(path)
                if is_valid_file is not None
                else has_file_allowed_extension(path, extensions or ())
            )
        ]
        samples += files
        if not files:
            empty.append(name)
    if empty and not allow_empty:
        ends = [extensions] if isinstance(extensions, str) else extensions
        known = "" if ends is None else f"; supported extensions are {', '.join(ends)}"
        raise FileNotFoundError(
            f"Found no valid file for the classes {', '.join(map(printable, empty))} in "
            f"{printable(directory)}{known}; remove empty folders or pass allow_empty=True"
        )
    return samples


def _files(folder: str) -> Iterator[str]:
    """All files of a folder and of those in it, sorted."""
    for root, _, names in sorted(os.walk(folder, followlinks=True)):
        yield from (os.path.join(root, name) for name in sorted(names))


def pil_loader(path: Path) -> Any:
    """The picture in a file, as RGB.

    Raises:
        PIL.UnidentifiedImageError, OSError: the file is no picture, or cut off; names it.
    """
    image = pillow("ImageFolder reads pictures")
    with open(path, "rb") as file:
        try:
            return image.open(file).convert("RGB")
        except image.UnidentifiedImageError as error:
            raise image.UnidentifiedImageError(
                f"{printable(path)} is no picture that Pillow reads; remove it, or leave it out by "
                "is_valid_file"
            ) from error
        except (OSError, SyntaxError, ValueError) as error:
            raise OSError(f"{printable(path)} is a damaged picture: {error}") from error


def default_loader(path: Path) -> Any:
    """What ImageFolder reads a file by: pil_loader."""
    return pil_loader(path)


class DatasetFolder(VisionDataset):
    """Files in one folder for each class, as torchvision.datasets.DatasetFolder.

    Args:
        root: the folder of the folders.
        loader: makes a sample of a path.
        extensions: the endings of the files to take, lower-case.
        transform: called with each sample.
        target_transform: called with each label, an int.
        is_valid_file: says by its path whether a file is taken, in place of extensions.
        allow_empty: let a class have no file.

    Attributes:
        classes: the names of the folders, sorted.
        class_to_idx: name -> label.
        samples: (path, label) of each file.
        targets: the labels.

    Raises:
        FileNotFoundError: no such folder, no class in it, or no file in a class.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     for name in "cat", "dog":
        ...         pathlib.Path(root, name).mkdir()
        ...         pathlib.Path(root, name, "1.txt").touch()
        ...     data = npnet.datasets.DatasetFolder(root, str, extensions=(".txt",))
        >>> data.classes, data.targets
        (['cat', 'dog'], [0, 1])
    """

    def __init__(
        self,
        root: Path,
        loader: Callable[[str], Any],
        extensions: Sequence[str] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        root = os.path.expanduser(root)
        self.classes, self.class_to_idx = self.find_classes(root)
        self.samples = self.make_dataset(
            root,
            class_to_idx=self.class_to_idx,
            extensions=extensions,
            is_valid_file=is_valid_file,
            allow_empty=allow_empty,
        )
        self.loader = loader
        self.extensions = extensions
        self.targets = [label for _, label in self.samples]

    @staticmethod
    def make_dataset(
        directory: Path,
        class_to_idx: Mapping[str, int],
        extensions: Sequence[str] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> list[tuple[str, int]]:
        """(path, label) of each file; a subclass may find them elsewhere."""
        if class_to_idx is None:
            raise ValueError("make_dataset: class_to_idx must be given, got None")
        return make_dataset(directory, class_to_idx, extensions, is_valid_file, allow_empty)

    def find_classes(self, directory: Path) -> tuple[list[str], dict[str, int]]:
        """The classes and their labels; a subclass may choose others."""
        return find_classes(directory)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        sample = self.loader(path)
        if self.transform is not None:
            sample = self.transform(sample)
        return sample, target if self.target_transform is None else self.target_transform(target)

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """Pictures in one folder for each class, as torchvision.datasets.ImageFolder: root/dog/1.png,
    root/cat/deep/2.jpg. An item is a PIL image of mode RGB and its label.

    Args:
        root, transform, target_transform, is_valid_file, allow_empty: as DatasetFolder takes them.
        loader: reads a file; by default as RGB, by Pillow.

    Attributes:
        imgs: the same as samples.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     for name in "cat", "dog":
        ...         pathlib.Path(root, name).mkdir()
        ...         npnet.utils.save_image(npnet.rand(3, 8, 8), f"{root}/{name}/1.png")
        ...     data = npnet.datasets.ImageFolder(root, npnet.transforms.ToTensor())
        ...     x, label = data[1]
        >>> data.classes[label], x.shape
        ('dog', (3, 8, 8))
    """

    def __init__(
        self,
        root: Path,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(
            root,
            loader,
            IMG_EXTENSIONS if is_valid_file is None else None,
            transform,
            target_transform,
            is_valid_file,
            allow_empty,
        )
        self.imgs = self.samples
