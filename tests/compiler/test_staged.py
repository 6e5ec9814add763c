"""Programs in stages, of networks with batch norm and branches, against the eager loop."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import models, nn, optim
from npnet.compiler import EagerStep
from npnet.compiler.step import Step
from npnet.lanes.choice import LEAST
from npnet.models.resnet import BasicBlock, conv1x1, conv3x3
from npnet.models.resnet_cifar import Subsample
from npnet.nn import functional as F

pytestmark = pytest.mark.usefixtures("numba")

# Sums over the batch come in another order, and Winograd's products in other tiles, whose rounding
# is some ten times that of a sum; of the largest number of an array. Where it decides at a kink, a
# ReLU's gradient is another for one number of one image; of the norm of all differences.
FLOAT32, GRADIENTS, AT_KINKS = 2e-6, 5e-5, 5e-2

# Beside which no variance is small: gradients before a norm are differences of equal numbers.
EPS = 0.1


class Net(nn.Module):
    """Layers for images (3, H, W), in stages as a ResNet's, and a classifier."""

    def __init__(self, *layers: nn.Module, features: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(features, 10)

    def forward(self, x: npnet.Tensor) -> npnet.Tensor:
        return self.fc(self.pool(self.layers(x)).flatten(1))


def norm(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, EPS)


def stem(channels: int) -> list[nn.Module]:
    return [conv3x3(3, channels), norm(channels), nn.ReLU()]


def block(inputs: int, outputs: int, stride: int = 1, down: nn.Module | None = None) -> nn.Module:
    return BasicBlock(inputs, outputs, stride, down, norm_layer=norm)


def cifar() -> nn.Module:
    """A small ResNet-20: narrow and wide Winograd, strides, option A."""
    down = Subsample(8)
    return Net(*stem(16), block(16, 16), block(16, 32, 2, down), block(32, 32), block(32, 32))


def projected() -> nn.Module:
    """A small ResNet-18: both sides of an addition are batch norms."""
    down = nn.Sequential(conv1x1(24, 32, 2), norm(32))
    return Net(*stem(24), nn.MaxPool2d(3, 2, 1), block(24, 32, 2, down), block(32, 32))


def biased() -> nn.Module:
    """Convolutions with bias, pools between norm and convolution, wide linear layers."""
    return nn.Sequential(
        nn.Conv2d(3, 24, 3, padding=1),
        norm(24),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(24, 40, 3, padding=1),
        norm(40),
        nn.Tanh(),
        nn.Conv2d(40, 24, 3, padding=1),
        nn.Flatten(),
        nn.LazyLinear(2800),
        nn.ReLU(),
        nn.Linear(2800, 30, bias=False),
        nn.BatchNorm1d(30, EPS),
        nn.ReLU(),
        nn.Linear(30, 10),
    )


class Before(nn.Module):
    """Norm and ReLU before the convolutions; sums are norms' inputs, and nothing follows a sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(norm(channels) for _ in range(2))
        self.convs = nn.ModuleList(conv3x3(channels, channels) for _ in range(2))

    def forward(self, x: npnet.Tensor) -> npnet.Tensor:
        y = self.convs[0](F.relu(self.norms[0](x)))
        return x + self.convs[1](F.relu(self.norms[1](y)))


def activated_before() -> nn.Module:
    return Net(conv3x3(3, 24), Before(24), Before(24), norm(24), features=24)


class Odd(nn.Module):
    """Norms without a ReLU, after one another, taken twice, added to themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = conv3x3(3, 24), conv3x3(24, 24), conv3x3(24, 24)
        self.norms = nn.ModuleList(norm(24) for _ in range(4))

    def forward(self, x: npnet.Tensor) -> npnet.Tensor:
        y = self.norms[0](self.one(x))
        z = self.norms[1](y)
        y = F.relu(self.norms[2](self.two(z)) + self.two_of(y))
        return self.norms[3](self.three(y) + z)

    def two_of(self, y: npnet.Tensor) -> npnet.Tensor:
        return y + y


def odd() -> nn.Module:
    return Net(Odd(), features=24)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "cifar": cifar, "projected": projected, "biased": biased,
    "activated before": activated_before, "odd": odd,
}  # fmt: skip


def batch(n: int, size: tuple[int, int] = (16, 12)) -> tuple[npnet.Tensor, npnet.Tensor]:
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, 3, *size), dtype=np.float32)
    return npnet.from_numpy(x), npnet.from_numpy(rng.integers(0, 10, n))


