"""What is measured, and that a claim fails where something is wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

import npnet
from npnet import models, nn
from npnet.base.arrays import Array
from npnet.nn import functional as F
from npnet.tensor import Tensor
from npnet.verify import Case, Certificate, Claim, Given, verify
from npnet.verify.beside import beside_pytorch
from npnet.verify.claims import Worst, distance
from npnet.verify.networks import network_cases
from npnet.verify.onnx_tests import beside_onnx
from npnet.verify.slopes import BOUND, MOST, finite_differences
from npnet.verify.spelling import layer_cases
from npnet.verify.ways import (
    compiled_against_eager,
    kernels_against_numpy,
    one_thread_against_several,
)


def of(layer: nn.Module, *shape: int) -> list[Case]:
    def draw(rng: np.random.Generator, n: int) -> Sequence[Given]:
        return [Given(np.asarray(rng.standard_normal((n, *shape))))]

    return [Case("layer", layer, draw, True, None)]


class Of(nn.Module):
    def __init__(self, function: object) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.function(x)  # type: ignore[operator]
        return y


# ---- finite differences --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "name"),
    [(npnet.ops.activation.Tanh, "tanh"), (npnet.ops.conv.Conv2d, "conv2d"),
     (npnet.ops.norm.BatchNorm, "batch_norm"), (npnet.ops.pool.AvgPool2d, "avg_pool2d")],
)  # fmt: skip
def test_a_factor_is_found(op: type, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = op.backward  # type: ignore[attr-defined]

    def wrong(self: object, gy: Array) -> tuple[Array | None, ...]:
        return tuple(None if g is None else g * 1.001 for g in right(self, gy))

    monkeypatch.setattr(op, "backward", wrong)
    claim = finite_differences(layer_cases(name, 0)[1], 0, name)
    assert claim.holds is False
    assert claim.worst is not None
    assert claim.worst > 10 * BOUND


def test_kinks_are_told() -> None:
    """Values that lie within the largest step of ReLU's kink: the step is made smaller."""
    near = np.linspace(2e-6, 1e-4, 600).reshape(3, 200)
    case = Case("relu", nn.ReLU(), lambda rng, n: [Given(near)], True, None)
    claim = finite_differences([case], 0, "relu")
    assert claim.holds
    assert "at a smaller step" in claim.note


def test_on_a_kink_nothing_is_proven() -> None:
    """Exactly on it the mean of both sides is no gradient, whatever the step: nothing hides."""
    zeros = Case("abs", Of(npnet.abs), lambda rng, n: [Given(np.zeros((3, 4)))], True, None)
    assert finite_differences([zeros], 0, "abs").holds  # the mean of both sides is 0, as is gx
    relu = Case("relu", nn.ReLU(), lambda rng, n: [Given(np.zeros((3, 4)))], True, None)
    assert finite_differences([relu], 0, "relu").holds is False


def test_jumps_are_no_proof() -> None:
    """Where f jumps between the sides at every step, no direction is left to judge by."""

    rough = Of(lambda x: x * 0 + npnet.from_numpy(np.sign(np.sin(x.detach().numpy() * 1e12))))
    claim = finite_differences(of(rough, 50), 0, "rough")
    assert claim.holds is False
    assert "no direction without a bend" in claim.note


