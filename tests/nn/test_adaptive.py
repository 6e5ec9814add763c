"""AdaptiveLogSoftmaxWithLoss, CTCLoss and EmbeddingBag beside PyTorch's, with its weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

import npnet

FLOAT64 = {"rtol": 1e-10, "atol": 1e-12}  # sums of a few float64 products
TESTED = {"AdaptiveLogSoftmaxWithLoss", "CTCLoss", "EmbeddingBag"}


def pair(name: str, *args: Any, **options: Any) -> tuple[Any, Any]:
    """A module of each library, with the same weights in float64."""
    theirs = getattr(torch.nn, name)(*args, **options).double()
    ours = getattr(npnet.nn, name)(*args, **options).double()
    assert repr(ours) == repr(theirs)
    ours.load_state_dict({k: npnet.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    return ours, theirs


def check_gradients(ours: Any, theirs: Any) -> None:
    for (name, a), (_, b) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        wanted = torch.zeros_like(b) if b.grad is None else b.grad
        got = np.zeros(a.shape) if a.grad is None else a.grad.numpy()
        assert_allclose(got, wanted, **FLOAT64, err_msg=name)


@pytest.mark.parametrize(
    "target", [[0, 11, 3, 5, 4, 9], [1, 2, 0, 3, 1, 2], [10, 11, 9, 8, 9, 8], 7]
)
@pytest.mark.parametrize("head_bias", [False, True])
def test_adaptive_log_softmax(target: Any, head_bias: bool) -> None:
    ours, theirs = pair(
        "AdaptiveLogSoftmaxWithLoss", 8, 12, [4, 8], div_value=2.0, head_bias=head_bias
    )
    shape = (6, 8) if isinstance(target, list) else (8,)
    values = np.random.default_rng(0).standard_normal(shape)
    x, x_ref = npnet.tensor(values).requires_grad_(), torch.tensor(values, requires_grad=True)
    y, loss = ours(x, npnet.tensor(target))
    expected = theirs(x_ref, torch.tensor(target))
    assert_allclose(y.detach(), expected.output.detach(), **FLOAT64)
    assert_allclose(loss.detach(), expected.loss.detach(), **FLOAT64)
    loss.backward()
    expected.loss.backward()
    assert_allclose(x.grad, x_ref.grad, **FLOAT64)
    check_gradients(ours, theirs)


def test_adaptive_log_prob_and_predict() -> None:
    ours, theirs = pair("AdaptiveLogSoftmaxWithLoss", 8, 12, [2, 8], div_value=2.0)
    values = 5 * np.random.default_rng(1).standard_normal((40, 8))
    p = ours.log_prob(npnet.tensor(values)).detach()
    assert_allclose(p, theirs.log_prob(torch.tensor(values)).detach(), **FLOAT64)
    assert_allclose(p.exp().sum(1), np.ones(40), **FLOAT64)
    predicted = ours.predict(npnet.tensor(values))
    assert_array_equal(predicted, theirs.predict(torch.tensor(values)))
    assert len(predicted.unique()) > 3


@pytest.mark.parametrize("cutoffs", [[], [3, 2], [0, 2], [2, 12], [2, 2], [1.5]])
def test_cutoffs_that_are_refused(cutoffs: Any) -> None:
    for nn in (npnet.nn, torch.nn):
        with pytest.raises(ValueError, match="cutoffs"):
            nn.AdaptiveLogSoftmaxWithLoss(8, 12, cutoffs)


def test_adaptive_targets_that_are_refused() -> None:
    for ns in (npnet, torch):
        module = ns.nn.AdaptiveLogSoftmaxWithLoss(8, 12, [4], div_value=2.0)
        for x, t in (((3, 8), (2,)), ((3, 8), (3, 1)), ((8,), (1,))):
            with pytest.raises(RuntimeError):
                module(ns.zeros(*x), ns.zeros(*t, dtype=ns.int64))
        with pytest.raises(RuntimeError, match=r"\[0, 11\]"):
            module(ns.zeros(2, 8), ns.tensor([0, 12]))


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding", [None, -1])
def test_embedding_bag(mode: str, padding: int | None) -> None:
    ours, theirs = pair(
        "EmbeddingBag", 6, 3, mode=mode, padding_idx=padding, max_norm=1.5, include_last_offset=True
    )
    rows, offsets = [1, 5, 2, 2, 5, 0, 3], [0, 2, 2, 4, 5, 7]
    y = ours(npnet.tensor(rows), npnet.tensor(offsets))
    expected = theirs(torch.tensor(rows), torch.tensor(offsets))
    assert_allclose(y.detach(), expected.detach(), **FLOAT64)
    assert_allclose(ours.weight.detach(), theirs.weight.detach(), **FLOAT64)
    (y**2).sum().backward()
    (expected**2).sum().backward()
    check_gradients(ours, theirs)


def test_embedding_bag_from_pretrained() -> None:
    table = npnet.tensor(np.arange(6.0).reshape(3, 2))
    bag = npnet.nn.EmbeddingBag.from_pretrained(table, mode="sum")
    assert not bag.weight.requires_grad
    assert bag(npnet.tensor([[0, 2]])).tolist() == [[4.0, 6.0]]
    assert npnet.nn.EmbeddingBag.from_pretrained(table, freeze=False).weight.requires_grad


def test_gradients_by_frequency() -> None:
    """Each row's divided by how often it is named, which PyTorch 2.13 takes of other rows."""
    weight = npnet.ones(4, 1, requires_grad=True)
    rows = npnet.tensor([[0, 0, 1], [2, 2, 2]])
    F = npnet.nn.functional
    F.embedding_bag(rows, weight, mode="sum", scale_grad_by_freq=True).sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [[1.0], [1.0], [1.0], [0.0]]


