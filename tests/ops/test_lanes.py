"""Tensors in lanes: deferred batch norms and ReLU gradients, parts, padding, joining."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import npnet
from npnet.base.arrays import Array
from npnet.lanes import loss as lane_loss
from npnet.lanes.choice import in_lanes
from npnet.lanes.fusion import WaitingLanes
from npnet.lanes.layout import Lanes, to_lanes
from npnet.nn import functional as F
from npnet.tape import result
from npnet.tensor import Tensor
from tests.ops.called import record_calls

# Of gradients against PyTorch in float64, relative to the largest: sums of some hundred float32.
FLOAT32 = 2e-6
SHAPE = (17, 3, 4, 5)


pytestmark = pytest.mark.usefixtures("numba")


def leaf(array: Array, requires_grad: bool = True) -> Tensor:
    """A leaf in lanes."""
    x = result(to_lanes(np.ascontiguousarray(array)))
    return x.requires_grad_(requires_grad)


def draw(*shapes: tuple[int, ...]) -> list[Array]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


# ---- batch norm, addition and ReLU -------------------------------------------------------------


def bn(lib: Any, x: Any, w: Any, b: Any) -> Any:
    return lib.nn.functional.batch_norm(x, None, None, w, b, training=True)


def gn(lib: Any, x: Any, w: Any, b: Any) -> Any:
    return lib.nn.functional.group_norm(x, 3, w, b)


def frozen(lib: Any, x: Any, w: Any, b: Any) -> Any:
    mean, var = (lib.tensor(v) for v in ([0.1, -0.3, 0.2], [0.5, 1.5, 2.0]))
    mean, var = mean.to(x.dtype), var.to(x.dtype)
    return lib.nn.functional.batch_norm(x, mean, var, w, b)


def in_place(lib: Any, x: Any, r: Any, w: Any, b: Any) -> Any:
    y = bn(lib, x, w, b)
    y += r
    return lib.nn.functional.relu(y, inplace=True)


def used_twice(lib: Any, x: Any, r: Any, w: Any, b: Any) -> Any:
    y = bn(lib, x, w, b)
    return y.relu() * r + y


def two_relus(lib: Any, x: Any, r: Any, w: Any, b: Any) -> Any:
    y = bn(lib, x, w, b)
    return y.relu() + (y + r).relu() + y.relu()


def changed_between(lib: Any, x: Any, r: Any, w: Any, b: Any) -> Any:
    y = bn(lib, x, w, b)
    z = y.relu() * r
    y += r
    return z + y.relu()


def residual_first(lib: Any, x: Any, r: Any, w: Any, b: Any) -> Any:
    return (r + bn(lib, x, w, b)).relu()


def residual_in_between(lib: Any, x: Any, r: Any, w: Any, b: Any) -> Any:
    """The residual's batch norm is recorded last: it meets the ReLU's gradient first."""
    y = bn(lib, x, w, b)
    return (y + bn(lib, r, b, w)).relu()


def trunk(lib: Any, x: Any, r: Any, w: Any, b: Any) -> Any:
    y = x
    for _ in range(3):
        y = (bn(lib, (bn(lib, y, w, b)).relu() * r, b, w) + y).relu()
    return y


def without_relu(lib: Any, x: Any, r: Any, w: Any, b: Any) -> Any:
    return bn(lib, x, w, b) + r + bn(lib, r, w, b) + bn(lib, x, b, w)


def many_terms(lib: Any, x: Any, r: Any, w: Any, b: Any) -> Any:
    y = r
    for _ in range(5):
        y = bn(lib, x, w, b) + y
    return y.relu()


def flattened(lib: Any, x: Any, r: Any, w: Any, b: Any) -> Any:
    return (bn(lib, x, w, b).flatten(1) + r.flatten(1)).relu()


Forward = Callable[[Any, Any, Any, Any, Any], Any]
FORWARDS: dict[str, Forward] = {
    "plain": lambda lib, x, r, w, b: bn(lib, x, w, b) * r,
    "relu": lambda lib, x, r, w, b: bn(lib, x, w, b).relu(),
    "residual": lambda lib, x, r, w, b: (bn(lib, x, w, b) + r).relu(),
    "residual-itself": lambda lib, x, r, w, b: (bn(lib, x, w, b) + x).relu(),
    "itself-twice": lambda lib, x, r, w, b: ((y := bn(lib, x, w, b)) + y).relu(),
    "relu-twice": lambda lib, x, r, w, b: bn(lib, x, w, b).relu().relu() * r,
    "frozen-relu": lambda lib, x, r, w, b: frozen(lib, x, w, b).relu(),
    "frozen-residual": lambda lib, x, r, w, b: (frozen(lib, x, w, b) + r).relu(),
    "group-norm": lambda lib, x, r, w, b: (gn(lib, x, w, b) + r).relu(),
    "group-norm-relu": lambda lib, x, r, w, b: gn(lib, bn(lib, x, w, b).relu() + r, w, b).relu(),
    "layer-norm": lambda lib, x, r, w, b: lib.nn.functional.layer_norm(x, (3, 4, 5)) * r,
    "layer-norm-rows": lambda lib, x, r, w, b: lib.nn.functional.layer_norm(x + r, (5,)).relu(),
    "tanh": lambda lib, x, r, w, b: (bn(lib, x, w, b) + r).tanh(),
    "pool": lambda lib, x, r, w, b: lib.nn.functional.max_pool2d(bn(lib, x, w, b).relu(), 2),
    "changed-by-number": lambda lib, x, r, w, b: bn(lib, x, w, b).mul_(-2).relu(),
    "in-place": in_place,
    "used-twice": used_twice,
    "two-relus": two_relus,
    "changed-between": changed_between,
    "residual-first": residual_first,
    "two-batch-norms": residual_in_between,
    "trunk": trunk,
    "without-relu": without_relu,
    "many-terms": many_terms,
    "flattened": flattened,
}


def torch_gradients(forward: Forward, arrays: list[Array]) -> list[Array]:
    inputs = [torch.tensor(a.astype(np.float64), requires_grad=True) for a in arrays]
    y = forward(torch, *inputs)
    (y * y.detach().cos()).sum().backward()
    gradients = [torch.zeros_like(x) if x.grad is None else x.grad for x in inputs]
    return [y.detach().numpy(), *[g.numpy() for g in gradients]]


def gradients(forward: Forward, arrays: list[Array], retain: bool = False) -> list[Array]:
    x, r, *affine = arrays
    inputs = [leaf(x), leaf(r), *[npnet.tensor(a, requires_grad=True) for a in affine]]
    y = forward(npnet, *inputs)
    assert in_lanes(y)
    gy = npnet.as_tensor(np.cos(y.detach().numpy().astype(np.float64)).astype(np.float32))
    if retain:
        y.backward(gy, retain_graph=True)
        for v in inputs:
            v.grad = None
    y.backward(gy)
    zeros = [
        np.zeros_like(a) if v.grad is None else v.grad.numpy()
        for a, v in zip(arrays, inputs, strict=True)
    ]
    return [y.detach().numpy(), *zeros]


def check(ours: list[Array], theirs: list[Array]) -> None:
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        scale = max(1.0, float(np.abs(b[np.isfinite(b)]).max(initial=0)))
        # a gradient that cancels is as exact as its terms
        np.testing.assert_allclose(a, b, rtol=0, atol=10 * FLOAT32 * scale, err_msg=str(i))


@pytest.mark.parametrize("retain", [False, True])
@pytest.mark.parametrize("name", FORWARDS)
def test_batch_norm_and_what_follows(name: str, retain: bool) -> None:
    arrays = draw(SHAPE, SHAPE, (3,), (3,))
    check(gradients(FORWARDS[name], arrays, retain), torch_gradients(FORWARDS[name], arrays))


@pytest.mark.parametrize("n", [1, 15, 16, 127])
def test_other_batches(n: int) -> None:
    arrays = draw((n, 3, 4, 5), (n, 3, 4, 5), (3,), (3,))
    check(gradients(trunk, arrays), torch_gradients(trunk, arrays))


SPANS = ("relu_span", "relu_backward_span", "add_span", "multiply_span", "scale_span")
KERNELS = {  # those that touch every pixel
    **dict(zip(SPANS, SPANS, strict=True)),
    "statistics_of_channel": "statistics",
    "normalise_plane": "normalise",
    "backward_channel": "batch_norm_backward",
}


def test_one_kernel_for_batch_norm_addition_and_relu(monkeypatch: pytest.MonkeyPatch) -> None:
    x, r, w, b = draw(SHAPE, SHAPE, (3,), (3,))
    made = record_calls(monkeypatch, KERNELS)
    residual = leaf(r)
    weight = npnet.tensor(w, requires_grad=True)
    y = in_place(npnet, leaf(x), residual.tanh(), weight, npnet.as_tensor(b))
    assert made == ["statistics", "normalise"]
    y.backward(npnet.as_tensor(r))
    assert made == ["statistics", "normalise", "batch_norm_backward"]
    assert residual.grad is not None


def test_nothing_is_computed_that_nobody_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    x, r, w, b = draw(SHAPE, SHAPE, (3,), (3,))
    made = record_calls(monkeypatch, KERNELS)
    y = bn(npnet, leaf(x), npnet.as_tensor(w), npnet.as_tensor(b)) + leaf(r)
    assert isinstance(y.values, WaitingLanes)
    assert made == ["statistics"]
    y.detach()
    y.detach()
    assert made == ["statistics", "normalise"]


def test_weights_and_statistics_count_as_they_were() -> None:
    """An optimizer writes to them while a result still waits."""
    x, r, w, b = draw(SHAPE, SHAPE, (3,), (3,))
    expected = gradients(in_place, [x, r, w, b])
    weight, bias = (
        npnet.tensor(w.copy(), requires_grad=True),
        npnet.tensor(b.copy(), requires_grad=True),
    )
    source, residual = leaf(x), leaf(r)
    y = bn(npnet, source, weight, bias)
    with npnet.no_grad():
        weight.zero_()
        bias.fill_(7)
        source.zero_()
    y += residual
    y = y.relu()
    np.testing.assert_array_equal(y.detach().numpy(), expected[0])


def test_running_statistics_move_before_anybody_looks() -> None:
    (x,) = draw(SHAPE)
    layer, twin = npnet.nn.BatchNorm2d(3), torch.nn.BatchNorm2d(3)
    layer(leaf(x))
    twin(torch.from_numpy(x))
    for ours, theirs in zip(layer.buffers(), twin.buffers(), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5)


def test_gradients_of_what_waits_are_kept_where_asked() -> None:
    x, r, w, b = draw(SHAPE, SHAPE, (3,), (3,))

    def kept(lib: Any, *inputs: Any) -> list[Any]:
        y = bn(lib, inputs[0], inputs[2], inputs[3])
        z = y + inputs[1]
        for tensor in (y, z):
            tensor.retain_grad()
        z.relu().sum().backward()
        return [y.grad.numpy(), z.grad.numpy(), *[v.grad.numpy() for v in inputs]]

    ours = kept(npnet, leaf(x), leaf(r), *[npnet.tensor(a, requires_grad=True) for a in (w, b)])
    theirs = kept(
        torch, *[torch.tensor(a.astype(np.float64), requires_grad=True) for a in (x, r, w, b)]
    )
    check(ours, theirs)


def test_hooks_see_what_waits() -> None:
    (x,) = draw((17, 3, 8, 8))
    seen: list[Array] = []
    net = npnet.nn.Sequential(npnet.nn.Conv2d(3, 3, 3), npnet.nn.BatchNorm2d(3), npnet.nn.ReLU())
    net[1].register_forward_hook(lambda m, inputs, y: seen.append(y.detach().numpy().copy()))
    net[2].register_forward_hook(lambda m, inputs, y: seen.append(y.detach().numpy().copy()))
    net(npnet.as_tensor(x)).sum().backward()
    np.testing.assert_array_equal(np.maximum(seen[0], 0), seen[1])


def test_a_freed_graph_is_an_error() -> None:
    x, r, w, b = draw(SHAPE, SHAPE, (3,), (3,))
    y = in_place(npnet, leaf(x), leaf(r), npnet.as_tensor(w), npnet.as_tensor(b)).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="already gone through"):
        y.backward()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", range(4))
def test_what_is_not_finite_comes_through(where: int, value: float) -> None:
    """As by NumPy; PyTorch rounds otherwise: y = scale * x + (bias - scale * mean)."""
    arrays = draw(SHAPE, SHAPE, (3,), (3,))
    arrays[where].flat[1] = value

    def run(make: Callable[[Array], Tensor]) -> list[Array]:
        inputs = [make(a) for a in arrays]
        y = FORWARDS["residual"](npnet, *inputs)
        y.backward(npnet.ones(*SHAPE))
        return [y.detach().numpy(), *[x.grad.numpy() for x in inputs if x.grad is not None]]

    ours = run(lambda a: leaf(a) if a.ndim == 4 else npnet.tensor(a, requires_grad=True))
    theirs = run(lambda a: npnet.tensor(a.astype(np.float64), requires_grad=True))
    check(ours, theirs)


@pytest.mark.parametrize("name", ["relu", "residual", "in-place", "frozen-residual", "trunk"])
def test_without_the_tape_the_same_bits(name: str) -> None:
    x, r, w, b = draw(SHAPE, SHAPE, (3,), (3,))
    expected = (
        FORWARDS[name](npnet, leaf(x), leaf(r), npnet.as_tensor(w), npnet.as_tensor(b))
        .detach()
        .numpy()
    )
    with npnet.no_grad():
        y = FORWARDS[name](npnet, leaf(x), leaf(r), npnet.as_tensor(w), npnet.as_tensor(b)).numpy()
    np.testing.assert_array_equal(y, expected)


# ---- parts, padding, joining -------------------------------------------------------------------


def same(call: Callable[..., Tensor], *arrays: Array, exact: bool = True) -> None:
    """In lanes as in NumPy, forward and backward."""
    results = []
    for make in (leaf, lambda a: npnet.tensor(a, requires_grad=True)):
        inputs = [make(a) for a in arrays]
        y = call(*inputs)
        assert in_lanes(y) == (make is leaf)
        gy = np.random.default_rng(1).standard_normal(y.shape).astype(np.float32)
        y.backward(npnet.as_tensor(gy))
        results.append(
            [y.detach().numpy(), *[x.grad.numpy() for x in inputs if x.grad is not None]]
        )
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=0 if exact else 1e-6)


SLICES = st.builds(
    slice,
    st.one_of(st.none(), st.integers(-3, 2)),
    st.none(),
    st.sampled_from([None, 1, 2, 3]),
)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.sampled_from([1, 15, 16, 17, 127]),
    st.lists(SLICES, min_size=1, max_size=3),
    st.sampled_from(["images", "features"]),
    st.booleans(),
)
def test_slices_stay_in_lanes(n: int, parts: list[slice], kind: str, dots: bool) -> None:
    (x,) = draw((n, 3, 4, 5) if kind == "images" else (n, 7))
    index = (slice(None), *parts) if kind == "images" else (slice(None), parts[0])
    same(lambda v: v[(*index, ...) if dots else index], x)


@pytest.mark.parametrize(
    "index",
    [
        (0,),
        (slice(0, 5),),
        (slice(None), 1),
        (slice(None), slice(2, 2)),
        (None, ...),
        (slice(None), npnet.tensor([0, 2])),
    ],
)
def test_other_indices_are_numpys(index: Any) -> None:
    (x,) = draw(SHAPE)
    ours, theirs = leaf(x)[index], npnet.as_tensor(x)[index]
    assert not in_lanes(ours)
    np.testing.assert_array_equal(ours.detach().numpy(), theirs.numpy())


def test_too_many_indices() -> None:
    (x,) = draw(SHAPE)
    with pytest.raises(IndexError, match="too many indices"):
        leaf(x)[:, :, :, :, :]


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    st.sampled_from([1, 15, 16, 17, 127]),
    st.lists(st.integers(0, 3), min_size=6, max_size=6),
    st.integers(1, 3),
    st.sampled_from([0.0, -1.5, np.inf]),
)
def test_padding_stays_in_lanes(n: int, widths: list[int], axes: int, value: float) -> None:
    images, features = draw((n, 3, 4, 5), (n, 7))
    same(lambda x: F.pad(x, widths[: 2 * axes], value=value), images)
    same(lambda x: F.pad(x, widths[:2], value=value), features)


def test_cutting_off_and_padding_the_batch_are_numpys() -> None:
    (x,) = draw(SHAPE)
    for widths in ((-1, 0), (0, 0, 0, 0, 0, 0, 1, 0)):
        y = F.pad(leaf(x), widths)
        assert not in_lanes(y)
        np.testing.assert_array_equal(y.detach().numpy(), F.pad(npnet.as_tensor(x), widths).numpy())


@pytest.mark.parametrize("n", [1, 15, 16, 17, 127])
def test_joining_and_arithmetic_stay_in_lanes(n: int) -> None:
    a, b, c, f = draw((n, 3, 4, 5), (n, 2, 4, 5), (n, 3, 4, 5), (n, 7))
    same(lambda x, y: npnet.cat([x, y, x], 1), a, b)
    same(lambda x: npnet.cat([x, x], dim=-1), f)
    same(lambda x, y: x * y, a, c)
    same(lambda x: x * 0.3, a)
    same(lambda x: 3 * x, a)
    same(lambda x: x.mean((2, 3)), a, exact=False)
    same(lambda x: x.mean((-1, -2), keepdim=True), a, exact=False)


def test_one_operand_in_lanes_brings_the_other_there() -> None:
    a, b = draw(SHAPE, SHAPE)
    other = npnet.tensor(b, requires_grad=True)
    for call in (npnet.add, npnet.mul, lambda x, y: npnet.cat([x, y], 1)):
        assert in_lanes(call(leaf(a), other))
        assert in_lanes(call(other, leaf(a)))
    (leaf(a) * other).sum().backward()
    assert other.grad is not None
    np.testing.assert_array_equal(other.grad.numpy(), a)
    assert not in_lanes(npnet.mul(leaf(a), npnet.as_tensor(b[:, :1])))  # broadcast


@pytest.mark.parametrize("n", [1, 15, 16, 17, 127])
@pytest.mark.parametrize("inplace", [False, True])
def test_dropout_draws_what_it_draws_in_numpy(n: int, inplace: bool) -> None:
    (a,) = draw((n, 3, 4, 5))

    def drop(x: Tensor) -> Tensor:
        npnet.manual_seed(n)
        return F.dropout(x * 2, 0.3, inplace=inplace)

    same(drop, a)


@pytest.mark.parametrize("n", [1, 15, 16, 17, 127])
@pytest.mark.parametrize("axes", [(7,), (3, 4, 5)])
def test_mean_squared_error_by_one_kernel(n: int, axes: tuple[int, ...]) -> None:
    a, t = draw((n, *axes), (n, *axes))
    x, target = leaf(a), npnet.as_tensor(t)
    twins = [torch.tensor(v.astype(np.float64), requires_grad=v is a) for v in (a, t)]
    ours, theirs = F.mse_loss(x, target), torch.nn.functional.mse_loss(*twins)
    assert isinstance(ours.grad_fn, lane_loss.MeanSquaredError)
    (ours * 3).backward()
    (theirs * 3).backward()
    assert x.grad is not None
    check(
        [ours.detach().numpy(), x.grad.numpy()],
        [v.detach().numpy() for v in (theirs, twins[0].grad)],
    )


@pytest.mark.parametrize("n", [1, 15, 16, 17, 127])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_cross_entropy_by_one_kernel(n: int, smoothing: float) -> None:
    (array,) = draw((n, 10))
    labels = np.random.default_rng(n).integers(0, 10, n)
    x = leaf(array)
    loss = F.cross_entropy(x, npnet.as_tensor(labels), label_smoothing=smoothing)
    assert isinstance(loss.grad_fn, lane_loss.CrossEntropy)
    (3 * loss).backward()
    reference = torch.tensor(array.astype(np.float64), requires_grad=True)
    expected = torch.nn.functional.cross_entropy(
        reference, torch.from_numpy(labels), label_smoothing=smoothing
    )
    (3 * expected).backward()
    np.testing.assert_allclose(loss.item(), expected.item(), rtol=FLOAT32)
    assert x.grad is not None
    assert reference.grad is not None
    scale = float(reference.grad.abs().max())
    np.testing.assert_allclose(x.grad.numpy(), reference.grad, rtol=0, atol=FLOAT32 * scale)


def test_a_target_that_wants_a_gradient_gets_one() -> None:
    a, t = draw((17, 7), (17, 7))
    target = npnet.tensor(t, requires_grad=True)
    F.mse_loss(leaf(a), target).backward()
    assert target.grad is not None
    np.testing.assert_allclose(target.grad.numpy(), 2 * (t - a) / a.size, atol=1e-7)


@pytest.mark.parametrize("through", ["base", "part", "part-of-part"])
def test_a_part_shares_memory_with_its_base(through: str) -> None:
    (a,) = draw(SHAPE)
    base = leaf(a, requires_grad=False)
    part = base[:, 1:, ::2, 1::2]
    smaller = part[:, :1, :, ::2]
    assert isinstance(smaller.values, Lanes)
    written = {"base": base, "part": part, "part-of-part": smaller}[through]
    written += 1
    expected = a.copy()
    numpy_part = expected[:, 1:, ::2, 1::2]
    arrays = {"base": expected, "part": numpy_part, "part-of-part": numpy_part[:, :1, :, ::2]}
    target = arrays[through]
    target += 1
    for tensor, array in zip((base, part, smaller), arrays.values(), strict=True):
        np.testing.assert_array_equal(tensor.numpy(), array)


def test_a_part_is_not_contiguous() -> None:
    (a,) = draw(SHAPE)
    part = leaf(a)[:, :, ::2]
    with pytest.raises(RuntimeError, match="can't be seen as"):
        part.view(17, -1)
    flat = leaf(a)[:, :, ::2].flatten(1)  # a copy
    np.testing.assert_array_equal(flat.detach().numpy(), a[:, :, ::2].reshape(17, -1))
    assert not leaf(a)[:, :, ::2].is_contiguous()


def test_new_data_leaves_the_views_theirs() -> None:
    (a,) = draw(SHAPE)
    for name in ("data", "array"):
        base = leaf(a, requires_grad=False)
        part, flat = base[:, :, ::2], base.flatten(1)
        new = npnet.zeros(SHAPE)
        setattr(base, name, new if name == "data" else new.numpy())
        np.testing.assert_array_equal(base.numpy(), 0)
        np.testing.assert_array_equal(part.numpy(), a[:, :, ::2])
        np.testing.assert_array_equal(flat.numpy(), a.reshape(17, -1))


def test_writing_to_a_part_is_differentiated() -> None:
    (a,) = draw(SHAPE)

    def run(lib: Any, x: Any) -> list[Any]:
        y = x * 1.5
        part = y[:, :, ::2]
        part *= 3
        y.square().sum().backward()
        return [y.detach().numpy(), x.grad.numpy()]

    check(run(npnet, leaf(a)), run(torch, torch.from_numpy(a.copy()).requires_grad_()))
