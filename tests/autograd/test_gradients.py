"""grad, backward, hooks, Variable, anomalies: the same in both libraries."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

import npnet

LIBRARIES = pytest.mark.parametrize("lib", [npnet, torch], ids=["npnet", "torch"])


def leaf(lib: Any, *values: float) -> Any:
    return lib.tensor([float(v) for v in values], requires_grad=True)


# ---- grad, backward ----------------------------------------------------------------------------


@LIBRARIES
def test_grad_leaves_grad_alone(lib: Any) -> None:
    x, w = leaf(lib, 1, 2), leaf(lib, 3, 4)
    y = (x * w).sum()
    gx, gw = lib.autograd.grad(y, [x, w])
    assert (gx.tolist(), gw.tolist()) == ([3.0, 4.0], [1.0, 2.0])
    assert x.grad is None
    assert w.grad is None


@LIBRARIES
def test_grad_of_several_outputs_by_a_result(lib: Any) -> None:
    x = leaf(lib, 2)
    y = x * x
    z, u = y * 3, y * y
    (gy,) = lib.autograd.grad([z, u], y, [lib.ones(1), lib.ones(1) * 10])
    assert gy.tolist() == [3 + 10 * 8.0]
    assert x.grad is None


@LIBRARIES
def test_grad_leaves_other_ops_alone(lib: Any) -> None:
    x, w = leaf(lib, 2), leaf(lib, 5)
    a, b = x.exp(), w.exp()
    y = (a * b).sum()
    lib.autograd.grad(y, x)
    b.sum().backward()  # what w goes through was not freed
    assert w.grad.item() == pytest.approx(np.exp(5), rel=1e-6)
    with pytest.raises(RuntimeError):
        a.sum().backward()


@LIBRARIES
def test_grad_of_what_is_not_used(lib: Any) -> None:
    x, other = leaf(lib, 2), leaf(lib, 1)
    y = (x * 2).sum()
    with pytest.raises(RuntimeError, match="allow_unused"):
        lib.autograd.grad(y, other, retain_graph=True)
    assert lib.autograd.grad(y, [x, other], allow_unused=True, retain_graph=True)[1] is None
    zeros = lib.autograd.grad(y, [x, other], materialize_grads=True)[1]
    assert zeros.tolist() == [0.0]


@LIBRARIES
def test_grad_of_itself(lib: Any) -> None:
    x = leaf(lib, 2)
    y = (x * 2).sum()
    assert lib.autograd.grad(y, y)[0].item() == 1.0
    s = lib.tensor(2.0, requires_grad=True)
    assert lib.autograd.grad(s, s)[0].item() == 1.0


@LIBRARIES
def test_grad_refuses(lib: Any) -> None:
    x = leaf(lib, 1, 2)
    with pytest.raises(RuntimeError):
        lib.autograd.grad(x * 2, x)  # no scalar
    with pytest.raises(RuntimeError):
        lib.autograd.grad((x * 2).sum(), lib.ones(2))
    with pytest.raises(RuntimeError):
        lib.autograd.grad(lib.ones(1), x)


@LIBRARIES
def test_backward_of_several(lib: Any) -> None:
    x = leaf(lib, 2)
    lib.autograd.backward([(x * 3).sum(), x * x], [None, lib.ones(1) * 2])
    assert x.grad.tolist() == [3 + 8.0]


@LIBRARIES
def test_backward_into_chosen_ones(lib: Any) -> None:
    x, w = leaf(lib, 2), leaf(lib, 3)
    y = x * w
    (y * 4).sum().backward(inputs=[w, y])
    assert x.grad is None
    assert w.grad.tolist() == [8.0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch: the grad of a result is looked at
        assert y.grad.tolist() == [4.0]
    with pytest.raises(RuntimeError, match="empty"):
        (x * 1).sum().backward(inputs=[])


def test_what_is_not_there_says_why() -> None:
    x = leaf(npnet, 1)
    with pytest.raises(NotImplementedError, match="create_graph"):
        npnet.autograd.grad((x * x).sum(), x, create_graph=True)
    with pytest.raises(AttributeError, match="cProfile"):
        npnet.autograd.profiler  # noqa: B018
    with pytest.raises(AttributeError, match=r"numpy\.fft"):
        npnet.fft  # noqa: B018


# ---- hooks -------------------------------------------------------------------------------------


@LIBRARIES
def test_a_hook_of_a_leaf_sees_the_sum_and_changes_it(lib: Any) -> None:
    x, seen = leaf(lib, 1, 2), []

    def hook(g: Any) -> Any:
        seen.append(g.tolist())
        return g * 2

    x.register_hook(hook)
    (x * 3 + x * 4).sum().backward()
    x.sum().backward()
    assert seen == [[7.0, 7.0], [1.0, 1.0]]
    assert x.grad.tolist() == [16.0, 16.0]


@LIBRARIES
def test_a_hook_of_a_result_changes_what_goes_on(lib: Any) -> None:
    x, seen = leaf(lib, 1), []
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.register_hook(lambda g: g * 10)
    (y * 3 + y).sum().backward()
    assert seen == [[4.0]]
    assert y.grad.tolist() == [40.0], "what is retained is what goes on"
    assert x.grad.tolist() == [80.0]


@LIBRARIES
def test_a_hook_is_removed(lib: Any) -> None:
    x, seen = leaf(lib, 1), []
    handle = x.register_hook(lambda g: seen.append(1))
    x.sum().backward()
    handle.remove()
    handle.remove()
    x.sum().backward()
    assert seen == [1]


@LIBRARIES
def test_hooks_run_in_grad_too(lib: Any) -> None:
    x = leaf(lib, 1)
    y = x * 2
    x.register_hook(lambda g: g + 1)
    y.register_hook(lambda g: g * 5)
    assert lib.autograd.grad(y.sum(), [x, y], retain_graph=True)[0].tolist() == [11.0]
    assert lib.autograd.grad(y.sum(), y)[0].tolist() == [5.0]


@LIBRARIES
def test_a_hook_after_accumulation(lib: Any) -> None:
    x, seen = leaf(lib, 1), []

    def hook(p: Any) -> None:
        seen.append(p.grad.tolist())
        p.grad = None

    x.register_post_accumulate_grad_hook(hook)
    (x * 3 + x).sum().backward()
    assert seen == [[4.0]]
    assert x.grad is None
    with pytest.raises(RuntimeError):
        (x * 2).register_post_accumulate_grad_hook(hook)


@LIBRARIES
def test_what_hooks_refuse(lib: Any) -> None:
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        lib.ones(1).register_hook(print)
    x = leaf(lib, 1, 2)
    x.register_hook(lambda g: g[:1])
    with pytest.raises((RuntimeError, ValueError)):
        x.sum().backward()


def test_a_compiled_step_honours_hooks() -> None:
    model = npnet.nn.Sequential(npnet.nn.Linear(4, 8), npnet.nn.Tanh(), npnet.nn.Linear(8, 3))
    step = npnet.compile(
        model, npnet.nn.functional.cross_entropy, npnet.optim.SGD(model.parameters(), lr=0.1)
    )
    x, y = npnet.randn(16, 4), npnet.arange(16) % 3
    weight = model[0].weight
    weight.register_hook(lambda g: g * 0)
    before = weight.detach().clone()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the eager loop does it, by NumPy perhaps
        step(x, y)
        step(x, y)
    assert npnet.equal(weight.detach(), before)


# ---- the tape as programs see it ---------------------------------------------------------------


@LIBRARIES
def test_next_functions_lead_to_the_leaves(lib: Any) -> None:
    x, w = leaf(lib, 1), leaf(lib, 2)
    y = (x * w + 1).sum()
    found, ahead = [], [y.grad_fn]
    while ahead:
        node = ahead.pop()
        if hasattr(node, "variable"):
            found.append(node.variable)
            assert node.name().startswith("AccumulateGrad") or "AccumulateGrad" in node.name()
        ahead += [after for after, _ in node.next_functions if after is not None]
    assert {id(v) for v in found} == {id(x), id(w)}
    nodes = {after for after, _ in (x * x).grad_fn.next_functions}
    assert len(nodes) == 1


@LIBRARIES
def test_variable_is_a_tensor(lib: Any) -> None:
    v = lib.autograd.Variable(lib.ones(2), requires_grad=True)
    assert type(v) is lib.Tensor
    assert v.requires_grad
    assert isinstance(v, lib.autograd.Variable)
    assert isinstance(lib.ones(1), lib.autograd.Variable)
    assert not isinstance(1, lib.autograd.Variable)
    data = lib.ones(2)
    lib.autograd.Variable(data).add_(1)
    assert data.tolist() == [2.0, 2.0], "on the same memory"
    with pytest.warns(UserWarning, match="volatile was removed"):
        lib.autograd.Variable(lib.ones(1), volatile=True)
    with pytest.raises(TypeError):
        lib.autograd.Variable(np.ones(1))


@LIBRARIES
def test_a_parameter_as_a_variable_is_a_leaf_of_its_own(lib: Any) -> None:
    p = lib.nn.Parameter(lib.ones(1))
    v = lib.autograd.Variable(p)
    assert not v.requires_grad
    assert type(v) is lib.Tensor


# ---- anomalies ---------------------------------------------------------------------------------


@LIBRARIES
def test_the_op_that_gave_nan_is_named(lib: Any) -> None:
    x = leaf(lib, 0)
    with pytest.warns(UserWarning, match="Anomaly Detection has been enabled"):
        context = lib.autograd.detect_anomaly()
    with context:
        y = (x.sqrt() * 0).sum()
        where = r"(?s)Sqrt.*test_the_op_that_gave_nan_is_named"
        with (
            pytest.warns(UserWarning, match=where),
            pytest.raises(RuntimeError, match=r"Sqrt.*returned nan values"),
        ):
            y.backward()
    (x.sqrt() * 0).sum().backward()
    assert np.isnan(x.grad.item())


@LIBRARIES
def test_anomaly_detection_is_switched(lib: Any) -> None:
    x = leaf(lib, 0)
    with lib.autograd.set_detect_anomaly(True):
        (x * 2).sum().backward()
    lib.autograd.set_detect_anomaly(True)
    lib.autograd.set_detect_anomaly(False)
    (x.sqrt() * 0).sum().backward()


# ---- functional --------------------------------------------------------------------------------


@LIBRARIES
def test_jacobian_and_vjp(lib: Any) -> None:
    functional = lib.autograd.functional
    x, w = lib.tensor([1.0, 2.0]), lib.tensor([3.0, 4.0, 5.0])

    def f(x: Any, w: Any) -> Any:
        return x.unsqueeze(1) * w

    jx, jw = functional.jacobian(f, (x, w))
    assert jx.shape == (2, 3, 2)
    assert jx[1, :, 1].tolist() == [3.0, 4.0, 5.0]
    assert jw[1].tolist() == [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]]
    assert functional.jacobian(lambda x: x * x, x).tolist() == [[2.0, 0.0], [0.0, 4.0]]
    y, (gx, gw) = functional.vjp(f, (x, w), lib.ones(2, 3))
    assert y.tolist() == [[3.0, 4.0, 5.0], [6.0, 8.0, 10.0]]
    assert (gx.tolist(), gw.tolist()) == ([12.0, 12.0], [3.0, 3.0, 3.0])
