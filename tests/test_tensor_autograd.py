"""The tape: what backward adds up, keeps, frees and refuses."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

import npnet
from npnet import Tensor
from npnet.base.arrays import Array
from npnet.base.checks import ShapeError
from npnet.tape import Function

LIBRARIES = pytest.mark.parametrize("lib", [npnet, torch], ids=["npnet", "torch"])


def leaf(*values: float) -> Tensor:
    return npnet.tensor([float(v) for v in values], requires_grad=True)


# ---- what is added up --------------------------------------------------------------------------


@LIBRARIES
def test_gradients_of_several_backward_calls_add_up(lib: Any) -> None:
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    first = x.grad
    (3 * x).sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]
    assert x.grad is first, "accumulated in place: who holds the gradient sees it"


@LIBRARIES
def test_a_leaf_used_many_times_and_a_diamond(lib: Any) -> None:
    x = lib.tensor([1.0, -2.0], requires_grad=True)
    a = x * x
    b, c = a * 3, a + x
    (b * c + x + x).sum().backward()
    # 3 x^2 (x^2 + x) + 2 x: derivative 12 x^3 + 9 x^2 + 2
    assert x.grad.tolist() == [23.0, -58.0]


@LIBRARIES
def test_a_result_used_by_many_ops_goes_backward_once(lib: Any) -> None:
    x = lib.tensor([1.0], requires_grad=True)
    y = x
    for _ in range(20):
        y = y + y
    y.sum().backward()
    assert x.grad.item() == 2.0**20


@LIBRARIES
def test_backward_of_a_leaf_itself(lib: Any) -> None:
    x = lib.tensor(2.0, requires_grad=True)
    x.backward()
    assert x.grad.item() == 1.0


@LIBRARIES
def test_backward_with_a_gradient(lib: Any) -> None:
    x = lib.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    gradient = lib.tensor([[1.0, 10.0], [100.0, 1000.0]])
    (x * x).backward(gradient)
    assert x.grad.tolist() == [[2.0, 40.0], [600.0, 8000.0]]
    x.grad = None
    x.backward(gradient=gradient)
    x.grad.zero_()
    assert gradient.tolist() == [[1.0, 10.0], [100.0, 1000.0]], "copied, not taken over"


def test_backward_without_a_gradient_needs_one_value() -> None:
    with pytest.raises(RuntimeError, match=r"shape \(2,\); use loss.mean"):
        (leaf(1, 2) * 2).backward()
    x = leaf(3)
    (x * 2).backward()  # one value with an axis will do, as in PyTorch
    assert x.grad is not None
    assert x.grad.tolist() == [2.0]


def test_backward_checks_the_gradient_s_shape() -> None:
    with pytest.raises(ShapeError, match=r"must have the tensor's shape \(2,\), got \(3,\)"):
        (leaf(1, 2) * 2).backward(npnet.ones(3))


def test_backward_refuses_what_depends_on_nothing() -> None:
    with pytest.raises(RuntimeError, match="depends on nothing that requires a gradient"):
        npnet.ones(()).backward()
    with pytest.raises(RuntimeError, match="depends on nothing"):
        leaf(1).detach().backward()


def test_backward_refuses_by_name_what_it_does_not_support() -> None:
    with pytest.raises(NotImplementedError, match="create_graph"):
        leaf(1).sum().backward(create_graph=True)


@LIBRARIES
def test_gradients_have_the_dtype_of_their_leaf(lib: Any) -> None:
    x = lib.tensor([1.0, 2.0], dtype=lib.float32, requires_grad=True)
    y = lib.tensor([3.0, 4.0], dtype=lib.float64, requires_grad=True)
    z = (x * y).sum()
    assert z.dtype == lib.float64
    z.backward()
    assert x.grad.dtype == lib.float32
    assert y.grad.dtype == lib.float64
    assert x.grad.tolist() == [3.0, 4.0]


@LIBRARIES
def test_an_integer_operand_gets_no_gradient(lib: Any) -> None:
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    n = lib.tensor([3, 4])
    (x * n).sum().backward()
    assert n.grad is None
    assert x.grad.tolist() == [3.0, 4.0]


# ---- twice -------------------------------------------------------------------------------------


@LIBRARIES
def test_retain_graph_goes_through_twice(lib: Any) -> None:
    x = lib.tensor([2.0], requires_grad=True)
    y = (x * x).exp().sum()
    y.backward(retain_graph=True)
    once = x.grad.item()
    y.backward()
    assert x.grad.item() == pytest.approx(2 * once)
    with pytest.raises(RuntimeError, match="backward"):
        y.backward()


@pytest.mark.parametrize(
    "op",
    [
        lambda x: x * x,
        lambda x: x.exp(),
        lambda x: npnet.nn.functional.max_pool2d(x, 2),
        lambda x: npnet.where(x > 0, x, 2 * x),
        lambda x: x[npnet.tensor([0, 0])],
        lambda x: x.var(),
    ],
    ids=["mul", "exp", "max_pool2d", "where", "index", "var"],
)
def test_second_backward_through_what_was_freed_is_an_error(op: Callable[..., Tensor]) -> None:
    y = op(npnet.ones(1, 1, 4, 4, requires_grad=True)[0:1].reshape(1, 1, 4, 4)).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="already gone through"):
        y.backward()


@LIBRARIES
def test_second_backward_through_ops_that_save_nothing_is_fine(lib: Any) -> None:
    x = lib.tensor([1.0], requires_grad=True)
    y = (x + 1).sum()
    y.backward()
    y.backward()
    assert x.grad.item() == 2.0


# ---- the switch --------------------------------------------------------------------------------


@LIBRARIES
def test_no_grad_as_context_nested_and_after_an_error(lib: Any) -> None:
    x = lib.tensor([1.0], requires_grad=True)
    with lib.no_grad():
        assert not (x * 2).requires_grad
        with lib.enable_grad():
            assert (x * 2).requires_grad
        assert not lib.is_grad_enabled()
    assert lib.is_grad_enabled()
    with pytest.raises(KeyError), lib.no_grad():
        raise KeyError
    assert lib.is_grad_enabled()


@LIBRARIES
@pytest.mark.parametrize("parentheses", [True, False])
def test_no_grad_as_decorator(lib: Any, parentheses: bool) -> None:
    def double(x: Any, depth: int = 2) -> Any:
        """Two times x."""
        assert not lib.is_grad_enabled()
        return double_off(x, depth - 1) if depth else x * 2

    double_off = lib.no_grad()(double) if parentheses else lib.no_grad(double)
    assert not double_off(lib.ones(1, requires_grad=True)).requires_grad
    assert lib.is_grad_enabled()
    assert double_off.__doc__ == "Two times x."


@LIBRARIES
def test_set_grad_enabled_in_its_three_forms(lib: Any) -> None:
    lib.set_grad_enabled(False)
    assert not lib.is_grad_enabled()
    lib.set_grad_enabled(True)
    with lib.set_grad_enabled(False):
        assert not lib.is_grad_enabled()
    assert lib.is_grad_enabled()

    @lib.set_grad_enabled(False)
    def enabled() -> bool:
        return bool(lib.is_grad_enabled())

    assert lib.is_grad_enabled(), "decorating does not switch"
    assert not enabled()
    assert lib.is_grad_enabled()


@LIBRARIES
def test_inference_mode(lib: Any) -> None:
    with lib.inference_mode():
        assert not lib.is_grad_enabled()
    with lib.inference_mode(False):
        assert lib.is_grad_enabled()

    @lib.inference_mode()
    def enabled() -> bool:
        return bool(lib.is_grad_enabled())

    assert not enabled()


@LIBRARIES
def test_a_decorated_generator_is_off_inside_and_leaves_its_caller_alone(lib: Any) -> None:
    seen = []

    @lib.no_grad()
    def numbers() -> Iterator[int]:
        for i in range(3):
            seen.append(lib.is_grad_enabled())
            try:
                got = yield i
                seen.append(got)
            except ValueError:
                seen.append("caught")
        return "end"

    generator = numbers()
    assert next(generator) == 0
    assert lib.is_grad_enabled(), "while it waits, the caller's own mode holds"
    assert generator.send("sent") == 1
    assert generator.throw(ValueError()) == 2
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert stop.value.value == "end"
    assert seen == [False, "sent", False, "caught", False, None]
    assert lib.is_grad_enabled()


def test_the_switch_is_one_for_each_thread() -> None:
    inside, leave = threading.Event(), threading.Event()
    found: dict[str, bool] = {}

    @npnet.no_grad()
    def wait() -> None:
        inside.set()
        leave.wait(10)

    def other() -> None:
        found["before"] = npnet.is_grad_enabled()
        wait()
        found["after"] = npnet.is_grad_enabled()

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(10)
    assert npnet.is_grad_enabled()
    with npnet.no_grad():  # the same decorated function, entered by two threads in turn
        leave.set()
        wait()
        assert not npnet.is_grad_enabled()
    thread.join()
    assert found == {"before": True, "after": True}
    assert npnet.is_grad_enabled()


# ---- leaves, results, detached -----------------------------------------------------------------


@LIBRARIES
def test_detach_shares_memory_and_data_too(lib: Any) -> None:
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    off, data = y.detach(), y.data
    assert not off.requires_grad
    assert off.grad_fn is None
    off[0] = 7
    data[1] = 8
    assert y.tolist() == [7.0, 8.0]


@LIBRARIES
def test_writing_a_detached_tensor_is_noticed_by_backward_but_data_is_not(lib: Any) -> None:
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    w = lib.tensor([1.0, 1.0], requires_grad=True)
    y = x * 2
    z = (y * w).sum()
    y.data.zero_()
    z.backward(retain_graph=True)
    assert w.grad.tolist() == [0.0, 0.0], "data: unnoticed, and so wrong, as in PyTorch"
    y.detach().zero_()
    with pytest.raises(RuntimeError, match=r"in place|inplace"):
        z.backward()


@LIBRARIES
def test_data_can_be_replaced(lib: Any) -> None:
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    x.data = lib.tensor([[3.0], [4.0], [5.0]], dtype=lib.float64)
    assert tuple(x.shape) == (3, 1)
    assert x.requires_grad
    assert x.is_leaf
    (x * x).sum().backward()
    assert x.grad.dtype == lib.float64
    assert x.grad.tolist() == [[6.0], [8.0], [10.0]]


@LIBRARIES
def test_requires_grad_of_leaves_and_results(lib: Any) -> None:
    x = lib.ones(2)
    assert not x.requires_grad
    assert x.requires_grad_() is x
    assert (x.requires_grad, x.is_leaf) == (True, True)
    y = x * 2
    assert (y.requires_grad, y.is_leaf) == (True, False)
    with pytest.raises(RuntimeError, match=r"lea[fv]"):
        y.requires_grad = False
    x.requires_grad = False
    assert not (x * 2).requires_grad


@LIBRARIES
@pytest.mark.parametrize("dtype", ["int64", "bool", "uint8"])
def test_integers_have_no_gradient(lib: Any, dtype: str) -> None:
    kind = getattr(lib, dtype)
    with pytest.raises(RuntimeError, match="floating point"):
        lib.ones(2, dtype=kind).requires_grad_()
    with pytest.raises(RuntimeError, match="floating point"):
        lib.tensor([1, 0], dtype=kind, requires_grad=True)


@LIBRARIES
def test_retain_grad(lib: Any) -> None:
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.retain_grad()  # a second time changes nothing
    assert y.retains_grad
    (y * y).sum().backward()
    assert y.grad.tolist() == [4.0, 8.0]
    y.grad.zero_()
    assert x.grad.tolist() == [8.0, 16.0], "no memory in common"
    with pytest.raises(RuntimeError, match=r"gradient|requires_grad"):
        lib.ones(1).retain_grad()


@LIBRARIES
def test_retain_grad_follows_the_tensor_through_in_place_ops(lib: Any) -> None:
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    y.sum().backward()
    assert y.grad.tolist() == [1.0, 1.0]
    assert x.grad.tolist() == [6.0, 6.0]


# ---- memory ------------------------------------------------------------------------------------


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Only reference counts free memory: a cycle would keep it."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Watched(Function):
    """An op whose arrays can be watched: saved input, saved result, and an attribute of its own."""

    def forward(self, x: Array) -> Array:
        self.extra = x * 3
        y: Array = x * 2
        self.save_for_backward(x, y)
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        return (gy * 2,)


def watched_graph() -> tuple[Tensor, list[weakref.ref[Any]]]:
    x = npnet.ones(3, requires_grad=True)
    hidden = x * 1
    function = Watched()
    y = function(hidden)
    y.retain_grad()
    assert y.grad_fn is function
    references = [weakref.ref(a) for a in (hidden.array, y.array, function.extra)]
    return (y + 1).sum(), references


@pytest.mark.usefixtures("no_collector")
def test_dropping_the_loss_frees_the_graph() -> None:
    loss, references = watched_graph()
    assert all(r() is not None for r in references[:1])
    del loss
    assert [r() for r in references] == [None] * 3


@pytest.mark.usefixtures("no_collector")
def test_backward_frees_what_was_saved_though_the_loss_lives() -> None:
    loss, references = watched_graph()
    loss.backward()
    assert [r() for r in references] == [None] * 3
    assert loss.requires_grad


@pytest.mark.usefixtures("no_collector")
def test_in_place_ops_and_views_make_no_cycles() -> None:
    x = npnet.ones(4, requires_grad=True)
    y = x * 1
    y.mul_(2)
    y[1:3].mul_(x[0:2])
    view = y[0]
    y.relu_()
    loss = (view * y).sum()
    references = [weakref.ref(y), weakref.ref(y.array), weakref.ref(view)]
    del y, view, loss
    assert [r() for r in references] == [None] * 3


def tensors_and_ops() -> int:
    # type(o), not isinstance: some of torch's objects warn when asked for their class
    return sum(issubclass(type(o), (Tensor, Function)) for o in gc.get_objects())


@pytest.mark.usefixtures("no_collector")
def test_a_training_step_leaves_nothing_behind() -> None:
    model = npnet.nn.Sequential(
        npnet.nn.Conv2d(1, 2, 3),
        npnet.nn.BatchNorm2d(2),
        npnet.nn.ReLU(inplace=True),
        npnet.nn.MaxPool2d(2),
        npnet.nn.Flatten(),
        npnet.nn.Dropout(),
        npnet.nn.Linear(18, 3),
    )
    counts = []
    for _ in range(3):
        y = model(npnet.ones(2, 1, 8, 8))
        loss = npnet.nn.functional.cross_entropy(y, npnet.tensor([0, 1]))
        model.zero_grad()
        loss.backward()
        del y, loss
        counts.append(tensors_and_ops())
    assert counts[0] == counts[1] == counts[2]


def test_a_long_chain_overflows_no_stack() -> None:
    x = npnet.ones(1, requires_grad=True)
    y = x
    for _ in range(10 * sys.getrecursionlimit()):
        y = y + 1
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0]
    del y  # deallocation walks the chain too


GRADIENT_PAIRS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": lambda a, b: a + b,
    "add a, a": lambda a, b: a + a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "cat": lambda a, b: npnet.cat([a, b]),
    "stack": lambda a, b: npnet.stack([a, b]),
    "reshape": lambda a, b: a.reshape(2, 2) + b.reshape(2, 2),
    "expand": lambda a, b: a.expand(3, 4) + b,
    "where": lambda a, b: npnet.where(a > 0, a, b),
    "maximum": lambda a, b: npnet.maximum(a, b),
    "clone": lambda a, b: a.clone() + b.clone(),
    "matmul": lambda a, b: a @ b,
    "linear": lambda a, b: npnet.nn.functional.linear(a[None], b[None]),
}


@pytest.mark.parametrize("name", GRADIENT_PAIRS)
def test_no_gradient_lies_on_the_memory_of_another(name: str) -> None:
    a, b = leaf(1, -2, 3, -4), leaf(5, 6, -7, 8)
    y = GRADIENT_PAIRS[name](a, b) * 1
    y.retain_grad()
    gradient = npnet.ones(*y.shape)
    y.backward(gradient)
    assert a.grad is not None
    assert b.grad is not None
    assert y.grad is not None
    arrays = [t.array for t in (a, b, y, gradient, a.grad, b.grad, y.grad)]
    for i, first in enumerate(arrays):
        for second in arrays[i + 1 :]:
            assert not np.may_share_memory(first, second)
    kept = b.grad.array.copy()
    npnet.nn.utils.clip_grad_norm_([a], 0.01)
    assert_array_equal(b.grad.array, kept)
    assert all(t.grad.array.flags.writeable for t in (a, b, y) if t.grad is not None)


def test_a_failing_backward_leaves_the_tape_usable() -> None:
    x = leaf(1, 2)
    y = x.exp()
    z = (y * y).sum()
    with npnet.no_grad():
        y.zero_()
    with pytest.raises(RuntimeError, match="changed in place"):
        z.backward()
    x.grad = None
    (x * 2).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 2.0]


def test_threads_record_and_go_backward_on_their_own() -> None:
    results: dict[int, list[float]] = {}

    def work(seed: int) -> None:
        x = leaf(float(seed), 1.0)
        for _ in range(50):
            x.grad = None
            (x * x * seed).sum().backward()
        assert x.grad is not None
        results[seed] = x.grad.tolist()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {i: [2.0 * i * i, 2.0 * i] for i in range(1, 5)}
