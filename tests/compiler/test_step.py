"""`npnet.compile` against the eager loop: values, gradients, who sees them, and what falls back."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pytest

import npnet
from npnet import models, nn, optim
from npnet.compiler import EagerStep
from npnet.compiler.trace import trace
from npnet.nn import functional as F

Make: TypeAlias = Callable[[], nn.Module]

# The program does the eager kernels' arithmetic; what is added up in another order, gradients over
# blocks, differs by some units in the last place of the largest term.
FLOAT32 = 2e-6


pytestmark = pytest.mark.usefixtures("numba")


def sequential() -> nn.Module:
    """Every layer that a program can do, with strides, padding, and activations in a row."""
    return nn.Sequential(
        nn.Conv2d(1, 5, 3, stride=2, padding=1, bias=False),
        nn.LeakyReLU(0.2),
        nn.Conv2d(5, 7, (3, 2), padding=(0, 1)),
        nn.Tanh(),
        nn.Sigmoid(),
        nn.AvgPool2d(3, stride=2, padding=1),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(7, 6, 1),
        nn.ReLU(),
        nn.MaxPool2d(2, stride=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 9, bias=False),
        nn.Sigmoid(),
        nn.LeakyReLU(),
        nn.Linear(9, 10),
    )


class PixelMeans(nn.Module):
    """Means of pixels right after an activation, with which they are one op of programs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 6, 3), nn.Linear(6, 10)

    def forward(self, x: npnet.Tensor) -> npnet.Tensor:
        return self.fc(self.conv(x).relu().mean((2, 3)))


# Beside which no variance is small: without it, gradients before a norm are differences of equal
# numbers. A bias that a norm takes off again has none.
EPS = 1.0


def normed(norm: Callable[[], nn.Module]) -> Make:
    return lambda: nn.Sequential(
        nn.Conv2d(3, 6, 3, bias=False),
        norm(),
        nn.PReLU(),
        nn.ConvTranspose2d(6, 4, 3, 2, 1, 1),
        nn.PReLU(4),
        nn.Flatten(),
        nn.Linear(4 * 14 * 12, 10),
    )


def decoder() -> nn.Module:
    """Features become images, by a product and by transposed convolutions, and features again."""
    return nn.Sequential(
        nn.Linear(5, 12),
        nn.ReLU(),
        nn.Unflatten(1, (3, 2, 2)),
        nn.ConvTranspose2d(3, 4, 4, 2, 1),
        nn.Tanh(),
        nn.ConvTranspose2d(4, 2, 3, bias=False),
        nn.LeakyReLU(),
        nn.Flatten(),
        nn.Linear(72, 16),
        nn.Unflatten(1, (1, 4, 4)),
        nn.Conv2d(1, 2, 3),
        nn.Flatten(),
        nn.Linear(8, 10),
    )


def signals() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(3, 4, 5, padding=2),
        nn.GroupNorm(2, 4),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(4, 6, 3, stride=2, bias=False),
        nn.PReLU(6),
        nn.ConvTranspose1d(6, 2, 4, 2),
        nn.AvgPool1d(2),
        nn.Flatten(),
        nn.Linear(16, 10),
    )


def rows() -> nn.Module:
    return nn.Sequential(
        nn.Linear(6, 8),
        nn.LayerNorm(8, EPS),
        nn.PReLU(8),
        nn.Linear(8, 12),
        nn.GroupNorm(3, 12, EPS),
        nn.PReLU(),
        nn.LayerNorm(12, EPS, elementwise_affine=False),
        nn.Linear(12, 10),
        nn.LayerNorm(10, EPS),
    )


def autoencoder() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, 2, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(4, 2, 3, 2, 1, 1),
        nn.Sigmoid(),
    )