class Pair:
    """A network twice from the same start: compiled, and in the eager loop.

    Args:
        clear: whether all that ReLUs take is far from 0, above or below it in whole channels.
    """

    def __init__(self, make: Callable[[], nn.Module], x: npnet.Tensor, clear: bool = False) -> None:
        self.clear = clear
        self.steps: list[EagerStep] = []
        for kind in (npnet.compile, EagerStep):
            npnet.manual_seed(5)
            model = make()
            with npnet.no_grad():
                model.eval()(x)  # lazy layers
                for k, m in enumerate(norms(model)):
                    m.weight.mul_(0.1 if clear else 1).add_(
                        0.3 * m.weight * npnet.randn(m.num_features)
                    )
                    sign = npnet.randn(m.num_features)
                    m.bias.copy_(2.0 ** (k % 3 + 1) * sign.sign() if clear else 0.3 * sign)
            rule = optim.SGD(model.train().parameters(), lr=0.05, momentum=0.9)
            self.steps.append(kind(model, F.cross_entropy, rule))
        self.compiled: Any = self.steps[0]

    @property
    def models(self) -> list[Any]:
        return [step.model for step in self.steps]

    def check(self, x: npnet.Tensor, y: npnet.Tensor, program: bool = True) -> None:
        """One step of both does the same; then they are put on the same weights again."""
        for p, q in zip(*[list(m.parameters()) for m in self.models], strict=True):
            p.grad = q.grad = None
        losses = [step.gradients(x, y).item() for step in self.steps]
        assert (self.compiled.fallback is None) == program, self.compiled.fallback
        assert losses[0] == pytest.approx(losses[1], rel=FLOAT32)
        check_alike(*[step.output.numpy() for step in self.steps], FLOAT32 * 5)
        ours, theirs = (dict(m.named_parameters()) for m in self.models)
        largest = max(np.abs(p.grad.numpy()).max() for p in theirs.values() if p.grad is not None)
        for name, p in theirs.items():
            assert (ours[name].grad is None) == (p.grad is None)
            if p.grad is not None:  # of a bias before a norm, nothing is left but rounding
                a, b = ours[name].grad.numpy(), p.grad.numpy()
                if self.clear:
                    scale = max(np.abs(b).max(), 1e-2 * largest)
                    np.testing.assert_allclose(a, b, rtol=0, atol=GRADIENTS * scale, err_msg=name)
                else:
                    norm_of_b = max(np.linalg.norm(b), 1e-2 * largest * np.sqrt(b.size))
                    assert np.linalg.norm(a - b) <= AT_KINKS * norm_of_b, name
        ours, theirs = (dict(m.named_buffers()) for m in self.models)
        for name, b in theirs.items():
            check_alike(ours[name].numpy(), b.numpy(), FLOAT32)
        for step in self.steps:
            step.optimizer.step()
        self.models[0].load_state_dict(self.models[1].state_dict())


def norms(model: nn.Module) -> list[Any]:
    return [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


def check_alike(a: np.ndarray, b: np.ndarray, tolerance: float) -> None:
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(np.abs(b).max(), 1))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("n", [3, 16, 37, 100])
@pytest.mark.parametrize("clear", [True, False])
def test_as_the_eager_loop(name: str, n: int, clear: bool) -> None:
    pair = Pair(NETWORKS[name], batch(n)[0], clear)
    for _ in range(3):
        pair.check(*batch(n))


@pytest.mark.parametrize("size", [(2, 3), (4, 4), (13, 22), (33, 9), (32, 70)])
def test_any_size(size: tuple[int, int]) -> None:
    pair = Pair(cifar, batch(19, size)[0], clear=True)
    for _ in range(2):
        pair.check(*batch(19, size))


def test_weights_of_too_many_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their gradients come of whole batches of gradients and pixels."""
    from npnet.lanes import winograd_norm

    monkeypatch.setattr(winograd_norm, "MOST_FREQUENCIES", 1)
    pair = Pair(cifar, batch(19)[0], clear=True)
    for _ in range(2):
        pair.check(*batch(19))


def test_batches_of_changing_size() -> None:
    pair = Pair(cifar, batch(20)[0])
    for n in (20, 7, 20, 33, 7):
        pair.check(*batch(n))


@pytest.mark.parametrize("few", range(1, LEAST))
def test_a_batch_that_has_none_leaves_the_others_their_programs(few: int) -> None:
    """A last batch of an image or two: else a run that is resumed would have other bits."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pair = Pair(cifar, batch(20)[0])
        for n in (20, few, 20, few, 20):
            pair.check(*batch(n), program=n == 20)


def test_images_of_a_size_that_has_none() -> None:
    def net() -> nn.Module:
        return Net(nn.Conv2d(3, 24, 3, padding=1), norm(24), nn.ReLU(), features=24)

    pair = Pair(net, batch(20)[0], clear=True)
    small = 2, 2  # of which the convolution is a matrix, and has a bias of several pixels
    for size in ((16, 12), small, (16, 12), small):
        pair.check(*batch(20, size), program=size != small)
    pair = Pair(net, batch(20)[0], clear=True)
    for size in ((2, 2), (1, 2), (2, 1), (16, 12)):  # not one of the first ones had a program
        pair.check(*batch(20, size), program=False)


def test_evaluation_between_steps() -> None:
    pair = Pair(cifar, batch(20)[0])
    for _ in range(3):
        pair.check(*batch(20))
        for model in pair.models:
            model.eval()
        with npnet.no_grad():
            outputs = [model(batch(9)[0]).numpy() for model in pair.models]
        check_alike(*outputs, FLOAT32)
        for model in pair.models:
            model.train()


