"""Attention in several heads, of the ops it is written with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.bfloat16 import FLOATS
from npnet.base.checks import ShapeError
from npnet.ops import arithmetic, reduce, shape
from npnet.ops.activation import softmax
from npnet.ops.attention import scaled_dot_product_attention
from npnet.ops.broadcasting import check_tensors
from npnet.ops.dropout import dropout
from npnet.ops.linear import linear, matmul
from npnet.ops.splitting import chunk
from npnet.tape import result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["multi_head_attention_forward"]

_OP = "multi_head_attention"
Three = tuple[Any, Any, Any]


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Each head's attention, joined and projected; and the weights, where they are wanted.

        q_h, k_h, v_h = the h-th D = E / H features of query @ Wq.T + bq, key @ Wk.T + bk, ...
        a_h = softmax(q_h @ k_h.T / sqrt(D) + mask)
        y = [a_1 @ v_1, ..., a_H @ v_H] @ Wo.T + bo

    Args:
        embed_dim_to_check: E.
        in_proj_weight: Wq, Wk and Wv, (3 * E, E); None where they come each for itself
            (`use_separate_proj_weight`).
        bias_k, bias_v: one more key and its value, (1, 1, E).
        add_zero_attn: one more key and value, of zeros.
        dropout_p: of the weights, in training.
        key_padding_mask: (N, S): True where a key is none, or numbers that are added.
        attn_mask: (L, S) or (N * H, L, S): True where a query may not look, or numbers.
        static_k, static_v: keys and values that are projected already, (N * H, S, D).
        average_attn_weights: the weights are the mean over the heads, else each head's.
        is_causal: says that attn_mask is causal, so it needs one; the mask itself is used.

    Shape: query (L, N, E), key (S, N, K), value (S, N, V), or all without N
        -> y (L, N, E), weights (N, L, S) or (N, H, L, S).

    Raises:
        ShapeError: query does not end in E, the heads do not divide it, or key, value or a mask do
            not fit.
        RuntimeError: `is_causal` comes without attn_mask.

    Example:
        >>> x, weight, bias, out = npnet.eye(2), npnet.zeros(6, 2), npnet.zeros(6), npnet.eye(2)
        >>> y, weights = F.multi_head_attention_forward(
        ...     x, x, x, 2, 1, weight, bias, None, None, False, 0.0, out, None)
        >>> weights  # every key is the same, so each of two counts half
        tensor([[0.5000, 0.5000],
                [0.5000, 0.5000]])

    Source: Vaswani et al. (2017), arXiv:1706.03762, section 3.2.2.
    """
    check_tensors("multi_head_attention_forward", query)
    if query.ndim not in (2, 3) or not query.ndim == key.ndim == value.ndim:
        raise ShapeError(
            f"{_OP}: query, key and value must be (L, N, E), (S, N, E), (S, N, E), or all without "
            f"N, got {query.shape}, {key.shape} and {value.shape}"
        )
    if query.shape[-1] != embed_dim_to_check or embed_dim_to_check % num_heads:
        raise ShapeError(
            f"{_OP}: query must end in embed_dim {embed_dim_to_check}, which {num_heads} heads "
            f"divide; got {query.shape}"
        )
    if is_causal and attn_mask is None:
        raise RuntimeError(f"{_OP}: is_causal says what attn_mask is, so it needs one, got None")
    single = query.ndim == 2
    given = _batched(query, key, value) if single else (query, key, value)
    if not use_separate_proj_weight and key.shape != value.shape:
        raise ShapeError(f"{_OP}: key and value must be alike, got {key.shape} and {value.shape}")
    weights: Three = (q_proj_weight, k_proj_weight, v_proj_weight)
    q, k, v = _projected(
        given, None if use_separate_proj_weight else in_proj_weight, weights, in_proj_bias
    )
    length, batch = q.shape[:2]
    if key_padding_mask is not None and single:
        key_padding_mask = shape.unsqueeze(key_padding_mask, 0)
    mask = _mask(attn_mask, key_padding_mask, (batch, num_heads, length, k.shape[0]), q.dtype)
    if bias_k is not None and bias_v is not None:
        k, v = (
            shape.cat((x, shape.expand(bias, (1, batch, x.shape[-1]))))
            for x, bias in ((k, bias_k), (v, bias_v))
        )
    q = _heads(q, num_heads)
    k = _heads(k, num_heads) if static_k is None else _static(static_k, batch, num_heads)
    v = _heads(v, num_heads) if static_v is None else _static(static_v, batch, num_heads)
    if add_zero_attn:
        nothing = result(np.zeros((*k.shape[:2], 1, k.shape[-1]), k.dtype))
        k, v = shape.cat((k, nothing), 2), shape.cat((v, nothing), 2)
    mask = _widened(mask, k.shape[2])
    p = dropout_p if training else 0.0
    looked: Tensor | None = None
    if need_weights:
        looked = _weights(q, k, mask, p)
        y = matmul(looked, v)
        if average_attn_weights:
            looked = reduce.mean(looked, 1)
    else:
        y = scaled_dot_product_attention(q, k, v, mask, p)
    joined = shape.reshape(shape.permute(y, (2, 0, 1, 3)), (length, batch, embed_dim_to_check))
    y = linear(joined, out_proj_weight, out_proj_bias)
    if single:
        y = shape.squeeze(y, 1)
        looked = None if looked is None else shape.squeeze(looked, 0)
    return y, looked


