"""Attention: what a query finds in values by their keys."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from npnet.base.checks import ShapeError
from npnet.ops import arithmetic, choices, shape
from npnet.ops.activation import softmax
from npnet.ops.dropout import dropout
from npnet.ops.dtypes import check_dtypes
from npnet.ops.linear import matmul
from npnet.tape import result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["attention_weights", "scaled_dot_product_attention"]


def attention_weights(
    query: Tensor,
    key: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    scale: float | None = None,
) -> Tensor:
    """softmax(q @ k^T * scale + mask), of the ops it is written with.

    A query that may look at no key has weights of 0.

    Shape: (..., L, E), (..., S, E) -> (..., L, S).
    """
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = matmul(arithmetic.mul(query, factor), shape.transpose(key, -1, -2))
    if attn_mask is None:
        return _dropped(softmax(scores, -1), dropout_p)
    if attn_mask.dtype == np.bool_:
        seen = attn_mask
        scores = choices.where(seen, scores, -math.inf)
    else:
        scores = arithmetic.add(scores, attn_mask)
        seen = result(np.asarray(attn_mask.array > -math.inf))
    blind = np.asarray(~seen.array.any(-1, keepdims=True))
    if blind.any():
        lost = result(blind)
        scores = choices.where(lost, 0.0, scores)
        weights = choices.where(lost, 0.0, softmax(scores, -1))
    else:
        weights = softmax(scores, -1)
    return _dropped(weights, dropout_p)


def _dropped(weights: Tensor, p: float) -> Tensor:
    return dropout(weights, p) if p else weights


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """y = softmax(q @ k^T * scale + mask) @ v.

    Args:
        attn_mask: bools, True where a query may look; or numbers that are added. Broadcast.
        dropout_p: of the weights, whatever the mode.
        is_causal: a query looks at no later key; excludes attn_mask.
        scale: default 1 / sqrt(E).
        enable_gqa: keys and values of fewer heads are repeated.

    Shape: query (..., L, E), key (..., S, E), value (..., S, V) -> (..., L, V).

    Raises:
        ShapeError: E or S of two do not agree, a mask does not broadcast to (..., L, S), or the
            heads of keys do not divide those of queries.
        RuntimeError: `is_causal` comes with attn_mask.

    Example:
        >>> q, k, v = npnet.zeros(2, 4), npnet.zeros(2, 4), npnet.tensor([[1.0], [3.0]])
        >>> F.scaled_dot_product_attention(q, k, v)
        tensor([[2.],
                [2.]])
        >>> F.scaled_dot_product_attention(q, k, v, is_causal=True)
        tensor([[1.],
                [2.]])

    Source: Vaswani et al. (2017), arXiv:1706.03762, eq. 1.
    """
    op = "scaled_dot_product_attention"
    check_dtypes(op, query, key, value)
    if min(query.ndim, key.ndim, value.ndim) < 2 or query.shape[-1] != key.shape[-1]:
        raise ShapeError(
            f"{op}: query must be (..., L, E) and key (..., S, E), got {query.shape} "
            f"and {key.shape}"
        )
    if is_causal:
        if attn_mask is not None:
            raise RuntimeError(f"{op}: is_causal makes a mask, so attn_mask must be None")
        attn_mask = result(np.tri(query.shape[-2], key.shape[-2], dtype=bool))
    if enable_gqa:
        key, value = _repeated(key, query.shape[-3]), _repeated(value, query.shape[-3])
    return matmul(attention_weights(query, key, attn_mask, dropout_p, scale), value)


def _repeated(x: Tensor, heads: int) -> Tensor:
    """(..., H, S, E) with each head so often that there are `heads`."""
    *batch, own, length, size = x.shape
    if heads % own:
        raise ShapeError(f"enable_gqa: {own} heads of keys do not divide {heads} of queries")
    wide = shape.expand(shape.unsqueeze(x, -3), (*batch, own, heads // own, length, size))
    return shape.reshape(wide, (*batch, heads, length, size))
