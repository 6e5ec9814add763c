"""CIFAR's python version: pickles of an array and a list, out of a folder or a .tar.gz.

A pickle may call anything while it is loaded. Here it finds nothing but what makes arrays.
Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Python / Matlab versions".
"""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base.files import open_regular, printable
from npnet.datasets._errors import damaged, unreadable
from npnet.datasets._files import Bytes
from npnet.datasets._source import Labels

__all__ = ["PythonFiles"]

_MOST = 1 << 28  # bytes of one file: CIFAR-100's largest has 155 MB
# What an array's pickle names, of Python 2 and 3, of NumPy 1 and 2.
_ALLOWED = {
    ("_codecs", "encode"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.numeric", "_frombuffer"),
}


@dataclass(frozen=True)
class PythonFiles:
    """Where the pickles lie, and what is in them.

    Attributes:
        folder, archive: their names, unpacked and packed.
        files: split -> names of its files.
        labels: the key of the labels in each; "data" is the key of the pixels.
        classes: how many there are.
    """

    folder: str
    archive: str
    files: Mapping[str, tuple[str, ...]]
    labels: str
    classes: int

    @property
    def names(self) -> tuple[str, ...]:
        """Names under which the folder or an archive may lie."""
        return self.folder, self.archive, self.archive.removesuffix(".gz")

    def read(self, place: Path, split: str) -> tuple[Bytes, Labels]:
        """Images (N, 3, 32, 32) and labels (N,) of a split, out of a folder or an archive.

        Raises:
            DataError: a file lacks, is damaged, or is a pickle of something else.
        """
        read = _unpacked if place.is_dir() else _archived
        contents = read(place, self.files[split])
        parts = [self._batch(f"{printable(place)}: {name}", contents[name]) for name in contents]
        images, labels = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        return images, labels

    def _batch(self, source: str, content: bytes) -> tuple[Bytes, Labels]:
        try:
            entry = _Unpickler(io.BytesIO(content), encoding="latin1").load()
            data, labels = entry["data"], np.asarray(entry[self.labels])
        except Exception as error:  # a damaged pickle raises errors of any kind
            reason = f"{type(error).__name__}: {error}"
            raise damaged(source, f"it is no pickle of CIFAR's ({reason})") from error
        if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (3072,):
            got = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else type(data)
            raise damaged(source, f"data must be uint8 (N, 3072), it is {got}")
        if labels.shape != (len(data),) or not len(data) or labels.dtype.kind != "i":
            raise damaged(source, f"it has {len(data)} images and labels {labels.shape}")
        if not 0 <= labels.min() <= labels.max() < self.classes:
            raise damaged(
                source,
                f"labels must be 0 to {self.classes - 1}, it has {labels.min()} to {labels.max()}",
            )
        return data.reshape(-1, 3, 32, 32), labels.astype(np.int64)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not executed")
        # NumPy 2 warns of the old module's name.
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _unpacked(folder: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    contents = {}
    for name in names:
        path = folder / name
        try:
            with open_regular(path) as file:
                contents[name] = file.read(_MOST)
        except FileNotFoundError:
            raise damaged(folder, f"it has no {name}") from None
        except OSError as error:
            raise unreadable(path, error) from error
    return contents


def _archived(path: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """By name; nothing is unpacked to disk."""
    found = {}
    try:
        with open_regular(path) as file, tarfile.open(fileobj=file, mode="r:*") as archive:
            for member in archive:
                name = Path(member.name).name
                source = archive.extractfile(member) if name in names else None
                if source is not None:
                    found[name] = source.read(_MOST)
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise unreadable(path, error) from error
        raise damaged(path, f"its archive is broken ({error})") from error
    except Exception as error:  # gzip and tarfile raise errors of many kinds
        raise damaged(path, f"its archive is broken ({type(error).__name__})") from error
    missing = [name for name in names if name not in found]
    if missing:
        raise damaged(path, f"it has no {', '.join(missing)}")
    return {name: found[name] for name in names}