def _batched(query: Tensor, key: Tensor, value: Tensor) -> Three:
    """Each with an axis N of one; what was one tensor stays one."""
    made: dict[int, Any] = {}
    for x in (query, key, value):
        made.setdefault(id(x), shape.unsqueeze(x, 1))
    return made[id(query)], made[id(key)], made[id(value)]


def _projected(
    given: Three, together: Tensor | None, separate: Three, bias: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    query, key, value = given
    if together is not None and query is key and key is value:
        q, k, v = chunk(linear(query, together, bias), 3, -1)
        return q, k, v
    weights = separate if together is None else chunk(together, 3)
    biases = (None,) * 3 if bias is None else chunk(bias, 3)
    q, k, v = (linear(x, w, b) for x, w, b in zip(given, weights, biases, strict=True))
    return q, k, v


def _heads(x: Tensor, heads: int) -> Tensor:  # (T, N, H * D) -> (N, H, T, D)
    length, batch, size = x.shape
    return shape.permute(shape.reshape(x, (length, batch, heads, size // heads)), (1, 2, 0, 3))


def _static(x: Tensor, batch: int, heads: int) -> Tensor:  # (N * H, T, D) -> (N, H, T, D)
    if x.ndim != 3 or x.shape[0] != batch * heads:
        raise ShapeError(
            f"{_OP}: static_k and static_v must be ({batch * heads}, S, D), got {x.shape}"
        )
    return shape.reshape(x, (batch, heads, *x.shape[1:]))


def _mask(
    attn_mask: Tensor | None,
    key_padding_mask: Tensor | None,
    size: tuple[int, int, int, int],
    dtype: np.dtype[Any],
) -> Tensor | None:
    """Both masks as numbers to add to scores (N, H, L, S), with axes of one where they repeat."""
    batch, heads, length, keys = size
    mask = None
    if attn_mask is not None:
        if attn_mask.shape not in ((length, keys), (batch * heads, length, keys)):
            raise ShapeError(
                f"{_OP}: attn_mask must be {(length, keys)} or {(batch * heads, length, keys)}, "
                f"got {attn_mask.shape}"
            )
        mask = _added(attn_mask, "attn_mask", dtype)
        rows = (1, 1) if mask.ndim == 2 else (batch, heads)
        mask = shape.reshape(mask, (*rows, length, keys))
    if key_padding_mask is not None:
        if key_padding_mask.shape != (batch, keys):
            raise ShapeError(
                f"{_OP}: key_padding_mask must be {(batch, keys)}, got {key_padding_mask.shape}"
            )
        padding = _added(key_padding_mask, "key_padding_mask", dtype)
        padding = shape.reshape(padding, (batch, 1, 1, keys))
        mask = padding if mask is None else arithmetic.add(mask, padding)
    return mask


def _added(mask: Tensor, name: str, dtype: np.dtype[Any]) -> Tensor:
    """The mask as numbers: -inf where it is True."""
    if mask.dtype == np.bool_:
        return result(np.where(mask.array, dtype.type(-np.inf), dtype.type(0)))
    if mask.dtype.kind not in FLOATS:
        raise TypeError(f"{_OP}: {name} must be of bools or floats, got {mask.dtype}")
    return mask


def _widened(mask: Tensor | None, keys: int) -> Tensor | None:
    """A mask with 0 for the keys that were added at the end."""
    if mask is None or mask.shape[-1] == keys:
        return mask
    more = result(np.zeros((*mask.shape[:-1], keys - mask.shape[-1]), mask.dtype))
    return shape.cat((mask, more), -1)


def _weights(q: Tensor, k: Tensor, mask: Tensor | None, p: float) -> Tensor:
    """softmax(q @ k.T / sqrt(D) + mask), NaN for a query that may look at nothing, as PyTorch's."""
    scores = matmul(arithmetic.mul(q, q.shape[-1] ** -0.5), shape.transpose(k, -1, -2))
    if mask is not None:
        scores = arithmetic.add(scores, mask)
    weights = softmax(scores, -1)
    return dropout(weights, p) if p else weights
