"""TransformerDecoder with masks, and errors; the rest is in tests/moduleinfo."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import npnet
from npnet import nn


def test_decoder_with_masks_matches_torch() -> None:
    rng = np.random.default_rng(0)
    layer = torch.nn.TransformerDecoderLayer(8, 2, 16, 0.0, "gelu")
    theirs = torch.nn.TransformerDecoder(layer, 2, torch.nn.LayerNorm(8)).double()
    ours = nn.TransformerDecoder(
        nn.TransformerDecoderLayer(8, 2, 16, 0.0, "gelu"), 2, nn.LayerNorm(8)
    ).double()
    assert repr(ours) == repr(theirs)
    ours.load_state_dict(theirs.state_dict())
    tgt, memory = rng.standard_normal((4, 3, 8)), rng.standard_normal((5, 3, 8))
    padding = np.zeros((3, 5), bool)
    padding[1, 3:] = True
    causal = torch.nn.Transformer.generate_square_subsequent_mask(4)
    mine = nn.Transformer.generate_square_subsequent_mask(4)
    np.testing.assert_array_equal(mine.numpy(), causal.numpy())
    a, b = npnet.tensor(tgt, requires_grad=True), torch.tensor(tgt, requires_grad=True)
    y = ours(a, npnet.tensor(memory), mine.double(), memory_key_padding_mask=npnet.tensor(padding))
    z = theirs(
        b, torch.tensor(memory), causal.double(), memory_key_padding_mask=torch.tensor(padding)
    )
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-9, atol=1e-12)
    (y * y).sum().backward()
    (z * z).sum().backward()
    assert a.grad is not None
    assert b.grad is not None
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-8, atol=1e-11)


def test_what_is_wrong_is_told() -> None:
    attention = nn.MultiheadAttention(8, 2)
    x = npnet.ones(4, 3, 8)
    with pytest.raises(AssertionError, match="num_heads must divide embed_dim, got 3 and 8"):
        nn.MultiheadAttention(8, 3)
    with pytest.raises(ValueError, match="query must end in embed_dim 8"):
        attention(npnet.ones(4, 3, 6), x, x)
    with pytest.raises(
        ValueError, match=r"attn_mask must be \(4, 4\) or \(6, 4, 4\), got \(4, 3\)"
    ):
        attention(x, x, x, attn_mask=npnet.ones(4, 3))
    with pytest.raises(RuntimeError, match="is_causal says what attn_mask is"):
        attention(x, x, x, is_causal=True)
    with pytest.raises(RuntimeError, match="activation must be 'relu', 'gelu' or a function"):
        nn.TransformerEncoderLayer(8, 2, activation="tanh")
