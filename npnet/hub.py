"""State dicts from the web: the names of `torch.hub` that need no program from there.

Files are kept where PyTorch keeps them, so that what one downloaded the other finds.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlparse

from npnet.base.files import atomic_write
from npnet.serialization import load

__all__ = ["download_url_to_file", "get_dir", "load_state_dict_from_url", "set_dir"]

_HASH = re.compile(r"-([a-f0-9]*)\.")  # resnet18-f37072fd.pth begins its SHA-256 so
_chosen: list[str] = []  # the folder that set_dir named


def get_dir() -> str:
    """The folder of what was downloaded: set_dir's, `$TORCH_HOME/hub` or `~/.cache/torch/hub`.

    Example:
        >>> npnet.hub.get_dir().endswith("hub")
        True
    """
    if _chosen:
        return _chosen[0]
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))
    return os.path.join(os.path.expanduser(home), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Keep what is downloaded in this folder.

    Example:
        >>> before = npnet.hub.get_dir()
        >>> npnet.hub.set_dir("weights")
        >>> npnet.hub.get_dir()
        'weights'
        >>> npnet.hub.set_dir(before)
    """
    _chosen[:] = [os.path.expanduser(d)]


def load_state_dict_from_url(
    url: str,
    model_dir: str | os.PathLike[str] | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> Any:
    """Read a state dict from a file, which is downloaded first where it is not there yet.

    Args:
        model_dir: where the file is; default `checkpoints` in `get_dir()`.
        map_location: see `load`.
        progress: say that a download begins.
        check_hash: the file's name ends with the first digits of its SHA-256, which must fit.
        file_name: default the last part of the address.
        weights_only: see `load`; True by default, unlike PyTorch's: the file is from the web.

    Raises:
        URLError: the file can't be had; says where to put it by hand.
        RuntimeError: its SHA-256 is another.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     npnet.save({"bias": npnet.zeros(2)}, f"{folder}/net.safetensors")
        ...     url = pathlib.Path(folder, "net.safetensors").as_uri()
        ...     state = npnet.hub.load_state_dict_from_url(url, folder, progress=False)
        >>> state
        {'bias': tensor([0., 0.])}
    """
    folder = Path(os.path.join(get_dir(), "checkpoints") if model_dir is None else model_dir)
    path = folder / (file_name or os.path.basename(urlparse(url).path))
    if not path.exists():
        found = _HASH.search(path.name) if check_hash else None
        download_url_to_file(url, path, found.group(1) if found else None, progress)
    return load(path, map_location, weights_only=weights_only)


def download_url_to_file(
    url: str, dst: str | os.PathLike[str], hash_prefix: str | None = None, progress: bool = True
) -> None:
    """Download a file, whole or not at all. Raises what `load_state_dict_from_url` raises.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     there, here = pathlib.Path(folder, "there"), pathlib.Path(folder, "here")
        ...     _ = there.write_text("weights")
        ...     npnet.hub.download_url_to_file(there.as_uri(), here, progress=False)
        ...     print(here.read_text())
        weights
    """
    from urllib.request import urlopen  # only here: npnet starts faster without

    path = Path(dst)
    if progress:
        print(f'Downloading: "{url}" to {path}', file=sys.stderr)
    try:
        with urlopen(url, timeout=10) as response:
            data = response.read()
    except OSError as error:  # of which URLError is one
        reason = getattr(error, "reason", error)
        raise URLError(
            f"{url} could not be downloaded ({reason}); put the file at {path}"
        ) from error
    digest = hashlib.sha256(data).hexdigest()
    if hash_prefix and not digest.startswith(hash_prefix):
        raise RuntimeError(
            f"download_url_to_file: the SHA-256 of {url} must begin with {hash_prefix}, got "
            f"{digest}; download it again"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, data)
