"""torch's own spellings of functions that stand elsewhere too, beside PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import npnet

FLOAT64 = {"rtol": 1e-9, "atol": 1e-10}  # sums of a few float64 products

CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "batch_norm": lambda ns, x: ns.batch_norm(
        x, None, x[0], *x.detach()[1:3].abs().clone(), True, 0.1, 1e-5, False
    ),
    "batch_norm-eval": lambda ns, x: ns.batch_norm(
        x, x[3], x[0], *x.detach()[1:3].abs(), False, 0.1, 1e-5, True
    ),
    "instance_norm": lambda ns, x: ns.instance_norm(
        x[None], None, None, None, None, True, 0.1, 1e-5, False
    ),
    "layer_norm": lambda ns, x: ns.layer_norm(x, [4], x[0], x[1], 1e-3),
    "group_norm": lambda ns, x: ns.group_norm(x, 2, x[0], x[1]),
    "embedding": lambda ns, x: ns.embedding(x, ns.tensor([[0, 2], [2, 1]])),
    "dropout": lambda ns, x: ns.dropout(x, 0.5, False),
    "alpha_dropout": lambda ns, x: ns.alpha_dropout(x, 0.5, False),
    "feature_dropout": lambda ns, x: ns.feature_dropout(x, 0.5, False),
    "feature_alpha_dropout": lambda ns, x: ns.feature_alpha_dropout(x, 0.5, False),
    "range": lambda ns, x: ns.range(1, 3, 0.5).double() * x[0, 0],
    "real": lambda ns, x: ns.real(x),
    "adjoint": lambda ns, x: ns.adjoint(x) @ x.adjoint().T,
    "svd": lambda ns, x: ns.svd(x)[0].abs() + x.svd(some=False).V.abs() + ns.svd(x).S,
    "svd-values": lambda ns, x: ns.svd(x, compute_uv=False)[1],
    "qr": lambda ns, x: ns.qr(x).R.abs() + x.qr(some=False)[1].abs(),
    "det": lambda ns, x: x.det() + x.inverse() + x.pinverse() + x.slogdet()[1],
    "logdet": lambda ns, x: (x @ x.T).logdet() + (x @ x.T).cholesky() + x.matrix_power(2),
    "piecewise": lambda ns, x: ns.prelu(x, x[0, :1]) + x.prelu(x[0, 1:2]) + x.hardshrink(0.3),
    "smooth": lambda ns, x: ns.celu(x, 0.5) + ns.selu(x) + ns.threshold(x, 0.1, 3.0),
    "rrelu": lambda ns, x: ns.rrelu(x) + ns.hardshrink(x),
    "shuffle": lambda ns, x: ns.channel_shuffle(x[None, :, :, None], 2),
    "rms_norm": lambda ns, x: ns.rms_norm(x, [4]),
    "pdist": lambda ns, x: ns.pdist(x),
    "newaxis": lambda ns, x: x[:, ns.newaxis],
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("ignore:torch.range", "ignore:.*torch.linalg", "ignore:The dtype of")
def test_agrees(name: str) -> None:
    values = np.random.default_rng(0).standard_normal((4, 4))
    x, x_ref = npnet.tensor(values).requires_grad_(), torch.tensor(values, requires_grad=True)
    y, y_ref = CALLS[name](npnet, x), CALLS[name](torch, x_ref)
    assert_allclose(y.detach(), y_ref.detach(), **FLOAT64)
    gy = np.random.default_rng(1).standard_normal(y.shape)
    y.backward(npnet.tensor(gy))
    y_ref.backward(torch.tensor(gy))
    assert_allclose(x.grad, x_ref.grad, **FLOAT64)  # type: ignore[arg-type]


IN_PLACE = sorted(
    name
    for name in dir(npnet)
    if name.endswith("_") and not name.startswith("_") and hasattr(torch, name)
)
GIVEN: dict[str, Callable[[Any, Any], tuple[Any, ...]]] = {
    "addmv_": lambda ns, x: (ns.eye(3, dtype=x.dtype), x.clone()),
    "as_strided_": lambda ns, x: ((3,), (1,)),
    "clamp_": lambda ns, x: (0.2, 0.5),
    "clamp_max_": lambda ns, x: (0.5,),
    "clamp_min_": lambda ns, x: (0.5,),
    "clip_": lambda ns, x: (0.2, 0.5),
    "fill_": lambda ns, x: (2.0,),
    "index_put_": lambda ns, x: ((ns.tensor([1]),), ns.tensor([5.0], dtype=x.dtype)),
    "ldexp_": lambda ns, x: (ns.tensor([1, 2, 3]),),
    "resize_as_": lambda ns, x: (ns.zeros(3),),
    "threshold_": lambda ns, x: (0.5, 7.0),
    "xlogy_": lambda ns, x: (x.clone(),),
}


@pytest.mark.parametrize("name", [n for n in IN_PLACE if n not in ("gcd_", "lcm_", "acosh_")])
def test_in_place(name: str) -> None:
    values = np.array([0.25, 0.5, 0.75])
    x, x_ref = npnet.tensor(values), torch.tensor(values)
    given = GIVEN.get(name, lambda ns, x: ())
    assert getattr(npnet, name)(x, *given(npnet, x)) is x
    getattr(torch, name)(x_ref, *given(torch, x_ref))
    assert_allclose(x, x_ref, **FLOAT64)


def test_random_ones_drop() -> None:
    x = npnet.ones(50, 8, 3)
    assert 0 < (npnet.dropout(x, 0.5, True) == 0).sum() < 1200
    whole = npnet.feature_dropout(x, 0.5, True)
    assert set(whole.sum(2).unique().tolist()) == {0.0, 6.0}
    assert not (npnet.alpha_dropout(x, 0.5, True) == 1).all()
    assert npnet.feature_alpha_dropout(x, 0.5, True).std(2).max() < 1e-6


def test_what_tensors_say_of_themselves() -> None:
    for ns in (npnet, torch):
        x = ns.arange(6.0).view(2, 3)
        assert x.is_set_to(x.view(2, 3))
        assert not x.is_set_to(x.clone())
        assert not x.is_set_to(x.view(3, 2))
        assert (x.is_conj(), x.is_neg(), x.is_inference(), x.output_nr) == (False,) * 3 + (0,)
        assert x.layout == ns.strided
        assert ns.ones(2).map_(ns.tensor([3.0, 4.0]), lambda a, b: a - b).tolist() == [-2, -3]
        with pytest.warns(UserWarning, match="range is deprecated"):
            assert ns.range(1, 3).tolist() == [1, 2, 3]
