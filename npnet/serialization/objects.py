"""Any object as a pickle with a checksum behind it: what `save` writes where tensors are not all.

A pickle runs code when it is read, so it is read only if that was asked for. What is behind a
pickle's end is not looked at by `pickle.load`, which reads these files too.
"""

from __future__ import annotations

import pickle
import zlib
from typing import Any

__all__ = ["PYTORCHS", "is_object", "object_bytes", "object_from"]

_MARK = b"npnet.crc32="
PYTORCHS = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # how PyTorch's old files begin


def object_bytes(obj: Any, pickle_module: Any = None, protocol: int | None = None) -> bytes:
    """What `save` writes of an object. Raises what the pickler raises."""
    module = pickle if pickle_module is None else pickle_module
    data: bytes = module.dumps(obj, protocol)
    return data + _MARK + b"%08x" % zlib.crc32(data)


def is_object(data: bytes) -> bool:
    """Whether a file's content may be such a pickle."""
    return data.startswith(b"\x80") and not data.startswith(PYTORCHS)


def object_from(data: bytes, pickle_module: Any = None, **options: Any) -> Any:
    """The object. Runs what the pickle says.

    Raises:
        ValueError: the checksum does not fit, or it is missing and the pickle can't be read.
    """
    module = pickle if pickle_module is None else pickle_module
    body, mark, checksum = data.rpartition(_MARK)
    if mark and checksum != b"%08x" % zlib.crc32(body):
        raise ValueError("the checksum does not fit its content")
    try:
        return module.loads(data, **options)
    except (EOFError, pickle.UnpicklingError) as error:
        raise ValueError(f"its pickle can't be read: {error}") from error