def dropouts() -> nn.Module:
    """Of values and of channels, of images before and after lanes begin, and of features."""
    return nn.Sequential(
        nn.Dropout2d(0.2),
        nn.Conv2d(3, 6, 3),
        nn.Dropout2d(0.3),
        nn.ReLU(),
        nn.Dropout(0.4),
        nn.AvgPool2d(2),
        nn.Tanh(),
        nn.Dropout2d(0.1),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(54, 20),
        nn.Dropout1d(0.2),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(20, 10),
    )


def dropout_of_signals() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(3, 8, 5),
        nn.Dropout1d(0.4),
        nn.ReLU(),
        nn.Dropout(),
        nn.Flatten(),
        nn.Linear(208, 10),
    )


NETWORKS: dict[str, tuple[Make, tuple[int, ...]]] = {
    "lenet4": (lambda: models.create("lenet4"), (1, 32, 32)),
    "lenet5": (lambda: models.create("lenet5"), (1, 32, 32)),
    "lenet": (lambda: models.create("lenet"), (1, 32, 32)),
    "lenet_fc": (lambda: models.create("lenet_fc"), (1, 32, 32)),
    "mlp": (lambda: models.create("mlp"), (1, 28, 28)),
    "mlp of features": (lambda: models.MLP((3, 20, 10), "relu"), (3,)),
    "sequential": (sequential, (1, 29, 31)),
    "means of pixels": (PixelMeans, (3, 9, 8)),
    "group norm": (normed(lambda: nn.GroupNorm(3, 6, EPS)), (3, 9, 8)),
    "layer norm": (normed(lambda: nn.LayerNorm((6, 7, 6), EPS)), (3, 9, 8)),
    "layer norm of pixels": (normed(lambda: nn.LayerNorm((7, 6), EPS, bias=False)), (3, 9, 8)),
    "instance norm": (normed(lambda: nn.InstanceNorm2d(6, EPS)), (3, 9, 8)),
    "affine instance norm": (normed(lambda: nn.InstanceNorm2d(6, EPS, affine=True)), (3, 9, 8)),
    "features as images": (decoder, (5,)),
    "signals": (signals, (3, 30)),
    "norms of rows": (rows, (6,)),
    "dropout": (dropouts, (3, 8, 8)),
    "dropout of signals": (dropout_of_signals, (3, 30)),
}


def batch(shape: tuple[int, ...], n: int) -> tuple[npnet.Tensor, npnet.Tensor]:
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, *shape), dtype=np.float32)
    return npnet.from_numpy(x), npnet.from_numpy(rng.integers(0, 10, n))


def trained(
    make: Make,
    kind: Callable[..., EagerStep],
    batches: list[tuple[npnet.Tensor, npnet.Tensor]],
    criterion: Any = F.cross_entropy,
    rule: Callable[..., optim.Optimizer] = lambda p: optim.SGD(p, lr=0.05, momentum=0.9),
) -> tuple[list[np.ndarray], EagerStep]:
    """Losses, outputs, gradients and weights of a few steps from the same start."""
    npnet.manual_seed(3)
    model = make()
    step = kind(model, criterion, rule(model.parameters()))
    seen = []
    for x, y in batches:
        seen += [step(x, y).numpy(), step.output.numpy()]
    for p in model.parameters():
        assert p.grad is not None
        seen += [p.grad.numpy().copy(), p.detach().numpy().copy()]
    return seen, step


def check_alike(got: list[np.ndarray], want: list[np.ndarray]) -> None:
    for a, b in zip(got, want, strict=True):
        finite = np.abs(b[np.isfinite(b)])
        scale = finite.max() if finite.size else 1
        np.testing.assert_allclose(a, b, rtol=0, atol=FLOAT32 * scale)


def check(make: Make, batches: list[tuple[npnet.Tensor, npnet.Tensor]], **options: Any) -> None:
    """A program is made, and does what the eager loop does."""
    got, step = trained(make, npnet.compile, batches, **options)
    assert step.fallback is None
    check_alike(got, trained(make, EagerStep, batches, **options)[0])


