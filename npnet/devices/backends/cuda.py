"""What programs ask for under `torch.backends.cuda`: npnet has none of it."""

from __future__ import annotations

__all__ = ["is_available", "is_built", "matmul"]


def is_available() -> bool:
    """Always False."""
    return False


def is_built() -> bool:
    """Always False."""
    return False


class _MatMul:
    """What may be set of a GPU's products; kept, and without a meaning on the CPU."""

    allow_tf32 = False
    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True


matmul = _MatMul()
