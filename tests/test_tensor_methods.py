"""What a Tensor and the top-level functions can do, each call made in both libraries."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

import npnet
from npnet.base.checks import ShapeError

# A handful of float64 operations, whose order may differ.
FLOAT64 = {"rtol": 1e-11, "atol": 1e-13}

# Of x (3, 4), y (3, 4) and v (4,), all float64, with distinct positive and negative values.
DIFFERENTIABLE: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "operators": lambda n, x, y, v: -(2 - x) * y / (v + 5) + x**2 - 3 / (y + 9) + 2 ** (x / 9),
    "matmul": lambda n, x, y, v: (x @ y.T) + x.matmul(v)[:, None],
    "methods": lambda n, x, y, v: x.add(y, alpha=2).sub(v).mul(y).div(3).pow(2).neg(),
    "sqrt etc": lambda n, x, y, v: x.abs().sqrt() + x.exp().log() + x.sin() * x.cos() + x.square(),
    "activations": lambda n, x, y, v: x.relu() + x.tanh() + x.sigmoid() + x.softmax(1),
    "log_softmax": lambda n, x, y, v: x.log_softmax(-1),
    "clamp": lambda n, x, y, v: x.clamp(-1, 1) + x.clip(min=0) + n.clip(y, max=0.5),
    "clamp of torch": lambda n, x, y, v: n.clamp(x, min=-0.5, max=0.5),
    "reductions": lambda n, x, y, v: x.sum() + x.mean(0).sum() + x.var() + x.std(1).sum(),
    "keepdim": lambda n, x, y, v: x - x.mean(dim=1, keepdim=True) + x.sum((0, 1), keepdim=True),
    "max of all": lambda n, x, y, v: x.max() * x.min(),
    "max": lambda n, x, y, v: x.max(1).values + x.min(dim=1, keepdim=True)[0].squeeze(1),
    "max of two": lambda n, x, y, v: n.max(x, y) + x.min(y) + x.maximum(v) + n.minimum(x, v),
    "norm": lambda n, x, y, v: x.norm() + n.norm(y, dim=1).sum() + y.norm(p=1) + x.norm(3, 0).sum(),
    "norm inf": lambda n, x, y, v: x.norm(float("inf")) + y.norm(float("inf"), dim=1).sum(),
    "norm of zeros": lambda n, x, y, v: (x * 0).norm() + x.sum(),
    "logsumexp": lambda n, x, y, v: x.logsumexp(1) + n.logsumexp(y, (0, 1), keepdim=True)[0],
    "cumsum": lambda n, x, y, v: x.cumsum(0) + n.cumsum(y, dim=-1),
    "sort": lambda n, x, y, v: x.sort(descending=True).values * y + n.sort(x, 0)[0],
    "topk": lambda n, x, y, v: x.topk(2).values + n.topk(y, 2, dim=1, largest=False)[0],
    "gather": lambda n, x, y, v: x.gather(1, n.tensor([[0, 3], [1, 1], [2, 0]])),
    "split": lambda n, x, y, v: x.split(3, 1)[0] * x.split([3, 1], 1)[0] + n.split(y, 3, dim=1)[1],
    "chunk": lambda n, x, y, v: x.chunk(2, dim=1)[1] * n.chunk(y, 3, -1)[0],
    "unbind": lambda n, x, y, v: x.unbind()[1] * n.unbind(y, 1)[2].sum(),
    "repeat": lambda n, x, y, v: v.repeat(3) + v.repeat(2, 3).sum(0) + x.repeat(1, 3)[0],
    "diag": lambda n, x, y, v: (x @ y.T).diag().sum() + n.diag(v) @ v,
    "flip": lambda n, x, y, v: x.flip(0) + n.flip(y, [0, 1]) + x.flip((1,)),
    "index_select": lambda n, x, y, v: x.index_select(1, n.tensor([2, 2, 0])),
    "masked": lambda n, x, y, v: x.masked_fill(y > 0, -1.0).sum() + x.masked_select(y > 0).sum(),
    "where": lambda n, x, y, v: n.where(x > y, x, y * 2) + n.where(v > 0, v, 0.0),
    "shapes": lambda n, x, y, v: (
        x.view(4, 3).t().reshape(-1).unsqueeze(0).squeeze().flatten() + y.permute(1, 0).reshape(12)
    ),
    "view_as": lambda n, x, y, v: x.view(-1).view_as(y) * v.expand_as(x) + v.expand(3, -1),
    "transposes": lambda n, x, y, v: x.T + y.transpose(0, 1) + n.transpose(x, -1, 0) + n.t(y),
    "indices": lambda n, x, y, v: (
        x[:, 1:3] * x[1, None, 2] + x[..., -1:] + x[n.tensor([0, 0, 1]), 1:3]
    ),
    "picks": lambda n, x, y, v: x[0, 1] * x[1][2] + x[x > 0].sum() + x[[0, 2]].sum(),
    "cat": lambda n, x, y, v: n.cat([x, y], dim=1)[:, 3:6] + n.cat((x, y))[:3, :3],
    "stack": lambda n, x, y, v: n.stack([x, y]).sum(0) + n.stack((x, y), dim=-1)[..., 0],
    "products": lambda n, x, y, v: (
        n.mm(x, y.t())[0, 0] + n.mv(x, v).sum() + n.dot(v, v) + x.mm(y.T).sum()
    ),
    "outer": lambda n, x, y, v: n.outer(v, x[0]) + n.bmm(x[None], y.T[None])[0, 0, 0],
    "steps": lambda n, x, y, v: (
        x * y.floor() + y.ceil() * x.round() + x.sign() * n.round(y, decimals=1)
    ),
    "reciprocals": lambda n, x, y, v: x.reciprocal() + (y * y).rsqrt() + n.square(x),
    "casts": lambda n, x, y, v: x.to(y) * y.double() + x.type(n.float64) + y.clone().contiguous(),
    "to with copy": lambda n, x, y, v: (
        x.to("cpu", n.float64, copy=True) + y.to(x, non_blocking=True)
    ),
    "iteration": lambda n, x, y, v: sum(row * (i + 1) for i, row in enumerate(x)),
    "unpacking": lambda n, x, y, v: (lambda a, b, c: a * b + c)(*x),
}


def draw(shape: tuple[int, ...], seed: int) -> np.ndarray[Any, Any]:
    """Distinct values, away from the kinks at 0 and at whole numbers."""
    rng = np.random.default_rng(seed)
    spread = rng.permutation(int(np.prod(shape))).reshape(shape) - np.prod(shape) / 2
    return spread / 3 + 0.1 + 0.01 * rng.random(shape)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_values_and_gradients_match_torch(name: str) -> None:
    arrays = [draw(shape, i) for i, shape in enumerate([(3, 4), (3, 4), (4,)])]
    ours = [npnet.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    z, z_ref = DIFFERENTIABLE[name](npnet, *ours), DIFFERENTIABLE[name](torch, *theirs)
    assert z.shape == tuple(z_ref.shape)
    assert_allclose(z.detach().numpy(), z_ref.detach(), **FLOAT64)
    gz = np.random.default_rng(9).standard_normal(z.shape)
    z.backward(npnet.tensor(gz, dtype=npnet.float64))
    z_ref.backward(torch.tensor(gz))
    for a, b in zip(ours, theirs, strict=True):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            assert_allclose(a.grad.numpy(), b.grad, **FLOAT64)


# Of x (2, 3) float32, m (4,) int64 and b (4,) bool; the result may be of any kind.
PLAIN: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "comparisons": lambda n, x, m, b: [x > 1, x >= 1, x < 1, x <= 1, x == 1, x != 1, x < 1],
    "comparison methods": lambda n, x, m, b: [x.gt(1), x.ge(1), x.lt(1), x.le(1), x.eq(1), x.ne(1)],
    "eq of shapes": lambda n, x, m, b: m.eq(m.view_as(m)).sum().item(),
    "bits": lambda n, x, m, b: [m & 3, m | 4, m ^ 5, ~m, 3 & m, 4 | m, 5 ^ m],
    "bools": lambda n, x, m, b: [
        b & ~b,
        b | (m > 1),
        b ^ True,
        ~b,
        b.logical_not(),
        m.logical_not(),
    ],
    "logical": lambda n, x, m, b: [n.logical_and(m, b), m.logical_or(b), n.logical_not(x)],
    "none": lambda n, x, m, b: [x == None, x != None],  # noqa: E711 # the question is asked so
    "dtypes": lambda n, x, m, b: [x.long(), x.int(), x.bool(), m.float(), m.double(), x.type_as(m)],
    "promotion": lambda n, x, m, b: [m + 1.5, m / 2, m // 2, m % 3, b + b, m * b, b.sum(), m.sum()],
    "reflected": lambda n, x, m, b: [7 // (m + 1), 7 % (m + 1), 2 - m, 2**m, 1 / (m + 1)],
    "argmax": lambda n, x, m, b: [x.argmax(), x.argmax(1), n.argmax(x, dim=0, keepdim=True)],
    "argmin": lambda n, x, m, b: [x.argmin(), x.argmin(-1), n.argmin(x, 0)],
    "max with indices": lambda n, x, m, b: [*n.max(x, 1), *x.min(0), *x.max(dim=1, keepdim=True)],
    "data.max": lambda n, x, m, b: x.data.max(1, keepdim=True)[1],
    "sorting": lambda n, x, m, b: [*x.sort(), *m.sort(descending=True), n.argsort(m), x.argsort(0)],
    "topk": lambda n, x, m, b: [*x.topk(2, 1), *n.topk(m, 3, largest=False)],
    "any": lambda n, x, m, b: [b.any(), b.all(), x.any(1), n.all(x, dim=0), (x > 9).any().item()],
    "finite": lambda n, x, m, b: [x.isnan(), n.isinf(x / 0), x.isfinite(), n.isnan(x / 0 * 0)],
    "nonzero": lambda n, x, m, b: [n.nonzero(m), *x.nonzero(as_tuple=True), b.nonzero()],
    "cumsum": lambda n, x, m, b: [m.cumsum(0), b.cumsum(0), x.cumsum(1, dtype=n.float64)],
    "tolist": lambda n, x, m, b: [x.tolist(), m.tolist(), b.tolist(), m[1].tolist()],
    "items": lambda n, x, m, b: [
        x.sum().item(),
        m.max().item(),
        b[0].item(),
        int(m[2]),
        float(x[0, 1]),
    ],
    "numbers": lambda n, x, m, b: [
        len(x),
        x.numel(),
        x.nelement(),
        x.dim(),
        x.ndim,
        x.element_size(),
    ],
    "sizes": lambda n, x, m, b: [
        tuple(x.size()),
        x.size(0),
        x.size(-1),
        x.stride(),
        x.t().stride(0),
    ],
    "flags": lambda n, x, m, b: [
        x.is_floating_point(),
        m.is_floating_point(),
        x.is_cuda,
        x.is_contiguous(),
    ],
    "contiguous": lambda n, x, m, b: [x.t().is_contiguous(), x.t().contiguous().is_contiguous()],
    "contains": lambda n, x, m, b: [3 in m, 77 in m],
    "truth": lambda n, x, m, b: [bool(m[1]), bool(x[:1, :1] > 9), not b[0]],
    "indexing a list": lambda n, x, m, b: [list("abcd")[m[2]], list(range(m[3]))],
    "equal": lambda n, x, m, b: [
        n.equal(x, x),
        x.equal(x + 1),
        n.allclose(x, x + 1e-9),
        x.allclose(x + 1),
    ],
    "integer rounding": lambda n, x, m, b: [x.floor(), x.ceil(), x.round(), x.sign(), m.sign()],
    "zero dim": lambda n, x, m, b: [x[0, 0].sort()[0], x[0, 0].argmax(), n.tensor(3).unsqueeze(0)],
    "result_type": lambda n, x, m, b: str(n.result_type(x, m)).replace("torch.", ""),
    "is_tensor": lambda n, x, m, b: [n.is_tensor(x), n.is_tensor(3), isinstance(x, n.Tensor)],
}


def plain(value: Any) -> Any:
    """What a result holds and of which type, without the library it came from."""
    if isinstance(value, (npnet.Tensor, torch.Tensor)):
        return str(value.dtype).replace("torch.", ""), tuple(value.shape), value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value


@pytest.mark.parametrize("name", PLAIN)
def test_plain_results_match_torch(name: str) -> None:
    def call(lib: Any) -> Any:
        x = lib.tensor([[0.5, 2.5, -1.0], [3.25, 0.25, 7.5]])
        return PLAIN[name](lib, x, lib.tensor([3, 0, 2, 1]), lib.tensor([True, False, True, True]))

    with np.errstate(all="ignore"):
        np.testing.assert_equal(plain(call(npnet)), plain(call(torch)))  # NaN equals NaN here


def test_every_public_name_is_torch_s() -> None:
    ours = {n for n in dir(npnet.Tensor) if not n.startswith("_")} - {"array"}
    assert ours <= set(dir(torch.Tensor))
    own = {"__version__", "get_backend", "set_backend", "set_winograd"}  # the choice of kernels
    own.add("empty_cache")  # PyTorch has it under cuda and accelerator, and npnet there too
    assert set(npnet.__all__) - own <= set(dir(torch))


REFUSED: dict[str, tuple[Callable[[npnet.Tensor], Any], type[Exception], str]] = {
    "item of many": (lambda x: x.item(), RuntimeError, r"one value, got shape \(2, 3\)"),
    "truth of many": (lambda x: bool(x), RuntimeError, r"neither true nor false; use all\(\)"),
    "len of a number": (lambda x: len(x[0, 0]), TypeError, "0-d"),
    "float as index": (lambda x: [1, 2][x[0, 0]], TypeError, "only an integer tensor"),
    "numpy of a leaf": (
        lambda x: x.requires_grad_().numpy(),
        RuntimeError,
        r"detach\(\)\.numpy\(\)",
    ),
    "cuda": (lambda x: x.cuda(), NotImplementedError, "CPU only"),
    "to a GPU": (lambda x: x.to("cuda"), NotImplementedError, "CPU only"),
    "type by name": (lambda x: x.type("torch.NoTensor"), ValueError, "invalid type"),
    "bits of floats": (lambda x: x & 1, RuntimeError, "integers or bools, got float32"),
    "bad split": (lambda x: x.split([1, 1], 1), ShapeError, r"\[1, 1\] do not add up to 3"),
    "bad repeat": (lambda x: x.repeat(2), ShapeError, "a number for each of 2 axes"),
    "bad topk": (lambda x: x.topk(4), RuntimeError, r"k must lie in \[0, 3\], got 4"),
    "bad mm": (lambda x: x.mm(x[0]), ShapeError, r"mm: mat2 must have 2 axes"),
    "bad dim": (lambda x: x.sum(2), IndexError, "dim must lie in"),
    "an array": (lambda x: x.maximum(np.ones(3)), TypeError, "as_tensor"),
    "an array and a gradient": (
        lambda x: x.requires_grad_() + np.ones(3),
        RuntimeError,
        "takes no ndarray; npnet.as_tensor",
    ),
    "copy of a result": (
        lambda x: copy.deepcopy(x.requires_grad_() * 2),
        RuntimeError,
        "only a leaf",
    ),
    "zero chunks": (lambda x: x.chunk(0), RuntimeError, "chunks must be >= 1"),
    "zero split": (lambda x: x.split(0), RuntimeError, "size must be >= 1"),
    "mask of floats": (lambda x: x.masked_fill(x, 0.0), RuntimeError, "must be bool"),
    "norm of a name": (lambda x: x.norm("two"), RuntimeError, "p must be a number"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_is_refused(name: str) -> None:
    call, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        call(npnet.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))


def test_deepcopy_of_a_leaf_copies_its_gradient() -> None:
    x = npnet.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    y = copy.deepcopy({"a": x, "b": [x]})
    assert y["a"] is y["b"][0]
    assert y["a"].requires_grad
    assert_array_equal(y["a"].grad.numpy(), [2.0, 4.0])
    assert not np.may_share_memory(y["a"].array, x.array)


def test_tensors_are_keys_by_identity() -> None:
    x, y = npnet.ones(2), npnet.ones(2)
    assert len({x, y, x}) == 2
    assert {x: 1}[x] == 1


def test_numpy_leaves_arithmetic_with_its_numbers_to_the_tensor() -> None:
    x = npnet.ones(2)
    for result in (np.float64(2) * x, np.float32(2) * x, x * np.int64(2), np.float64(3) - x):
        assert isinstance(result, npnet.Tensor)
        assert result.dtype == npnet.float32
        assert result.tolist() == [2.0, 2.0]