# ---- values ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("n", [1, 16, 17])
def test_as_the_eager_loop(name: str, n: int) -> None:
    make, shape = NETWORKS[name]
    check(make, [batch(shape, n), batch(shape, n)])


@pytest.mark.parametrize("n", [15, 127, 300])
def test_any_batch(n: int) -> None:
    check(sequential, [batch((1, 29, 31), n)])


def test_batches_of_changing_size() -> None:
    sizes = (20, 7, 20, 33)
    check(NETWORKS["lenet4"][0], [batch((1, 32, 32), n) for n in sizes])


@pytest.mark.parametrize("rule", [optim.Adam, optim.AdamW, optim.NAdam, optim.RMSprop, optim.SGD])
def test_any_optimizer(rule: Any) -> None:
    batches = [batch((3,), 20)] * 4
    check(NETWORKS["mlp of features"][0], batches, rule=lambda p: rule(p, lr=1e-3))


@pytest.mark.parametrize("criterion", [F.mse_loss, nn.MSELoss()], ids=["function", "module"])
def test_mean_squared_error(criterion: Any) -> None:
    x, y = batch((3,), 20)
    target = F.one_hot(y, 10).to(npnet.float32)
    check(NETWORKS["mlp of features"][0], [(x, target)] * 2, criterion=criterion)


@pytest.mark.parametrize("n", [1, 16, 17])
def test_images_as_targets(n: int) -> None:
    batches = [(batch((2, 8, 6), n)[0], batch((2, 8, 6), n + 1)[0][:n]) for _ in range(2)]
    check(autoencoder, batches, criterion=F.mse_loss)


def test_images_have_no_classes() -> None:
    step = npnet.compile(autoencoder(), F.cross_entropy, optim.SGD([npnet.ones(1)], lr=0.1))
    with pytest.warns(UserWarning, match="cross_entropy takes images"):
        step(batch((2, 8, 6), 3)[0], npnet.zeros(3, 8, 6).long().clamp(max=1))


def test_a_part_of_a_gradient_in_another_shape_stays_what_it_is() -> None:
    """A signal's weight is taken as an image's: the memory is that of the image's gradient."""
    model = signals()
    step = npnet.compile(model, F.cross_entropy, optim.SGD(model.parameters(), lr=0.0))
    step(*batch((3, 30), 5))
    assert step.fallback is None
    weight = model[0].weight
    assert weight.grad is not None
    part = weight.grad.numpy()[1:]
    before = part.copy()
    step(*batch((3, 30), 6))
    step(*batch((3, 30), 5))
    step(batch((3, 30), 5)[0] * 2, batch((3, 30), 5)[1])
    np.testing.assert_array_equal(part, before)


def test_loss_as_a_module() -> None:
    check(sequential, [batch((1, 29, 31), 5)], criterion=nn.CrossEntropyLoss())


@pytest.mark.parametrize("name", ["lenet5", "sequential"])
@pytest.mark.parametrize("n", [1, 15, 16, 17, 127])
def test_smoothed_labels(name: str, n: int) -> None:
    make, shape = NETWORKS[name]
    check(make, [batch(shape, n)] * 2, criterion=nn.CrossEntropyLoss(label_smoothing=0.1))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(value: float) -> None:
    x, y = batch((1, 32, 32), 20)
    x.array[3, 0, 10, 10] = value
    make = NETWORKS["lenet"][0]
    with np.errstate(all="ignore"):
        got, step = trained(make, npnet.compile, [(x, y)])
        want, _ = trained(make, EagerStep, [(x, y)])
    assert step.fallback is None
    assert np.isnan(want[0])
    check_alike(got, want)


