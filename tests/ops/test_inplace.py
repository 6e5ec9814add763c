"""A value changed in place after use gives an error or the right gradient, never a wrong one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

import npnet
from npnet.base.arrays import Array
from npnet.nn import functional as F
from npnet.tensor import Tensor
from tests.cases import CASES, Case, arrays_of, npnet_names, wants_gradient

DIFFERENTIABLE = [name for name, case in CASES.items() if any(wants_gradient(case))]

# Of backward; and of the write itself, where expanded values share one place in memory.
REFUSALS = ("was changed in place after it was used", "several values of an expanded tensor share")


def gradients(case: Case, arrays: list[Array], changed: int | None) -> list[Any]:
    """Gradients of all inputs; before backward, input number `changed` is written to.

    -1 writes to the first output.
    """
    wanted = wants_gradient(case)
    leaves = [npnet.tensor(a.copy(), requires_grad=w) for a, w in zip(arrays, wanted, strict=True)]
    inputs = [x.clone() for x in leaves]
    ys = case.call(npnet_names(), *inputs)
    y = ys[0] if isinstance(ys, tuple) else ys
    if not y.requires_grad:
        return []
    result = y.clone()
    if changed is not None:
        written = y if changed < 0 else inputs[changed]
        written.copy_(npnet.as_tensor(np.full(written.shape, 0.25).astype(written.dtype)))
    rng = np.random.default_rng(3)
    result.backward(npnet.as_tensor(np.asarray(rng.standard_normal(result.shape))))
    return [None if x.grad is None else x.grad.numpy() for x in leaves]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_a_changed_value_never_gives_a_wrong_gradient(name: str) -> None:
    case = CASES[name]
    arrays = arrays_of(name, case)
    expected = gradients(case, arrays, None)
    for changed in range(-1, len(arrays)):
        try:
            got = gradients(case, arrays, changed)
        except RuntimeError as error:
            if not any(text in str(error) for text in REFUSALS):
                raise
            continue
        for a, b in zip(got, expected, strict=True):
            assert_array_equal(a, b)


@pytest.mark.parametrize(
    "op", [Tensor.exp, Tensor.tanh, Tensor.sigmoid, Tensor.sqrt, lambda x: x * x, lambda x: x**3]
)
def test_what_backward_needs_is_watched(op: Any) -> None:
    x = npnet.tensor(np.ones(3), requires_grad=True).clone()
    y = op(x)
    result = y.sum()
    x.add_(1)
    y.add_(1)
    with pytest.raises(RuntimeError, match="was changed in place after it was used"):
        result.backward()


@pytest.mark.parametrize(
    "op",
    [
        lambda x: F.relu(x, inplace=True),
        lambda x: F.leaky_relu(x, inplace=True),
        lambda x: F.elu(x, inplace=True),
        lambda x: F.silu(x, inplace=True),
        lambda x: F.hardswish(x, inplace=True),
        lambda x: F.dropout(x, 0.5, inplace=True),
    ],
)
def test_inplace_writes_into_the_input(op: Any) -> None:
    x = npnet.as_tensor(np.linspace(-1, 1, 8))
    y = op(x)
    assert y is x
    assert (x.numpy() != np.linspace(-1, 1, 8)).any()
    leaf = npnet.tensor(np.ones(3), requires_grad=True)
    with pytest.raises(RuntimeError, match=r"inplace=True\): a leaf that requires a gradient"):
        op(leaf)


def test_dropout_drops_a_share_and_scales_the_rest() -> None:
    """Of n draws, a share p is dropped, give or take sqrt(p (1 - p) / n): here 5 times that."""
    n, p = 100_000, 0.3
    x = npnet.tensor(np.ones(n), requires_grad=True)
    y = F.dropout(x, p)
    values = np.unique(y.detach().numpy())
    np.testing.assert_allclose(values, [0, 1 / (1 - p)], rtol=1e-15)
    share = float((y.detach().numpy() == 0).mean())
    assert abs(share - p) < 5 * np.sqrt(p * (1 - p) / n)
    y.backward(npnet.as_tensor(np.ones(n)))
    assert x.grad is not None
    assert_array_equal(x.grad.numpy(), y.detach().numpy())  # the mask of forward is backward's


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logits_may_be_written_to_once_the_loss_is_there(dtype: Any, smoothing: float) -> None:
    """Backward needs their log-softmax alone, as in PyTorch."""
    array = np.random.default_rng(0).standard_normal((2, 5)).astype(dtype)

    def gradients(library: Any, leaf: Any, target: Any) -> Any:
        f, found = library.nn.functional, []
        for write in (lambda h: None, lambda h: h.add_(1), lambda h: h.data.mul_(2)):
            leaf.grad, h = None, leaf * 1
            loss = f.cross_entropy(h, target, label_smoothing=smoothing)
            write(h)
            loss.backward()
            found.append(leaf.grad.numpy().copy())
        return found

    ours = gradients(npnet, npnet.tensor(array, requires_grad=True), npnet.tensor([1, 3]))
    theirs = gradients(torch, torch.tensor(array, requires_grad=True), torch.tensor([1, 3]))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def test_methods_take_what_pytorch_s_take() -> None:
    x = npnet.as_tensor(np.array([-1.0, 2.0], np.float32))
    for wrong in (lambda: x.relu(True), lambda: x.relu_(True)):  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="argument"):
            wrong()
    assert x.tolist() == [-1, 2]
    assert x.relu_() is x
    assert x.tolist() == [0, 2]
