"""Recurrent layers beside PyTorch's, where PyTorch's own test inputs end: packed sequences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import npnet

FLOAT64 = {"rtol": 1e-9, "atol": 1e-11}  # sums of a few hundred float64 products

LENGTHS = [3, 5, 1, 5]


def both(name: str, **options: Any) -> tuple[Any, Any]:
    """npnet's layer and PyTorch's, with the same weights."""
    theirs = getattr(torch.nn, name)(4, 3, **options).double()
    ours = getattr(npnet.nn, name)(4, 3, **options).double()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(
    ("name", "more"), [("RNN", {}), ("GRU", {}), ("LSTM", {}), ("LSTM", {"proj_size": 2})]
)
def test_packed_sequences(name: str, more: dict[str, Any], bidirectional: bool) -> None:
    x = np.random.default_rng(0).standard_normal((5, len(LENGTHS), 4))
    results = []
    for lib, layer in zip(
        (npnet, torch), both(name, num_layers=2, bidirectional=bidirectional, **more), strict=True
    ):
        leaf: Any = lib.from_numpy(x.copy()).requires_grad_()
        packed = lib.nn.utils.rnn.pack_padded_sequence(leaf, LENGTHS, enforce_sorted=False)
        y, last = layer(packed)
        padded, lengths = lib.nn.utils.rnn.pad_packed_sequence(y)
        states = last if isinstance(last, tuple) else (last,)
        (padded.sin().sum() + sum(state.cos().sum() for state in states)).backward()
        assert lengths.tolist() == LENGTHS
        gradients = [p.grad for p in layer.parameters()]
        results.append([padded.detach(), *(s.detach() for s in states), leaf.grad, *gradients])
    for a, b in zip(*results, strict=True):
        assert_allclose(a.numpy(), b.numpy(), **FLOAT64)


@pytest.mark.parametrize("lib", [npnet, torch])
def test_sequences_are_packed_and_unpacked(lib: Any) -> None:
    rnn = lib.nn.utils.rnn
    parts = [lib.ones(2, 1), lib.zeros(3, 1)]
    assert rnn.pad_sequence(parts, batch_first=True, padding_value=9.0).tolist() == [
        [[1.0], [1.0], [9.0]],
        [[0.0], [0.0], [0.0]],
    ]
    packed = rnn.pack_sequence(parts, enforce_sorted=False)
    assert packed.batch_sizes.tolist() == [2, 2, 1]
    assert packed.sorted_indices.tolist() == [1, 0]
    assert [part.tolist() for part in rnn.unpack_sequence(packed)] == [
        [[1.0], [1.0]],
        [[0.0], [0.0], [0.0]],
    ]
    with pytest.raises(RuntimeError):
        rnn.pack_sequence(parts)


def test_rows_of_digits_are_learnt() -> None:
    npnet.manual_seed(0)
    layer, head = npnet.nn.LSTM(8, 16, batch_first=True), npnet.nn.Linear(16, 2)
    optimizer = npnet.optim.Adam([*layer.parameters(), *head.parameters()], 0.02)
    x, labels = npnet.randn(64, 8, 8), npnet.arange(64) % 2
    x = x + labels.float()[:, None, None]
    for _ in range(30):
        y, _ = layer(x)
        loss = npnet.nn.functional.cross_entropy(head(y[:, -1]), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


def test_wrong_sizes_are_named() -> None:
    layer = npnet.nn.GRU(4, 3)
    with pytest.raises(ValueError, match=r"GRU: input must end in input_size 4, got \(5, 2, 3\)"):
        layer(npnet.zeros(5, 2, 3))
    with pytest.raises(RuntimeError, match=r"GRU: hx must be \(1, 2, 3\), got \(1, 3, 3\)"):
        layer(npnet.zeros(5, 2, 4), npnet.zeros(1, 3, 3))
