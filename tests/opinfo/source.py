"""PyTorch's list of ops with their test inputs, and what npnet has of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo.core import OpInfo

import npnet
import tests.torch_internal  # noqa: F401  # programs may set flags
from tests.opinfo.translate import in_npnet

__all__ = ["ABSENT", "OPS", "Form", "OpInfo", "forms", "full_name"]


class Form(NamedTuple):
    """One way to call an op, in both libraries."""

    name: str
    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    in_place: bool = False


def full_name(op: OpInfo) -> str:
    """The name as it stands in test ids: without its path, with the variant."""
    return op.name.replace("nn.functional.", "") + (
        f".{op.variant_test_name}" if op.variant_test_name else ""
    )


def _named(root: Any, path: str) -> Any:
    for part in path.split("."):
        root = getattr(root, part, None)
    return root


def forms(op: OpInfo) -> list[Form]:
    """All ways that npnet has to call an op; empty if it has none."""
    found: list[Form] = []
    seen: set[int] = set()

    def add(name: str, ours: Any, theirs: Any, in_place: bool = False) -> None:
        if ours is not None and theirs is not None and id(ours) not in seen:
            seen.add(id(ours))
            found.append(Form(name, ours, theirs, in_place))

    own = op.op is not _named(torch, op.name)  # OpInfo calls it in a way of its own
    for name, variant in [(op.name, op), *((a.name, a) for a in op.aliases)]:
        function = _named(npnet, name)
        if own and variant is op:
            known = function is not None or hasattr(npnet.Tensor, name)
            function = in_npnet(op.op) if known else None
        add(name, function, variant.op)
        method = name.split(".")[-1]
        if variant.method_variant is not None and not own:
            add(f"Tensor.{method}", getattr(npnet.Tensor, method, None), variant.method_variant)
        if variant.inplace_variant is not None and not own:
            ours = getattr(npnet.Tensor, f"{method}_", None)
            add(f"Tensor.{method}_", ours, variant.inplace_variant, in_place=True)
    return found


OPS = [op for op in op_db if forms(op)]
ABSENT = [op for op in op_db if not forms(op)]
