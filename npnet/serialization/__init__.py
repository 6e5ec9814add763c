"""`save` and `load`: tensors, and trees of them, as one safetensors file; other objects pickled."""

from npnet.serialization.files import (
    CHECKSUM,
    CheckpointError,
    checksum_of,
    load,
    load_with_metadata,
    save,
    to_bytes,
)

__all__ = [
    "CHECKSUM",
    "CheckpointError",
    "checksum_of",
    "load",
    "load_with_metadata",
    "save",
    "to_bytes",
]