_BITS = """
import sys, hashlib, numpy as np, npnet
from npnet import models
npnet.set_num_threads(int(sys.argv[1]))
npnet.manual_seed(0)
model = models.create("lenet5")
step = npnet.compile(model, npnet.nn.functional.cross_entropy,
                     npnet.optim.SGD(model.parameters(), lr=0.05, momentum=0.9))
rng = np.random.default_rng(0)
for _ in range(3):
    x = rng.standard_normal((100, 1, 32, 32), dtype=np.float32)
    step(npnet.from_numpy(x), npnet.from_numpy(rng.integers(0, 10, 100)))
assert step.fallback is None
state = b"".join(v.numpy().tobytes() for v in model.state_dict().values())
print(npnet.get_num_threads(), hashlib.sha256(state).hexdigest())
"""


def test_same_bits_for_any_threads() -> None:
    prints = []
    for threads in (1, 2, 4):
        run = subprocess.run(
            [sys.executable, "-c", _BITS, str(threads)],
            capture_output=True,
            text=True,
            env={**os.environ, "NUMBA_NUM_THREADS": "4", "NPNET_BACKEND": "numba"},
        )
        assert run.returncode == 0, run.stderr
        count, digest = run.stdout.split()
        assert int(count) == threads
        prints.append(digest)
    assert len(set(prints)) == 1


def test_more_threads_later() -> None:
    make, (x, y) = NETWORKS["lenet4"][0], batch((1, 32, 32), 40)
    before = npnet.get_num_threads()
    npnet.manual_seed(0)
    model = make()
    step = npnet.compile(model, F.cross_entropy, optim.SGD(model.parameters(), lr=0.0))
    try:
        npnet.set_num_threads(1)
        first = step(x, y)
        npnet.set_num_threads(2)
        assert step(x, y).item() == first.item()
    finally:
        npnet.set_num_threads(before)


# ---- what the user sees ------------------------------------------------------------------------


def test_parameters_can_be_replaced() -> None:
    x, y = batch((3,), 8)
    model = models.MLP((3, 10))
    step = npnet.compile(model, F.cross_entropy, optim.SGD(model.parameters(), lr=0.0))
    before = step(x, y)
    weight = model.layers[0].weight
    weight.data = weight.detach() * 2
    assert step(x, y).item() == pytest.approx(F.cross_entropy(model(x), y).item(), rel=FLOAT32)
    assert step(x, y).item() != before.item()
    model.load_state_dict({k: v * 0 for k, v in model.state_dict().items()})
    assert step(x, y).item() == pytest.approx(np.log(10))


def test_outputs_and_losses_are_the_callers() -> None:
    batches = [batch((3,), 8), batch((3,), 9)]
    model = models.MLP((3, 10))
    step = npnet.compile(model, F.cross_entropy, optim.SGD(model.parameters(), lr=1.0))
    loss = step(*batches[0])
    output, kept = step.output, (loss.item(), step.output.numpy().copy())
    step(*batches[0])
    assert (loss.item(), output.numpy().tolist()) == (kept[0], kept[1].tolist())
    assert not loss.requires_grad
    assert not output.requires_grad


def test_gradients_alone_change_no_weight() -> None:
    x, y = batch((3,), 8)
    model = models.MLP((3, 10))
    before = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    step = npnet.compile(model, F.cross_entropy, optim.SGD(model.parameters(), lr=1.0))
    step.gradients(x, y)
    for name, p in model.named_parameters():
        np.testing.assert_array_equal(p.detach().numpy(), before[name])
        assert p.grad is not None


def test_class_numbers_are_checked_as_in_the_eager_loop() -> None:
    x, _ = batch((3,), 3)
    model = models.MLP((3, 10))
    step = npnet.compile(model, F.cross_entropy, optim.SGD(model.parameters(), lr=0.0))
    with pytest.raises(IndexError, match=r"target must lie in \[0, 9\] for 10 classes, got 10"):
        step(x, npnet.tensor([1, 10, 2]))
    ignored = npnet.tensor([1, -100, 2])
    assert step(x, ignored).item() == F.cross_entropy(model(x), ignored).item()
    probabilities = npnet.softmax(model(x), 1).detach()
    assert step(x, probabilities).item() == F.cross_entropy(model(x), probabilities).item()
    assert step.fallback == "targets of float32 (3, 10) with such values have no kernels"
    step(x, npnet.tensor([1, 9, 2]))
    assert step.fallback is None


