"""The Transformer: layers of attention and their stacks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from npnet import creation
from npnet.nn import functional as F
from npnet.nn import init
from npnet.nn.module import Module
from npnet.nn.modules.attention import MultiheadAttention
from npnet.nn.modules.container import ModuleList
from npnet.nn.modules.dropout import Dropout
from npnet.nn.modules.linear import Linear
from npnet.nn.modules.normalization import LayerNorm
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]

Activation = str | Callable[[Tensor], Tensor]


def _activation(asked: Activation) -> Callable[[Tensor], Tensor]:
    if callable(asked):
        return asked
    if asked not in ("relu", "gelu"):
        raise RuntimeError(f"activation must be 'relu', 'gelu' or a function, got {asked!r}")
    return F.relu if asked == "relu" else F.gelu


def _causal(mask: Tensor | None, is_causal: bool | None) -> bool:
    """What is said of a mask, which is used as it is; where nothing is, no more is known of it."""
    return bool(is_causal) and mask is not None


def _attended(
    attention: Module,
    query: Tensor,
    memory: Tensor,
    attn_mask: Tensor | None,
    key_padding_mask: Tensor | None,
    is_causal: bool,
) -> Tensor:
    """What an attention takes from a memory, without its weights."""
    masks = {"attn_mask": attn_mask, "key_padding_mask": key_padding_mask}
    y, _ = attention(query, memory, memory, need_weights=False, is_causal=is_causal, **masks)
    return cast("Tensor", y)


class TransformerEncoderLayer(Module):
    """Attention of a sequence to itself, then two linear layers on each of its steps.

        x = norm1(x + attention(x));     x = norm2(x + linear2(activation(linear1(x))))
        x = x + attention(norm1(x));     x = x + linear2(activation(linear1(norm2(x))))

    The second line is with norm_first. Dropout is applied to the weights of attention, after the
    activation, and before each sum.

    Args:
        d_model: E.
        dim_feedforward: what linear1 gives.
        activation: "relu", "gelu" or a function.
        batch_first: tensors are (N, L, E) instead of (L, N, E).
        bias: of the linear layers and the norms.

    Shape: src (L, N, E) -> (L, N, E); masks as MultiheadAttention's.

    Raises:
        AssertionError: nhead does not divide d_model.
        RuntimeError: activation is neither a name that is known nor a function.
        ShapeError: src does not end in d_model, or a mask does not fit.

    Example:
        >>> layer = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)
        >>> x = npnet.zeros(3, 5, 8)
        >>> layer(x, src_key_padding_mask=npnet.zeros(3, 5, dtype=npnet.bool)).shape
        (3, 5, 8)

    Source: Vaswani et al. (2017), arXiv:1706.03762, section 3.1; norm_first: Xiong et al. (2020),
    arXiv:2002.04745, fig. 1.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        made: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout=dropout, batch_first=batch_first, **made
        )
        self.linear1 = Linear(d_model, dim_feedforward, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **made)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, **made)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, **made)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = _activation(activation)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            masks = src_mask, src_key_padding_mask, is_causal
            return self.dropout1(_attended(self.self_attn, x, x, *masks))

        if self.norm_first:
            x = src + attend(self.norm1(src))
            return x + self._feed(self.norm2(x))
        x = self.norm1(src + attend(src))
        return self.norm2(x + self._feed(x))

    def _feed(self, x: Tensor) -> Tensor:
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerDecoderLayer(Module):
    """As TransformerEncoderLayer, and between its two parts, attention to a memory.

    Shape: tgt (L, N, E), memory (S, N, E) -> (L, N, E).

    Raises:
        AssertionError: nhead does not divide d_model.
        RuntimeError: activation is neither a name that is known nor a function.
        ShapeError: tgt or memory does not end in d_model, or they are not of as many sequences.

    Example:
        >>> layer = nn.TransformerDecoderLayer(8, 2, dim_feedforward=16)
        >>> tgt, memory = npnet.zeros(4, 3, 8), npnet.zeros(5, 3, 8)
        >>> layer(tgt, memory).shape
        (4, 3, 8)

    Source: Vaswani et al. (2017), arXiv:1706.03762, section 3.1.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        made: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout=dropout, batch_first=batch_first, **made
        )
        self.multihead_attn = MultiheadAttention(
            d_model, nhead, dropout=dropout, batch_first=batch_first, **made
        )
        self.linear1 = Linear(d_model, dim_feedforward, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **made)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, **made)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, **made)
        self.norm3 = LayerNorm(d_model, eps=layer_norm_eps, **made)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = _activation(activation)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            masks = tgt_mask, tgt_key_padding_mask, tgt_is_causal
            return self.dropout1(_attended(self.self_attn, x, x, *masks))

        def remember(x: Tensor) -> Tensor:
            masks = memory_mask, memory_key_padding_mask, memory_is_causal
            return self.dropout2(_attended(self.multihead_attn, x, memory, *masks))

        if self.norm_first:
            x = tgt + attend(self.norm1(tgt))
            x = x + remember(self.norm2(x))
            return x + self._feed(self.norm3(x))
        x = self.norm1(tgt + attend(tgt))
        x = self.norm2(x + remember(x))
        return self.norm3(x + self._feed(x))

    def _feed(self, x: Tensor) -> Tensor:
        return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerEncoder(Module):
    """num_layers copies of a layer, one after another, and a norm where one is given.

    Shape: src (L, N, E) -> (L, N, E).

    Args:
        enable_nested_tensor, mask_check: of a faster way that PyTorch has for padded batches; here
            all steps are computed, padded ones too, as PyTorch does in training.

    Raises:
        ShapeError: src does not end in d_model, or a mask does not fit.

    Example:
        >>> layer = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16)
        >>> encoder = nn.TransformerEncoder(layer, num_layers=2)
        >>> encoder(npnet.zeros(5, 3, 8)).shape
        (5, 3, 8)

    Source: Vaswani et al. (2017), arXiv:1706.03762, section 3.1.
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = ModuleList([copy.deepcopy(encoder_layer) for _ in range(num_layers)])
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        for layer in self.layers:
            src = layer(
                src,
                src_mask=mask,
                is_causal=_causal(mask, is_causal),
                src_key_padding_mask=src_key_padding_mask,
            )
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(Module):
    """num_layers copies of a layer, one after another, and a norm where one is given.

    Shape: tgt (L, N, E), memory (S, N, E) -> (L, N, E).

    Raises:
        ShapeError: tgt or memory does not end in d_model, or they are not of as many sequences.

    Example:
        >>> layer = nn.TransformerDecoderLayer(8, 2, dim_feedforward=16)
        >>> decoder = nn.TransformerDecoder(layer, num_layers=2)
        >>> decoder(npnet.zeros(4, 3, 8), npnet.zeros(5, 3, 8)).shape
        (4, 3, 8)

    Source: Vaswani et al. (2017), arXiv:1706.03762, section 3.1.
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = ModuleList([copy.deepcopy(decoder_layer) for _ in range(num_layers)])
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        for layer in self.layers:
            tgt = layer(
                tgt,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=_causal(tgt_mask, tgt_is_causal),
                memory_is_causal=memory_is_causal,
            )
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """An encoder of src, and a decoder of tgt that looks at what it gives.

    Weights of two axes and more are drawn as `init.xavier_uniform_` does.

    Args:
        custom_encoder, custom_decoder: modules in the place of TransformerEncoder and
            TransformerDecoder.

    Shape: src (S, N, E), tgt (L, N, E) -> (L, N, E).

    Raises:
        AssertionError: nhead does not divide d_model.
        RuntimeError: src and tgt are not of as many sequences, or do not end in d_model.

    Example:
        >>> model = nn.Transformer(8, 2, 1, 1, dim_feedforward=16)
        >>> model(npnet.zeros(5, 3, 8), npnet.zeros(4, 3, 8)).shape
        (4, 3, 8)

    Source: Vaswani et al. (2017), arXiv:1706.03762, fig. 1.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        made: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        sizes = (d_model, nhead, dim_feedforward, dropout, activation)
        rules = (layer_norm_eps, batch_first, norm_first)
        if custom_encoder is None:
            norm = LayerNorm(d_model, eps=layer_norm_eps, **made)
            one: Module = TransformerEncoderLayer(*sizes, *rules, **made)
            custom_encoder = TransformerEncoder(one, num_encoder_layers, norm)
        self.encoder = custom_encoder
        if custom_decoder is None:
            norm = LayerNorm(d_model, eps=layer_norm_eps, **made)
            one = TransformerDecoderLayer(*sizes, *rules, **made)
            custom_decoder = TransformerDecoder(one, num_decoder_layers, norm)
        self.decoder = custom_decoder
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def _reset_parameters(self) -> None:
        for p in self.parameters():
            if p.ndim > 1:
                init.xavier_uniform_(p)

    @staticmethod
    def generate_square_subsequent_mask(
        sz: int, device: Any = None, dtype: npt.DTypeLike | None = None
    ) -> Tensor:
        """(sz, sz): -inf right of the diagonal, where a step would look at later ones; else 0."""
        like = creation.empty(0, dtype=dtype, device=device)
        return result(np.triu(np.full((sz, sz), -np.inf, like.dtype), 1))

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        batch = 0 if self.batch_first else 1
        if src.ndim == 3 and src.shape[batch] != tgt.shape[batch]:
            raise RuntimeError(
                f"Transformer: src and tgt must be of as many sequences, got {src.shape} and "
                f"{tgt.shape}"
            )
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError(
                f"Transformer: src and tgt must end in d_model {self.d_model}, got {src.shape} and "
                f"{tgt.shape}"
            )
        memory = self.encoder(
            src,
            mask=src_mask,
            src_key_padding_mask=src_key_padding_mask,
            is_causal=src_is_causal,
        )
        y: Tensor = self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )
        return y
