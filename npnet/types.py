"""What programs annotate with: the names of `torch.types`."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import TypeAlias

from npnet.devices.cpu import device
from npnet.tensor import Size, Tensor

__all__ = ["Device", "Number"]

Number: TypeAlias = builtins.int | builtins.float | builtins.bool
Device: TypeAlias = device | builtins.str | builtins.int | None
_size: TypeAlias = Size | Sequence[builtins.int]
_TensorOrTensors: TypeAlias = Tensor | Sequence[Tensor]
