"""What layers annotate with: one value, or one for each axis; `torch.nn.common_types`."""

from __future__ import annotations

from typing import TypeAlias

_size_1_t: TypeAlias = int | tuple[int]
_size_2_t: TypeAlias = int | tuple[int, int]
_size_3_t: TypeAlias = int | tuple[int, int, int]
_size_4_t: TypeAlias = int | tuple[int, int, int, int]
_size_any_t: TypeAlias = int | tuple[int, ...]
_ratio_2_t: TypeAlias = float | tuple[float, float]
_ratio_any_t: TypeAlias = float | tuple[float, ...]

__all__: list[str] = []
