"""`npnet.compile` of a model alone: forward passes without recording, and all else the model's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import models, nn, optim
from npnet.compiler import serving
from npnet.nn import functional as F
from tests.compiler.test_step import FLOAT32, NETWORKS, batch

pytestmark = pytest.mark.usefixtures("numba")


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("n", [1, 3, 4, 15, 16, 17, 127])
def test_as_the_model(name: str, n: int) -> None:
    make, shape = NETWORKS[name]
    npnet.manual_seed(1)
    model = make().eval()
    compiled, (x, _) = npnet.compile(model), batch(shape, n)
    with npnet.no_grad():
        y, want = compiled(x).numpy(), model(x).numpy()
        again = compiled(x + 1).numpy()
        want_again = model(x + 1).numpy()
    assert compiled.fallback is None
    np.testing.assert_allclose(y, want, rtol=0, atol=FLOAT32 * np.abs(want).max())
    np.testing.assert_allclose(again, want_again, rtol=0, atol=FLOAT32 * np.abs(want).max())


def test_it_trains_as_the_model() -> None:
    """`model = npnet.compile(model)` in a program changes nothing but its speed."""
    original = models.MLP((3, 8, 10))
    model = npnet.compile(original)
    optimizer = optim.SGD(model.parameters(), lr=0.5)
    x, y = batch((3,), 50)
    losses = []
    for _ in range(3):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with npnet.no_grad():
            losses.append(F.cross_entropy(model(x), y).item())
    assert losses[0] > losses[1] > losses[2]
    assert list(model.state_dict()) == list(original.state_dict())
    assert model.eval() is model


def test_threads_take_turns() -> None:
    model = npnet.compile(models.create("lenet4"))
    images = [batch((1, 32, 32), n)[0] for n in (1, 2, 20, 40)] * 5

    def run(x: npnet.Tensor) -> np.ndarray:
        with npnet.no_grad():
            return model(x).numpy()

    want = [run(x) for x in images]
    with ThreadPoolExecutor(4) as pool:
        for got, expected in zip(pool.map(run, images), want, strict=True):
            np.testing.assert_array_equal(got, expected)


def test_values_that_are_not_finite() -> None:
    model, (x, _) = models.create("lenet"), batch((1, 32, 32), 2)
    x.array[0, 0, 5, 5] = np.nan
    with npnet.no_grad():
        y = npnet.compile(model)(x).numpy()
    assert np.isnan(y[0]).all()
    assert np.isfinite(y[1]).all()


def test_frozen_models_have_programs() -> None:
    model, (x, _) = models.create("lenet4"), batch((1, 32, 32), 2)
    for p in model.parameters():
        p.requires_grad = False
    compiled = npnet.compile(model)
    with npnet.no_grad():
        compiled(x)
    assert compiled.fallback is None
    assert not any(p.requires_grad for p in model.parameters())


def test_what_has_no_program_runs_as_it_is() -> None:
    class Doubled(nn.Module):
        def forward(self, x: npnet.Tensor) -> npnet.Tensor:
            return x * 2

    compiled, (x, _) = npnet.compile(Doubled()), batch((3,), 5)
    with npnet.no_grad(), pytest.warns(UserWarning, match="Mul is not among its layers"):
        y = compiled(x)
    np.testing.assert_array_equal(y.numpy(), x.numpy() * 2)


def test_a_single_number_is_no_batch() -> None:
    model, x = nn.Tanh().eval(), npnet.tensor(0.5)
    compiled = npnet.compile(model)
    with npnet.no_grad():
        assert npnet.equal(compiled(x), npnet.tanh(x))
    assert compiled.fallback == "batches of float32 () have no kernels"


def test_one_image_of_a_small_network_has_no_second_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """And keeps its program when the number of threads changes, down or up again."""
    made: list[int] = []
    build = serving._build

    def noted(links: Any, shape: Any, slots: int) -> Any:
        program = build(links, shape, slots)
        made.append(program._program._slots)
        return program

    monkeypatch.setattr(serving, "_build", noted)
    model, (x, _) = npnet.compile(models.create("lenet4")), batch((1, 32, 32), 1)
    outputs = []
    with npnet.no_grad():
        for threads in (2, 1, 2):
            npnet.set_num_threads(threads)
            outputs.append(model(x).numpy())
    assert made == [1]
    np.testing.assert_array_equal(outputs[0], outputs[1])
    np.testing.assert_array_equal(outputs[0], outputs[2])