# ---- what is left to the eager loop ------------------------------------------------------------


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 10)

    def forward(self, x: npnet.Tensor) -> npnet.Tensor:
        return self.fc(x) if x.shape[0] > 1 else self.fc(-x)


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 10)

    def forward(self, x: npnet.Tensor) -> npnet.Tensor:
        return self.fc(x * 2)


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 3), nn.Linear(3, 10)

    def forward(self, x: npnet.Tensor) -> npnet.Tensor:
        return self.last(self.first(self.first(x)))


class Constant(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(npnet.zeros(1, 10))

    def forward(self, x: npnet.Tensor) -> npnet.Tensor:
        return self.logits.expand(5, 10)


UNSUITED: dict[str, tuple[Make, str]] = {
    "branching": (Branching, "Branching.forward branches or loops"),
    "scaled": (Scaled, "Mul is not among its layers"),
    "shared": (Shared, "two of its layers share parameters"),
    "constant": (Constant, "is not among its layers"),
    "gelu": (lambda: models.MLP((3, 4, 10), "gelu"), "GELU is not among its layers"),
}


@pytest.mark.parametrize("name", UNSUITED)
def test_falls_back_and_says_why_once(name: str) -> None:
    make, why = UNSUITED[name]
    batches = [batch((3,), 5)] * 3
    with pytest.warns(UserWarning, match="runs as an eager loop: .*" + why) as caught:
        got, step = trained(make, npnet.compile, batches)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert step.fallback is not None
    check_alike(got, trained(make, EagerStep, batches)[0])


@pytest.mark.parametrize("option", [{"ignore_index": 3}, {"weight": npnet.ones(10) * 2}])
def test_a_criterion_without_a_program(option: dict[str, Any]) -> None:
    model = models.MLP((3, 10))
    criterion = nn.CrossEntropyLoss(**option)
    step = npnet.compile(model, criterion, optim.SGD(model.parameters(), lr=0.0))
    x, y = batch((3,), 5)
    with pytest.warns(UserWarning, match="its criterion is neither cross_entropy nor mse_loss"):
        loss = step(x, y)
    assert loss.item() == criterion(model(x), y).item()


def test_frozen_weights_stay() -> None:
    model, (x, y) = models.MLP((3, 4, 10)), batch((3,), 5)
    first, last = model.layers[0].weight, model.layers[2].weight
    first.requires_grad = False
    step = npnet.compile(model, F.cross_entropy, optim.SGD(model.parameters(), lr=1.0))
    step(x, y)
    last.requires_grad = False
    before = first.numpy().copy(), last.numpy().copy()
    step(x, y)
    assert step.fallback is None
    np.testing.assert_array_equal(first.numpy(), before[0])
    np.testing.assert_array_equal(last.numpy(), before[1])
    assert first.grad is None
    assert last.grad is None


def test_weights_with_gaps_are_left_to_the_loop() -> None:
    model, (x, y) = models.MLP((3, 10)), batch((3,), 5)
    model.layers[0].weight.data = npnet.from_numpy(np.ones((3, 10), np.float32).T)
    step = npnet.compile(model, F.cross_entropy, optim.SGD(model.parameters(), lr=1.0))
    before = model.layers[0].weight.detach().numpy().copy()
    with pytest.warns(UserWarning, match="a parameter is not contiguous"):
        step(x, y)
    assert (model.layers[0].weight.detach().numpy() != before).any()


def test_hooks_that_come_later_are_run() -> None:
    model, (x, y) = models.MLP((3, 10)), batch((3,), 5)
    step = npnet.compile(model, F.cross_entropy, optim.SGD(model.parameters(), lr=1.0))
    step(x, y)
    seen: list[Any] = []
    handle = model.layers[0].register_forward_hook(lambda *args: seen.append(args))
    step(x, y)
    assert step.fallback == "it has forward hooks"
    handle.remove()
    step(x, y)
    assert step.fallback is None
    assert len(seen) == 1


def test_the_search_for_nan_finds_the_op() -> None:
    model, (x, y) = models.MLP((3, 10)), batch((3,), 5)
    step = npnet.compile(model, F.cross_entropy, optim.SGD(model.parameters(), lr=1.0))
    step(x, y)
    with (
        pytest.warns(UserWarning, match="Anomaly Detection|Error detected in"),
        npnet.autograd.detect_anomaly(),
        pytest.raises(RuntimeError, match="CrossEntropyBackward' returned nan"),
    ):
        step(x * math.nan, y)
    step(x, y)
    assert step.fallback is None


def test_winograd_of_images_that_shrink_runs_layer_by_layer() -> None:
    def wide() -> nn.Module:
        layers = [nn.Conv2d(1, 24, 3), nn.ReLU(), nn.Conv2d(24, 24, 3), nn.Flatten()]
        return nn.Sequential(*layers, nn.Linear(24 * 16, 10))

    _, step = trained(wide, npnet.compile, [batch((1, 8, 8), 3)])
    assert step.fallback == "a convolution wants the whole batch"
    npnet.set_winograd(False)
    check(wide, [batch((1, 8, 8), 3)])


def test_numpy_backend_runs_eagerly() -> None:
    npnet.set_backend("numpy")
    batches = [batch((3,), 5)]
    got, step = trained(NETWORKS["mlp of features"][0], npnet.compile, batches)
    assert step.fallback == "the numba backend is not in use"
    check_alike(got, trained(NETWORKS["mlp of features"][0], EagerStep, batches)[0])


def test_without_recording_it_fails_as_the_eager_loop() -> None:
    model = models.MLP((3, 10))
    step = npnet.compile(model, F.cross_entropy, optim.SGD(model.parameters(), lr=1.0))
    step(*batch((3,), 5))
    with npnet.no_grad(), pytest.raises(RuntimeError):
        step(*batch((3,), 5))


def test_arguments_are_checked() -> None:
    model = models.MLP((3, 10))
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    with pytest.raises(TypeError, match="model must be a Module or a function, got a str"):
        npnet.compile("lenet5", F.cross_entropy, optimizer)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="criterion must be callable, got a str"):
        npnet.compile(model, "mse", optimizer)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="optimizer must be an Optimizer, got a float"):
        npnet.compile(model, F.cross_entropy, 0.1)  # type: ignore[arg-type]