def test_many_tensors_are_moved_together_and_the_wrong_one_is_named() -> None:
    class Wrong(npnet.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            return x * 1

        @staticmethod
        def backward(ctx: object, gy: Tensor) -> Tensor:
            return gy * 1.01

    class Layer(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return F.linear(x, Wrong.apply(self.weight), self.bias)

    layers = [nn.Linear(3, 3) for _ in range(MOST)]
    good = nn.Sequential(*layers)
    assert finite_differences(of(good, 3), 0, "deep").cases == 1 + 2 * MOST
    bad = nn.Sequential(*layers[:7], Layer(3, 3), *layers[7:])
    claim = finite_differences(of(bad, 3), 0, "deep")
    assert claim.holds is False
    assert "7.weight" in claim.note


# ---- PyTorch, ONNX, kernels, programs, threads ---------------------------------------------------


def network(name: str) -> list[Case]:
    spec = models.MODELS[name]
    side = spec.input_size or spec.min_size
    model = models.create(name)
    arguments = {"in_channels": spec.in_channels, "num_classes": 10}
    return network_cases(name, model, (spec.in_channels, side, side), spec.build, arguments)


@pytest.mark.parametrize(
    "name", ["lenet5", "mlp", pytest.param("resnet20", marks=pytest.mark.slow)]
)
def test_networks_equal_pytorchs(name: str) -> None:
    for claim in beside_pytorch(network(name), 0, name):
        assert claim.holds, claim
        assert "draws" not in claim.note


@pytest.mark.slow  # ONNX makes its tests
def test_pytorch_finds_a_wrong_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    """Right by finite differences, as backward goes with it."""
    tanh = npnet.ops.activation.Tanh
    monkeypatch.setattr(tanh, "forward", lambda self, x: _kept(self, np.tanh(x * 1.001)))
    monkeypatch.setattr(tanh, "backward", lambda self, gy: (gy * 1.001 * (1 - self.saved[0] ** 2),))
    cases = layer_cases("Tanh", 0)[1]
    assert finite_differences(cases, 0, "Tanh").holds
    assert [claim.holds for claim in beside_pytorch(cases, 0, "Tanh")] == [False, False]
    assert False in [claim.holds for claim in beside_onnx(cases, 0, "Tanh")]


def _kept(function: npnet.tape.Function, y: Array) -> Array:
    function.save_for_backward(y)
    return y


@pytest.mark.slow
def test_onnx_of_a_network() -> None:
    evaluated, tested = beside_onnx(network("lenet5"), 0, "lenet5")
    assert evaluated.holds
    assert tested.holds
    assert tested.cases > 20
    assert "AveragePool, Conv, Gemm, Tanh" in tested.subject


def test_what_has_no_kernels_is_said() -> None:
    claim = kernels_against_numpy(layer_cases("GELU", 0)[1], 0, "GELU")
    assert claim.holds is None
    assert "has no kernels, NumPy computes it: GELU" in claim.note


def test_kernels_that_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = layer_cases("Conv2d(2, 3, 3)", 0)[1]
    assert kernels_against_numpy(cases, 0, "Conv2d").holds
    from npnet.lanes.function import LaneOp

    right = LaneOp.differentiate

    def wrong(self: LaneOp, gy: npnet.tape.Values) -> tuple[object, ...]:
        gx, gweight, *rest = right(self, gy)
        return (gx, gweight * np.float32(1.01), *rest)

    monkeypatch.setattr(LaneOp, "differentiate", wrong)
    claim = kernels_against_numpy(cases, 0, "Conv2d")
    assert claim.holds is False
    assert "gradient of weight" in claim.note


def test_programs_that_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = layer_cases("Linear(6, 4)", 0)[1]
    assert compiled_against_eager(cases, 0, "Linear").holds
    from npnet.compiler.step import Step

    right = Step.gradients

    def wrong(self: Step, x: Tensor, y: Tensor) -> Tensor:
        loss = right(self, x, y)
        for parameter in self.model.parameters():
            parameter.grad.array[...] *= np.float32(1.01)
        return loss

    monkeypatch.setattr(Step, "gradients", wrong)
    assert compiled_against_eager(cases, 0, "Linear").holds is False


class _Noise(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + npnet.randn(*x.shape)


class _Detached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x).detach()


@pytest.mark.parametrize(
    ("build", "why"), [(_Noise, "no weights that learn"), (_Detached, "hangs on no weight")]
)
def test_what_cannot_be_trained_is_said(build: type[nn.Module], why: str) -> None:
    claim = compiled_against_eager(network_cases("own", build(), (4,), build, {}), 0, "own")
    assert claim.holds is None
    assert why in claim.note


def test_threads_that_change_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = layer_cases("Linear(6, 4)", 0)[1]
    before = npnet.get_num_threads()
    assert one_thread_against_several(cases, 0, "Linear").holds
    assert npnet.get_num_threads() == before
    right = npnet.ops.linear.Linear.forward

    def wrong(self: object, *inputs: Array) -> Array:
        y: Array = right(self, *inputs)  # type: ignore[arg-type]
        return np.nextafter(y, np.float32(9)) if npnet.get_num_threads() == 3 else y

    monkeypatch.setattr(npnet.ops.linear.Linear, "forward", wrong)
    claim = one_thread_against_several(cases, 0, "Linear")
    assert claim.holds is False
    assert claim.bound == 0


# ---- measures ------------------------------------------------------------------------------------


def test_distance() -> None:
    one = np.ones(3, np.float32)
    assert distance(one, one) == (0, 0)
    error, ulps = distance(np.nextafter(one, np.float32(2)), one)
    assert (error, ulps) == (pytest.approx(1.2e-7, rel=0.01), 1)
    assert distance(one, np.ones(2, np.float32))[0] == math.inf
    assert distance(np.array([np.nan]), np.array([1.0]))[0] == math.inf
    assert distance(np.array([np.nan, 1.0]), np.array([np.nan, 1.0])) == (0, 0)
    assert distance(np.array([np.inf]), np.array([-np.inf]))[0] == math.inf
    assert distance(np.array([3]), np.array([4]))[0] == math.inf
    assert distance(np.array([1e-9]), np.array([0.0]), floor=1.0)[0] == pytest.approx(1e-9)


def test_worst() -> None:
    worst = Worst()
    worst.add_pairs({"a": np.ones(1)}, {"b": np.ones(1)}, "x")
    assert worst.error == math.inf
    worst.add(float("nan"), "y")
    assert worst.error == math.inf
    assert worst.cases == 2


def test_a_certificate_needs_something_that_holds() -> None:
    nothing = Certificate("x", (Claim("a", "x", "p", "q"),), {}, 0.0)
    assert not nothing.holds
    assert "nothing could be shown of x" in nothing.verdict
    wrong = Certificate("x", (Claim("a", "x", "p", "q", holds=False),), {}, 0.0)
    assert not wrong.holds
    assert wrong.verdict == "x is WRONG: a"


@pytest.mark.slow  # all claims
def test_verify_leaves_the_generator_and_the_module_as_they_were() -> None:
    layer = nn.Dropout(0.4)
    norm = nn.BatchNorm2d(2)
    state = npnet.get_rng_state()
    cases = [*of(layer, 2, 3, 3), *of(norm, 2, 3, 3)]
    before = {name: value.numpy().copy() for name, value in norm.state_dict().items()}
    assert verify([("both", cases)], "both").holds
    assert (npnet.get_rng_state().numpy() == state.numpy()).all()
    for name, value in norm.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])
    assert norm.weight.grad is None
