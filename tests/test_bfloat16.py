"""bfloat16: PyTorch's values, whatever they are made of, and what an op makes of them."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import npnet
from npnet.base.bfloat16 import bfloat16

BITS = np.arange(2**16, dtype=np.uint16)
LAST_PLACE = 2.0**-7  # of a bfloat16; sums in another order may round to the neighbour


def bits(x: Any) -> Any:
    """The 16 bits of each value, of either library."""
    if isinstance(x, torch.Tensor):
        return x.detach().view(torch.uint16).numpy()
    return np.ascontiguousarray(x.detach().numpy()).view(np.uint16)


def test_is_imported_where_it_is_asked_for() -> None:
    code = (
        "import sys, npnet\n"
        "npnet.ones(2).sum()\n"
        "assert 'ml_dtypes' not in sys.modules\n"
        "assert npnet.ones(2).dtype != npnet.bfloat16\n"
        "assert 'ml_dtypes' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_ml_dtypes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    bfloat16.cache_clear()
    with pytest.raises(
        ImportError, match=r"bfloat16 needs ml_dtypes: pip install .npnet\[bfloat16\]"
    ):
        npnet.ones(2).bfloat16()
    monkeypatch.undo()
    assert npnet.ones(2).bfloat16().dtype == npnet.bfloat16


def test_every_value_as_float32_and_back() -> None:
    theirs = torch.from_numpy(BITS.copy()).view(torch.bfloat16)
    ours = npnet.from_numpy(BITS.view(npnet.bfloat16))
    np.testing.assert_array_equal(ours.float(), theirs.float())
    back = bits(ours.float().bfloat16())
    is_number = ~np.isnan(theirs.float().numpy())
    np.testing.assert_array_equal(back[is_number], BITS[is_number])


def test_rounds_to_nearest_even() -> None:
    rng = np.random.default_rng(0)
    halfway = (BITS.astype(np.uint32) << 16 | 0x8000).view(np.float32)
    drawn = rng.integers(0, 2**32, 10_000, dtype=np.uint32).view(np.float32)
    values = np.concatenate([halfway, drawn])
    values = values[np.isfinite(values)]
    np.testing.assert_array_equal(
        bits(npnet.tensor(values).bfloat16()), bits(torch.tensor(values).bfloat16())
    )


@pytest.mark.parametrize("ns", [npnet, torch])
def test_made_and_read(ns: Any) -> None:
    kind = ns.bfloat16
    x = ns.tensor([[1.0, 0.1], [3.14159, -2e5]], dtype=kind)
    assert x.dtype == kind
    assert x.tolist() == [[1.0, 0.10009765625], [3.140625, -199680.0]]
    assert (x[0, 1].item(), x.element_size(), x.itemsize, x.nbytes) == (0.10009765625, 2, 2, 8)
    assert x.type() == "torch.BFloat16Tensor"
    assert x.is_floating_point()
    assert repr(x.abs()[0]) == f"tensor([1.0000, 0.1001], dtype={ns.__name__}.bfloat16)"
    for y in (
        *(ns.zeros(2, dtype=kind), ns.ones(2, dtype=kind), ns.full((2,), 1.1, dtype=kind)),
        *(ns.empty(2, dtype=kind), ns.arange(3, dtype=kind), ns.randn(3, dtype=kind)),
        *(ns.zeros_like(x), x.new_ones(2), ns.as_tensor(1, dtype=kind), ns.BFloat16Tensor([1, 2])),
        *(ns.ones(2).to(kind), ns.ones(2).type("torch.BFloat16Tensor"), ns.ones(2).bfloat16()),
        *(x[0], x[x > 0], x.T, x.clone(), x.view(4), ns.cat([x, x]), ns.stack([x, x])),
    ):
        assert y.dtype == kind
    assert ns.finfo(kind).eps == 0.0078125
    assert ns.finfo(kind).resolution == 0.01
    assert ns.promote_types(kind, ns.float16) == ns.float32
    assert ns.promote_types(kind, ns.float64) == ns.float64
    assert ns.promote_types(kind, ns.int64) == kind


OPS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "add": lambda ns, x, w: x + w,
    "mul": lambda ns, x, w: x * w,
    "number": lambda ns, x, w: x * 2.0 - w + 1,
    "matmul": lambda ns, x, w: x @ w.T,
    "mean": lambda ns, x, w: x.mean(0) + w.sum(),
    "exp": lambda ns, x, w: x.exp() + w.tanh(),
    "softmax": lambda ns, x, w: x.softmax(1) + w.relu(),
    "linear": lambda ns, x, w: ns.nn.functional.linear(x, w),
    "conv2d": lambda ns, x, w: ns.nn.functional.conv2d(x[None, None], w[None, None, :2, :2]),
    "max_pool2d": lambda ns, x, w: ns.nn.functional.max_pool2d(x[None] + w[None], 2),
    "layer_norm": lambda ns, x, w: ns.nn.functional.layer_norm(x, (6,), w[0], w[1]),
    "index": lambda ns, x, w: x[[0, 0, 2]] + w[:3],
    "views": lambda ns, x, w: x.view(2, 12).t().expand(2, 12, 2) + w.reshape(12, 2),
    "float": lambda ns, x, w: x.float() * w.double(),
    "mixed": lambda ns, x, w: x + w.float(),
}


@pytest.mark.parametrize("name", OPS)
def test_ops_round_what_they_give(name: str) -> None:
    rng = np.random.default_rng(0)
    values = [rng.uniform(-2, 2, (4, 6)).astype(np.float32) for _ in range(2)]
    ours = [npnet.tensor(v).bfloat16().requires_grad_() for v in values]
    theirs = [torch.tensor(v).bfloat16().requires_grad_() for v in values]
    y, y_ref = OPS[name](npnet, *ours), OPS[name](torch, *theirs)
    assert str(y.dtype) == str(y_ref.dtype).removeprefix("torch.")
    close = {"rtol": 2 * LAST_PLACE, "atol": 4 * LAST_PLACE}
    np.testing.assert_allclose(y.detach().float(), y_ref.detach().float(), **close)
    gy = rng.choice([-1.0, 0.5, 1.0], y.shape).astype(np.float32)  # as exact in 16 bits
    y.backward(npnet.tensor(gy))
    y_ref.backward(torch.tensor(gy).to(y_ref.dtype))
    for a, b in zip(ours, theirs, strict=True):
        assert a.grad.dtype == npnet.bfloat16
        np.testing.assert_allclose(a.grad.float(), b.grad.float(), **close)  # type: ignore[union-attr]


def test_comparisons_and_writes() -> None:
    x = npnet.tensor([1.0, 2.0, 3.0]).bfloat16()
    assert (x > 1.5).tolist() == [False, True, True]
    assert (x == npnet.tensor([1, 2, 4])).tolist() == [True, True, False]
    x[0] = 0.1
    x[1:] *= 2
    x.add_(npnet.ones(3))
    assert x.tolist() == [1.1015625, 5.0, 7.0]
    assert x.argmax().item() == 2


def test_what_an_op_saves_is_a_copy() -> None:
    x = npnet.ones(3).bfloat16().requires_grad_()
    view = (x * 1).view(3)
    y = view * view
    view.add_(1)
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2, 2, 2]


def test_a_network_learns_in_it() -> None:
    npnet.manual_seed(0)
    nn = npnet.nn
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)
    ).bfloat16()
    assert all(p.dtype == npnet.bfloat16 for p in net.parameters())
    x, t = npnet.randn(9, 1, 6, 6).bfloat16(), npnet.arange(9) % 3
    for optimizer in (
        npnet.optim.SGD(net.parameters(), 0.05, momentum=0.9),
        npnet.optim.Adam(net.parameters(), 0.01),
    ):
        for _ in range(8):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(x), t)
            loss.backward()
            optimizer.step()
            assert loss.dtype == npnet.bfloat16
    assert loss.item() < 0.2


def test_copies() -> None:
    x = npnet.tensor([1.5, 0.1], dtype=npnet.bfloat16)
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert y.dtype == npnet.bfloat16
        assert y.tolist() == x.tolist()
    assert pickle.loads(pickle.dumps(npnet.bfloat16)) == npnet.bfloat16


def test_records_are_no_numbers() -> None:
    with pytest.raises(TypeError, match="numbers"):
        npnet.tensor(np.zeros(2, [("a", int)]))
