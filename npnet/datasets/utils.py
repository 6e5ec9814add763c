"""torchvision.datasets.utils: downloads, archives and checksums for data sets of one's own."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, TypeVar

from npnet.datasets._errors import damaged
from npnet.datasets._fetch import fetch_url

__all__ = [
    "calculate_md5",
    "check_integrity",
    "check_md5",
    "download_and_extract_archive",
    "download_url",
    "extract_archive",
    "iterable_to_str",
    "list_dir",
    "list_files",
    "verify_str_arg",
]

T = TypeVar("T", str, bytes)
PathLike = str | os.PathLike[str]
# Of the end of a name: what takes the compression off.
_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_TARS = (".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")


def calculate_md5(fpath: PathLike, chunk_size: int = 1024 * 1024) -> str:
    """The MD5 of a file in hexadecimal."""
    md5 = hashlib.md5(usedforsecurity=False)
    with open(fpath, "rb") as file:
        while chunk := file.read(chunk_size):
            md5.update(chunk)
    return md5.hexdigest()


def check_md5(fpath: PathLike, md5: str, **kwargs: Any) -> bool:
    """Whether a file has this MD5."""
    return md5 == calculate_md5(fpath, **kwargs)


def check_integrity(fpath: PathLike, md5: str | None = None) -> bool:
    """Whether there is a file, and with this MD5 if one is given."""
    return os.path.isfile(fpath) and (md5 is None or check_md5(fpath, md5))


def download_url(
    url: str,
    root: PathLike,
    filename: PathLike | None = None,
    md5: str | None = None,
    max_redirect_hops: int = 3,
) -> None:
    """Download a file into a folder, unless it is there already.

    Args:
        filename: what it is called there; default the last part of the address.
        md5: of the file; without it, whatever arrives whole is taken.
        max_redirect_hops: has no effect; redirections are followed.

    Raises:
        DownloadError: it is not to be had, or has another checksum.
    """
    folder = Path(root).expanduser()
    path = folder / (filename or os.path.basename(url))
    if not check_integrity(path, md5):
        fetch_url(url, path, "" if md5 is None else f"md5:{md5}")


def download_and_extract_archive(
    url: str,
    download_root: PathLike,
    extract_root: PathLike | None = None,
    filename: PathLike | None = None,
    md5: str | None = None,
    remove_finished: bool = False,
) -> None:
    """`download_url`, then `extract_archive` into `extract_root`, by default the same folder."""
    folder = Path(download_root).expanduser()
    name = filename or os.path.basename(url)
    download_url(url, folder, name, md5)
    extract_archive(folder / name, extract_root or folder, remove_finished)


def extract_archive(
    from_path: PathLike, to_path: PathLike | None = None, remove_finished: bool = False
) -> PathLike:
    """Unpack a tar or zip archive, or a compressed file, by the end of its name.

    Args:
        to_path: the folder; default where the archive lies.
        remove_finished: delete the archive then.

    Returns:
        The folder, or the file that was compressed.

    Raises:
        DataError: it is damaged, or would write outside of the folder; nothing was written then.
        RuntimeError: the end of the name is of no archive.
    """
    archive = Path(from_path)
    folder = archive.parent if to_path is None else Path(to_path).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    made = folder
    try:
        if archive.name.endswith(_TARS):
            _extract_tar(archive, folder)
        elif archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as zipped:
                zipped.extractall(folder)  # which drops what would lead outside
        elif archive.suffix in _OPENERS:
            made = folder / archive.stem
            with _OPENERS[archive.suffix](archive) as source, made.open("wb") as target:
                shutil.copyfileobj(source, target)
        else:
            known = ", ".join([*_TARS, ".zip", *_OPENERS])
            raise RuntimeError(f"extract_archive: {archive.name} must end in one of {known}")
    except (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, EOFError) as error:
        raise damaged(archive, str(error)) from error
    except OSError as error:
        if error.errno is not None:  # of the disk; gzip and bz2 say so of their files without
            raise
        raise damaged(archive, str(error)) from error
    if remove_finished:
        archive.unlink()
    return os.fspath(made) if isinstance(from_path, str) else made


def _extract_tar(archive: Path, folder: Path) -> None:
    """Files and folders alone, and none that leads outside."""
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
        for member in members:
            target = (folder / member.name).resolve()
            if not target.is_relative_to(folder.resolve()):
                raise damaged(archive, f"its {member.name} leads out of the folder")
            if not (member.isfile() or member.isdir()):
                raise damaged(archive, f"its {member.name} is no file and no folder")
        for member in members:
            target = folder / member.name
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            source: IO[bytes] | None = tar.extractfile(member)
            assert source is not None  # it is a file
            with source, target.open("wb") as file:
                shutil.copyfileobj(source, file)


def list_dir(root: PathLike, prefix: bool = False) -> list[str]:
    """The names of the folders in a folder; with `prefix` behind its own."""
    return _listed(root, os.path.isdir, lambda name: True, prefix)


def list_files(root: PathLike, suffix: str | tuple[str, ...], prefix: bool = False) -> list[str]:
    """The names of the files in a folder that end so; with `prefix` behind its own."""
    return _listed(root, os.path.isfile, lambda name: name.endswith(suffix), prefix)


def _listed(
    root: PathLike, is_one: Callable[[str], bool], ends: Callable[[str], bool], prefix: bool
) -> list[str]:
    folder = os.path.expanduser(os.fspath(root))
    names = [n for n in os.listdir(folder) if is_one(os.path.join(folder, n)) and ends(n)]
    return [os.path.join(folder, name) for name in names] if prefix else names


def iterable_to_str(iterable: Iterable[Any]) -> str:
    """The values in quotes, with commas between them."""
    return "'" + "', '".join(str(item) for item in iterable) + "'"


def verify_str_arg(
    value: T,
    arg: str | None = None,
    valid_values: Iterable[T] | None = None,
    custom_msg: str | None = None,
) -> T:
    """The value. ValueError unless it is a string, and one of the valid ones."""
    if not isinstance(value, str):
        of = "" if arg is None else f" for argument {arg}"
        raise ValueError(f"Expected type str{of}, but got type {type(value)}.")
    if valid_values is not None and value not in valid_values:
        raise ValueError(
            custom_msg
            or f"Unknown value '{value}' for argument {arg}. Valid values are "
            f"{{{iterable_to_str(valid_values)}}}."
        )
    return value
