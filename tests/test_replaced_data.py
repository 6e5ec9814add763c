"""What happens to backward where the data of a tensor were replaced after it was used.

PyTorch refuses a gradient that has not the shape of what was recorded; so does npnet, with both
backends, before a kernel or NumPy's broadcasting sees it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional

import npnet
from npnet import Tensor, nn
from npnet.base.checks import ShapeError
from npnet.nn import functional as F

OPS: dict[str, Callable[[Tensor], Tensor]] = {
    "conv2d": lambda h: F.conv2d(h, npnet.ones(5, 4, 3, 3)),
    "linear": lambda h: F.linear(h.flatten(1), npnet.ones(3, 144)),
    "relu": F.relu,
    "tanh": F.tanh,
    "sigmoid": F.sigmoid,
    "leaky_relu": F.leaky_relu,
    "max_pool2d": lambda h: F.max_pool2d(h, 2),
    "avg_pool2d": lambda h: F.avg_pool2d(h, 2),
    "adaptive_avg_pool2d": lambda h: F.adaptive_avg_pool2d(h, 2),
    "batch_norm": lambda h: F.batch_norm(h, None, None, training=True),
    "add": lambda h: h + h,
    "mul": lambda h: h * h,
    "scale": lambda h: 2 * h,
    "flatten": lambda h: h.flatten(1),
    "slice": lambda h: h[:, 1:],
    "pad": lambda h: F.pad(h, (1, 1, 1, 1)),
    "cat": lambda h: npnet.cat([h, h], 1),
    "dropout": lambda h: F.dropout(h, 0.5),
}


def other_shapes(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [
        (shape[0], *(n + 1 for n in shape[1:])),
        (shape[0], *(max(1, n - 1) for n in shape[1:])),
        (1,) * len(shape),
        (shape[0] + 16, *shape[1:]),
    ]


def convolved(weight: Tensor) -> Tensor:
    return F.conv2d(npnet.ones(5, 4, 8, 8), weight)


@pytest.mark.parametrize("name", OPS)
def test_a_result_with_other_data_refuses_their_gradient(name: str, backend: str) -> None:
    weight = nn.Parameter(npnet.ones(4, 4, 3, 3))
    for shape in other_shapes(tuple(OPS[name](convolved(weight)).shape)):
        y = OPS[name](convolved(weight))
        y.data = npnet.ones(*shape)
        with pytest.raises(ShapeError, match="takes a gradient of that shape, got"):
            y.backward(npnet.ones(*shape))
        assert weight.grad is None


@pytest.mark.parametrize("name", OPS)
def test_a_value_in_the_middle_with_other_data_is_refused(name: str, backend: str) -> None:
    weight = nn.Parameter(npnet.ones(4, 4, 3, 3))
    h = convolved(weight)
    h.data = npnet.ones(6, 4, 6, 6)
    with pytest.raises(ShapeError, match="takes a gradient of that shape, got"):
        OPS[name](h).sum().backward()
    assert weight.grad is None


def test_torch_refuses_it_too() -> None:
    weight = torch.ones(4, 4, 3, 3, requires_grad=True)
    y = torch.nn.functional.conv2d(torch.ones(5, 4, 8, 8), weight)
    y.data = torch.ones(1, 1, 1, 1)
    with pytest.raises(RuntimeError):
        y.backward(torch.ones(1, 1, 1, 1))


@pytest.mark.parametrize("shape", [(8, 4, 5, 5), (2, 4, 3, 3), (4, 4, 1, 1), (1, 1, 3, 3)])
@pytest.mark.parametrize("again", [False, True])
def test_a_weight_that_was_resized_refuses_the_old_gradient(
    shape: tuple[int, ...], again: bool, backend: str
) -> None:
    weight = nn.Parameter(npnet.ones(4, 4, 3, 3))
    if again:
        convolved(weight).sum().backward()
    y = convolved(weight)
    weight.data = npnet.ones(*shape)
    with pytest.raises(ShapeError, match=r"a gradient of \(4, 4, 3, 3\) arrived for a tensor of"):
        y.sum().backward()


def test_data_of_the_same_shape_are_taken(backend: str) -> None:
    weight = nn.Parameter(npnet.ones(4, 4, 3, 3))
    y = convolved(weight)
    y.data = npnet.zeros(*y.shape)
    y.sum().backward()
    want = nn.Parameter(npnet.ones(4, 4, 3, 3))
    convolved(want).sum().backward()
    np.testing.assert_array_equal(weight.grad.numpy(), want.grad.numpy())


def test_data_of_another_dtype_are_taken_as_in_torch(backend: str) -> None:
    weight = nn.Parameter(npnet.ones(4, 4, 3, 3))
    y = convolved(weight)
    y.data = y.data.double()
    y.sum().backward()
    assert weight.grad.dtype == np.float32
    np.testing.assert_allclose(weight.grad.numpy(), 5 * 36, rtol=1e-6)


@pytest.mark.parametrize("name", ["running_mean", "running_var"])
@pytest.mark.parametrize("size", [1, 3, 5, 100_000])
@pytest.mark.parametrize("training", [True, False])
def test_running_statistics_of_another_size_are_refused(
    name: str, size: int, training: bool, backend: str
) -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
    model.train(training)
    getattr(model[1], name).data = npnet.ones(size)
    with pytest.raises(ShapeError, match=f"batch_norm: {name} must be"):
        model(npnet.ones(5, 1, 8, 8))


# ---- compiled ----------------------------------------------------------------------------------


def compiled(
    change: Callable[[nn.Sequential], None], steps: int = 2
) -> tuple[list[float], list[float]]:
    """Losses of steps by eager and by a program, the model changed after the first."""
    losses: list[list[float]] = []
    for make in (npnet.compile, None):
        npnet.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(144, 3))
        optimizer = npnet.optim.SGD(model.parameters(), lr=0.1)
        x, y = npnet.randn(20, 1, 8, 8), npnet.zeros(20).long()
        step = npnet.compile(model, F.cross_entropy, optimizer) if make else None
        losses.append([])
        for k in range(steps):
            if k == 1:
                change(model)
            if step is not None:
                losses[-1].append(step(x, y).item())
                continue
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[-1].append(loss.item())
    return losses[0], losses[1]


def turned(model: nn.Sequential) -> None:
    """A weight of the same values in column-major memory."""
    model[3].weight.data = npnet.from_numpy(np.asfortranarray(model[3].weight.detach().numpy()))


def strided(model: nn.Sequential) -> None:
    weight = model[0].weight.detach().numpy()
    model[0].weight.data = npnet.from_numpy(np.stack([weight, weight], -1)[..., 0])


def shifted(model: nn.Sequential) -> None:
    """A weight whose memory begins four bytes behind a cache line."""
    weight = model[3].weight.detach().numpy()
    room = np.empty(weight.size + 32, np.float32)
    first = -(room.ctypes.data // 4) % 16 + 1
    room[first : first + weight.size] = weight.ravel()
    model[3].weight.data = npnet.from_numpy(room[first : first + weight.size].reshape(3, 144))


def wider(model: nn.Sequential) -> None:
    model[0].weight.data = npnet.ones(7, 1, 3, 3)
    model[0].bias.data = npnet.ones(7)
    model[3].weight.data = npnet.ones(3, 252) / 252


def fixed(model: nn.Sequential) -> None:
    """A weight that may not be written, which is then no longer trained."""
    weight = model[3].weight.detach().numpy().copy()
    weight.setflags(write=False)
    model[3].weight.requires_grad_(False).data = npnet.from_numpy(weight)


@pytest.mark.filterwarnings("ignore:compile. Sequential runs as an eager loop")
@pytest.mark.parametrize("change", [turned, strided, shifted, wider, fixed])
def test_a_program_takes_parameters_as_the_eager_loop_does(
    change: Callable[[nn.Sequential], None],
) -> None:
    got, want = compiled(change, 3)
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_a_program_refuses_a_bias_of_another_size_as_the_eager_loop_does() -> None:
    def change(model: nn.Sequential) -> None:
        model[0].bias.data = npnet.ones(1)

    with pytest.raises(ShapeError, match=r"conv2d: bias must be \(4,\), got \(1,\)"):
        compiled(change)
