"""PyTorch's list of modules with their test inputs, and what npnet has of it."""

from __future__ import annotations

from typing import Any

import torch

import npnet
from tests.opinfo import source  # noqa: F401 # stands in for what torch.testing._internal lacks

# isort: split
from torch.testing._internal.common_modules import ModuleInfo, module_db

__all__ = ["ABSENT", "MODULES", "ModuleInfo", "inputs", "ours"]


def ours(info: ModuleInfo) -> Any:
    """npnet's class of the same name; None where there is none."""
    return getattr(npnet.nn, info.name.removeprefix("nn."), None)


MODULES = [info for info in module_db if ours(info) is not None]
ABSENT = [info for info in module_db if ours(info) is None]


def inputs(info: ModuleInfo, dtype: torch.dtype, training: bool) -> list[Any]:
    """All of PyTorch's samples; the same at every call."""
    torch.manual_seed(0)
    return list(
        info.module_inputs_func(
            info, device="cpu", dtype=dtype, requires_grad=True, training=training
        )
    )