REFUSED = [
    lambda ns, w: ns.nn.functional.embedding_bag(ns.tensor([0, 1]), w),
    lambda ns, w: ns.nn.functional.embedding_bag(ns.tensor([0, 4]), w, ns.tensor([0])),
    lambda ns, w: ns.nn.functional.embedding_bag(ns.tensor([0, 1]), w, ns.tensor([1])),
    lambda ns, w: ns.nn.functional.embedding_bag(ns.tensor([[0, 1]]), w, ns.tensor([0])),
    lambda ns, w: ns.nn.functional.embedding_bag(ns.tensor([[0, 1]]), w, mode="median"),
    lambda ns, w: ns.nn.functional.embedding_bag(ns.tensor([[0, 1]]), w[0]),
    lambda ns, w: ns.nn.functional.embedding_bag(
        ns.tensor([[0, 1]]), w, mode="max", scale_grad_by_freq=True
    ),
    lambda ns, w: ns.nn.functional.embedding_bag(
        ns.tensor([[0, 1]]), w, per_sample_weights=ns.ones(1, 2)
    ),
    lambda ns, w: ns.nn.functional.embedding_bag(
        ns.tensor([[0, 1]]), w, per_sample_weights=ns.ones(2), mode="sum"
    ),
    lambda ns, w: ns.nn.functional.ctc_loss(w[:, None], ns.tensor([[1]]), [5], [1]),
    lambda ns, w: ns.nn.functional.ctc_loss(w[:, None], ns.tensor([[1]]), [4], [2]),
    lambda ns, w: ns.nn.functional.ctc_loss(w[:, None], ns.tensor([[1]]), [4], [1, 1]),
    lambda ns, w: ns.nn.functional.ctc_loss(w[:, None], ns.tensor([[1]]), [4], [1], blank=5),
    lambda ns, w: ns.nn.functional.ctc_loss(w[:, None], ns.tensor([[1]]), [4], [-1]),
    lambda ns, w: ns.nn.functional.pdist(w[0]),
    lambda ns, w: ns.nn.functional.pdist(w, -1),
    lambda ns, w: ns.nn.functional.pdist(w.long()),
]


@pytest.mark.parametrize("call", REFUSED)
@pytest.mark.parametrize("ns", [npnet, torch])
def test_what_is_refused(ns: Any, call: Any) -> None:
    with pytest.raises((ValueError, RuntimeError, IndexError, NotImplementedError)):
        call(ns, ns.ones(4, 3))


def test_an_infinite_loss() -> None:
    """Two labels do not fit into one time: infinite, and NaN gradients, in both libraries."""
    values = np.log(np.full((3, 2, 4), 0.25))
    for ns in (npnet, torch):
        x = ns.tensor(values, requires_grad=True)
        y = ns.nn.CTCLoss(reduction="none")(x, ns.tensor([[1, 2], [1, 1]]), [1, 3], [2, 2])
        y.sum().backward()
        assert y.tolist()[0] == float("inf")
        assert np.isnan(np.asarray(x.grad)[0, 0]).any()
        assert np.isfinite(np.asarray(x.grad)[:, 1]).all()