def test_no_warning_where_a_program_is_made() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(NETWORKS["lenet4"][0], [batch((1, 32, 32), 5)])


def test_dropout_counts_in_training_alone() -> None:
    model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 10))
    step = npnet.compile(model, F.cross_entropy, optim.SGD(model.parameters(), lr=0.0))
    x, y = batch((3,), 5)
    model.eval()
    step(x, y)
    assert step.fallback is None
    model.train()
    losses = {step(x, y).item() for _ in range(5)}
    assert step.fallback is None
    assert len(losses) == 5
    model.eval()
    step(x, y)
    assert step.fallback is None


def test_making_a_program_draws_no_numbers() -> None:
    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 10))

    batches = [batch((3,), n) for n in (20, 20, 7, 20, 7)]
    check(model, batches)
    drawn = npnet.rand(3).tolist()
    trained(model, EagerStep, batches)
    assert npnet.rand(3).tolist() == drawn


def test_the_first_batch_has_the_bits_of_the_program_too() -> None:
    """A run that goes on in a new process must not tell by its first batch."""
    model = nn.Sequential(nn.Linear(300, 200), nn.Dropout(0.5), nn.ReLU(), nn.Linear(200, 10))
    x, y = batch((300,), 100)
    kept = {k: v.clone() for k, v in model.state_dict().items()}

    def bits(step: Any) -> bytes:
        model.load_state_dict(kept)
        npnet.manual_seed(7)
        loss = step(x, y)
        assert step.fallback is None
        return bytes(loss.numpy().tobytes() + model[0].weight.detach().numpy().tobytes())

    rule = optim.SGD(model.parameters(), lr=0.1)
    step = npnet.compile(model, F.cross_entropy, rule)
    first = bits(step)
    assert first == bits(step) == bits(npnet.compile(model, F.cross_entropy, rule))
    npnet.manual_seed(7)
    step(x, y)
    drawn = npnet.rand(3).tolist()
    npnet.manual_seed(7)
    npnet.compile(model, F.cross_entropy, rule)(x, y)
    assert npnet.rand(3).tolist() == drawn


