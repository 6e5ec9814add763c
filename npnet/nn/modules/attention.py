"""Attention in several heads, as a layer."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from npnet import creation
from npnet.nn import functional as F
from npnet.nn import init
from npnet.nn.module import Module
from npnet.nn.modules.linear import Linear
from npnet.nn.parameter import Parameter
from npnet.tensor import Tensor

__all__ = ["MultiheadAttention"]


class NonDynamicallyQuantizableLinear(Linear):
    """Linear, under the name that PyTorch prints here."""


class MultiheadAttention(Module):
    """What queries find in values by their keys, in num_heads heads; see
    `functional.multi_head_attention_forward` for the equation and the masks.

    Parameters: in_proj_weight (3 * E, E), or, where kdim or vdim is another than E, q_proj_weight
    (E, E), k_proj_weight (E, kdim), v_proj_weight (E, vdim); in_proj_bias (3 * E,); out_proj, a
    Linear. Weights are drawn as `init.xavier_uniform_` does, biases are 0.

    Args:
        embed_dim: E, which num_heads divides.
        dropout: of the weights of attention, in training.
        add_bias_kv: learn one more key and its value.
        add_zero_attn: add a key and a value of zeros.
        batch_first: tensors are (N, L, E) instead of (L, N, E).

    Shape: query (L, N, E), key (S, N, kdim), value (S, N, vdim) -> (L, N, E) and the weights
    (N, L, S), or None with need_weights=False, which is faster.

    Raises:
        AssertionError: num_heads does not divide embed_dim.
        ShapeError: query does not end in embed_dim, key and value are of other lengths, or a mask
            does not fit.

    Example:
        >>> layer = nn.MultiheadAttention(8, num_heads=2, batch_first=True)
        >>> x = npnet.zeros(4, 5, 8)
        >>> y, weights = layer(x, x, x)
        >>> y.shape, weights.shape
        ((4, 5, 8), (4, 5, 5))

    Source: Vaswani et al. (2017), arXiv:1706.03762, section 3.2.2.
    """

    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        if min(embed_dim, num_heads) <= 0:
            raise ValueError(
                "MultiheadAttention: embed_dim and num_heads must be above 0, got "
                f"{embed_dim} and {num_heads}"
            )
        if embed_dim % num_heads:
            raise AssertionError(
                f"MultiheadAttention: num_heads must divide embed_dim, got {num_heads} and "
                f"{embed_dim}"
            )
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn

        def room(*size: int) -> Parameter:
            return Parameter(creation.empty(size, dtype=dtype, device=device))

        # In PyTorch's order, in which optimizers number their state.
        sizes = {"in_proj_weight": (3 * embed_dim, embed_dim)}
        if not self._qkv_same_embed_dim:
            sizes = {
                "q_proj_weight": (embed_dim, embed_dim),
                "k_proj_weight": (embed_dim, self.kdim),
                "v_proj_weight": (embed_dim, self.vdim),
            }
        names = ("q_proj_weight", "k_proj_weight", "v_proj_weight", "in_proj_weight")
        for name in names if not self._qkv_same_embed_dim else (names[-1], *names[:-1]):
            self.register_parameter(name, room(*sizes[name]) if name in sizes else None)
        self.register_parameter("in_proj_bias", room(3 * embed_dim) if bias else None)
        self.out_proj = NonDynamicallyQuantizableLinear(
            embed_dim, embed_dim, bias=bias, device=device, dtype=dtype
        )
        self.bias_k = room(1, 1, embed_dim) if add_bias_kv else None
        self.bias_v = room(1, 1, embed_dim) if add_bias_kv else None
        self._reset_parameters()

    @property
    def _qkv_same_embed_dim(self) -> bool:
        return self.kdim == self.vdim == self.embed_dim

    def _reset_parameters(self) -> None:
        self._check_writable("reset_parameters")
        for name in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
            weight = getattr(self, name)
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None and self.out_proj.bias is not None:
            init.constant_(self.in_proj_bias, 0.0)
            init.constant_(self.out_proj.bias, 0.0)
        if self.bias_k is not None and self.bias_v is not None:
            init.xavier_normal_(self.bias_k)
            init.xavier_normal_(self.bias_v)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        turned = self.batch_first and query.ndim == 3
        if turned:
            # What is one tensor stays one: it is then projected at once.
            made = {
                id(x): x.transpose(0, 1) for x in {id(x): x for x in (query, key, value)}.values()
            }
            query, key, value = made[id(query)], made[id(key)], made[id(value)]
        y, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return (y.transpose(0, 1) if turned else y), weights