def test_what_the_user_changes_is_seen() -> None:
    pair = Pair(cifar, batch(20)[0])
    pair.check(*batch(20))
    for model in pair.models:
        with npnet.no_grad():
            model.layers[0].weight.mul_(0.5)
            model.layers[1].running_mean.fill_(2)
    pair.check(*batch(20))
    for model in pair.models:
        model.layers[1].momentum = 0.5
    pair.check(*batch(20))
    for model in pair.models:  # another array
        model.layers[1].running_var = npnet.ones(16)
    pair.check(*batch(20))
    for model in pair.models:
        model.load_state_dict({k: v.clone() for k, v in model.state_dict().items()})
    pair.check(*batch(20))


def test_frozen_layers() -> None:
    pair = Pair(cifar, batch(20)[0])
    for model in pair.models:
        for p in [*model.layers[0].parameters(), *model.layers[4].bn1.parameters()]:
            p.requires_grad_(False)
    for _ in range(2):
        pair.check(*batch(20))


@pytest.mark.parametrize("name", ["cifar", "odd", "biased"])
def test_norms_in_evaluation_mode(name: str) -> None:
    """Given statistics, which may move meanwhile, beside those of the batch."""
    pair = Pair(NETWORKS[name], batch(20)[0])
    for model in pair.models:
        for m in norms(model)[::2]:
            m.eval()
    for k in range(3):
        pair.check(*batch(20))
        for model in pair.models:
            norms(model)[0].running_mean.fill_(0.1 * k)


def test_statistics_that_are_not_tracked() -> None:
    def make() -> nn.Module:
        npnet.manual_seed(2)
        model = cifar()
        model.layers[1] = nn.BatchNorm2d(16, EPS, track_running_stats=False)
        return model

    pair = Pair(make, batch(20)[0])
    for _ in range(2):
        pair.check(*batch(20))


def test_a_mean_of_all_batches_is_left_to_the_loop() -> None:
    def make() -> nn.Module:
        model = cifar()
        model.layers[1] = nn.BatchNorm2d(16, EPS, momentum=None)
        return model

    pair = Pair(make, batch(20)[0])
    with pytest.warns(UserWarning, match="reads the values of a tensor"):
        pair.check(*batch(20), program=False)
    pair.check(*batch(20), program=False)


def test_targets_without_kernels_move_statistics_once() -> None:
    """The first pass was to read the model; then the loop goes on with what it gave."""
    pair = Pair(cifar, batch(20)[0])
    x, y = batch(20)
    wrong = npnet.from_numpy(np.eye(10, dtype=np.float32)[y.numpy()])
    pair.check(x, wrong, program=False)
    assert pair.models[0].layers[1].num_batches_tracked.item() == 1
    pair.check(x, y)


def test_other_modules_with_buffers_are_left_to_the_loop() -> None:
    class Counted(nn.BatchNorm2d):
        def forward(self, x: npnet.Tensor) -> npnet.Tensor:
            return super().forward(x) * 1.0

    model = Net(conv3x3(3, 8), Counted(8), features=8)
    step = npnet.compile(model, F.cross_entropy, optim.SGD(model.parameters(), lr=0.1))
    step(*batch(5))
    assert step.fallback == "Counted keeps statistics"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["images", "weights"])
def test_not_finite(bad: float, where: str) -> None:
    """The loop does the step, from unchanged statistics."""
    pair = Pair(cifar, batch(20)[0])
    pair.check(*batch(20))
    x, y = batch(20)
    if where == "images":
        x[3, 1, 5, 7] = bad
    for model in pair.models:
        with npnet.no_grad():
            if where == "weights":
                model.layers[4].conv2.weight[3, 2, 1, 1] = bad
            model.zero_grad()
    losses = [step(x, y).item() for step in pair.steps]
    assert pair.compiled.fallback == "a sum is not finite"
    np.testing.assert_equal(*losses)
    ours, theirs = (m.state_dict() for m in pair.models)
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name].numpy(), value.numpy(), rtol=1e-4, atol=1e-4)


def test_threads_change_no_bit() -> None:
    seen = []
    for threads in (1, 2):
        npnet.set_num_threads(threads)
        pair = Pair(cifar, batch(40, (32, 32))[0])
        for _ in range(3):
            loss = pair.compiled(*batch(40, (32, 32)))
        assert pair.compiled.fallback is None
        seen.append(
            [loss.numpy(), *[v.numpy().copy() for v in pair.models[0].state_dict().values()]]
        )
    for a, b in zip(*seen, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["convnet", "resnet20"])
def test_networks_that_come_with_npnet(name: str) -> None:
    spec = models.MODELS[name]
    size = spec.size_for(32)
    rng = np.random.default_rng(0)
    x = npnet.from_numpy(rng.standard_normal((5, spec.in_channels, size, size), dtype=np.float32))
    y = npnet.from_numpy(rng.integers(0, 10, 5))
    model = models.create(name)
    step = npnet.compile(model, F.cross_entropy, optim.SGD(model.parameters(), lr=0.01))
    assert isinstance(step, Step)
    first = step(x, y).item()
    assert step.fallback is None
    for _ in range(10):
        last = step(x, y).item()
    assert last < first