def test_another_rate_is_another_program() -> None:
    model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 10))
    step = npnet.compile(model, F.cross_entropy, optim.SGD(model.parameters(), lr=0.0))
    x, y = batch((3,), 5)
    for _ in range(2):
        step(x, y)
    model[1].p = 1.0
    step(x, y)
    step(x, y)
    assert step.fallback is None
    np.testing.assert_array_equal(
        step.output.numpy(), np.tile(model[2].bias.detach().numpy(), (5, 1))
    )


@pytest.mark.parametrize("n", [1, 2, 20])
def test_dropout_by_a_compiled_model_in_training(n: int) -> None:
    """As in evaluation by Monte Carlo: each call draws its own masks, those of the eager loop."""
    x, results = batch((3, 8, 8), n)[0], []
    for make in (lambda m: m, npnet.compile):
        npnet.manual_seed(3)
        model = make(dropouts())
        with npnet.no_grad():
            results.append([model(x).numpy() for _ in range(3)])
    assert model.fallback is None
    check_alike(results[1], results[0])
    assert not np.array_equal(results[0][0], results[0][1])


class Several(nn.Module):
    def __init__(self, form: Any) -> None:
        super().__init__()
        self.a, self.b, self.form = nn.Linear(6, 8), nn.Linear(8, 3), form

    def forward(self, x: npnet.Tensor) -> Any:
        h = self.a(x)
        return self.form(h, self.b(h))


class Pair(NamedTuple):
    hidden: Any
    logits: Any


FORMS: list[Callable[[Any, Any], Any]] = [
    lambda h, y: (h, y),
    lambda h, y: [h, y],
    lambda h, y: {"hidden": h, 1: y},
    Pair,
]


@pytest.mark.parametrize("form", FORMS)
def test_a_network_of_several_outputs(form: Callable[[Any, Any], Any]) -> None:
    model = Several(form)
    before = model.a.weight.detach().clone()
    x, y = npnet.randn(5, 6), npnet.zeros(5, dtype=np.int64)
    rule = optim.SGD(model.parameters(), lr=0.1)
    step = npnet.compile(model, lambda out, y: F.cross_entropy(out[1], y), rule)
    with pytest.warns(UserWarning, match="runs as an eager loop"):
        step(x, y)
    assert type(step.output) is type(form(0, 0))
    assert not step.output[1].requires_grad
    assert not model.a.weight.detach().equal(before)


def test_a_network_is_read_beside_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Meanwhile its frozen parameters stay frozen, and nobody's random numbers come again."""
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    model[0].requires_grad_(False)
    seen: list[Any] = []

    def elsewhere() -> None:
        seen.append(model[0].weight.requires_grad)
        seen.append(npnet.rand(4).tolist())

    def forward(self: nn.ReLU, x: npnet.Tensor) -> npnet.Tensor:
        npnet.rand(4)
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        return F.relu(x)

    monkeypatch.setattr(nn.ReLU, "forward", forward)
    npnet.manual_seed(0)
    links, _ = trace(model, npnet.ones(5, 6))
    assert [len(link.params) for link in links] == [2, 0, 2]
    after = npnet.rand(4).tolist()
    npnet.manual_seed(0)
    assert seen == [False, npnet.rand(4).tolist()]
    assert after == npnet.rand(4).tolist()
