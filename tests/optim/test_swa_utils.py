"""Averaged models against PyTorch's."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

import npnet
from npnet.optim import swa_utils

# Each update is rounded once or twice, in PyTorch with one rounding fewer where it fuses.
FLOAT32 = {"rtol": 1e-6, "atol": 1e-7}
UPDATES = 6

AVERAGES: dict[str, Any] = {
    "mean": lambda ns: {},
    "mean by one": lambda ns: {"avg_fn": ns.get_swa_avg_fn()},
    "mean of all": lambda ns: {"multi_avg_fn": ns.get_swa_multi_avg_fn()},
    "exponential by one": lambda ns: {"avg_fn": ns.get_ema_avg_fn(0.7)},
    "exponential of all": lambda ns: {"multi_avg_fn": ns.get_ema_multi_avg_fn(0.7)},
    "mostly new": lambda ns: {"multi_avg_fn": ns.get_ema_multi_avg_fn(0.2)},
    "default decay": lambda ns: {"multi_avg_fn": ns.get_ema_multi_avg_fn()},
    "own": lambda ns: {"avg_fn": lambda a, p, count: a + (p - a) / (count + 2)},
}


def network(lib: Any) -> Any:
    """Convolution, batch norm and one weight in two places."""
    nn = lib.nn
    first, last = nn.Linear(4, 4), nn.Linear(4, 4)
    last.weight = first.weight
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), first, last)


def set_weights(module: Any, seed: int, lib: Any) -> None:
    rng = np.random.default_rng(seed)
    state = {}
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            drawn = rng.standard_normal(tuple(value.shape)).astype(np.float32)
        else:  # a count of batches
            drawn = np.array(5 * seed + 1)
        state[name] = lib.from_numpy(drawn)
    state["4.weight"] = state["3.weight"]
    module.load_state_dict(state)


def averaged(lib: Any, name: str, use_buffers: bool) -> Any:
    model = network(lib)
    set_weights(model, 0, lib)
    ns = lib.optim.swa_utils
    average = ns.AveragedModel(model, **AVERAGES[name](ns), use_buffers=use_buffers)
    for seed in range(1, UPDATES):
        set_weights(model, seed, lib)
        average.update_parameters(model)
    return average


@pytest.mark.parametrize(
    ("name", "use_buffers"),
    # PyTorch's mean of all fails at the count of batches, an integer.
    [(n, b) for n in AVERAGES for b in (False, True) if (n, b) != ("mean of all", True)],
)
def test_matches_torch(name: str, use_buffers: bool, backend: str) -> None:
    ours = averaged(npnet, name, use_buffers).state_dict()
    theirs = averaged(torch, name, use_buffers).state_dict()
    assert list(ours) == list(theirs)
    for key, expected in theirs.items():
        assert str(ours[key].dtype).split(".")[-1] == str(expected.dtype).split(".")[-1]
        assert_allclose(ours[key].numpy(), expected.numpy(), **FLOAT32, err_msg=key)


def test_model_and_average_share_nothing() -> None:
    model = network(npnet)
    average = swa_utils.AveragedModel(model)
    before = {k: v.numpy().copy() for k, v in average.state_dict().items()}
    set_weights(model, 3, npnet)
    for key, value in average.state_dict().items():
        assert_array_equal(value.numpy(), before[key])
    average.update_parameters(model)
    for key, value in model.state_dict().items():
        assert_array_equal(average.module.state_dict()[key].numpy(), value.numpy())
    assert average.n_averaged.item() == 1


def test_goes_on_from_its_state_exactly() -> None:
    whole = averaged(npnet, "exponential of all", True)
    options = AVERAGES["exponential of all"](swa_utils)
    resumed = swa_utils.AveragedModel(network(npnet), **options, use_buffers=True)
    resumed.load_state_dict(whole.state_dict())
    model = network(npnet)
    set_weights(model, 9, npnet)
    for average in (whole, resumed):
        average.update_parameters(model)
    for key, value in whole.state_dict().items():
        assert_array_equal(resumed.state_dict()[key].numpy(), value.numpy(), err_msg=key)


def test_is_called_like_the_model() -> None:
    model = npnet.nn.Linear(3, 2)
    x = npnet.randn(4, 3)
    assert_array_equal(
        swa_utils.AveragedModel(model)(x).detach().numpy(), model(x).detach().numpy()
    )


def test_a_changed_average_is_noticed_by_the_tape() -> None:
    model = npnet.nn.Sequential(npnet.nn.Linear(3, 3), npnet.nn.Linear(3, 2))
    average = swa_utils.AveragedModel(model)
    average.update_parameters(model)
    y = average(npnet.randn(4, 3)).sum()
    average.update_parameters(model)
    with pytest.raises(RuntimeError, match="changed"):
        y.backward()


def test_wrong_arguments() -> None:
    model, ema = npnet.nn.Linear(3, 2), swa_utils.get_ema_multi_avg_fn()
    with pytest.raises(AssertionError, match="not both"):
        swa_utils.AveragedModel(model, avg_fn=swa_utils.get_swa_avg_fn(), multi_avg_fn=ema)
    with pytest.raises(NotImplementedError, match="CPU only"):
        swa_utils.AveragedModel(model, device="cuda")
    for make in (swa_utils.get_ema_avg_fn, swa_utils.get_ema_multi_avg_fn):
        with pytest.raises(ValueError, match=r"decay must be >= 0 and <= 1, got 1\.5"):
            make(1.5)
    with pytest.raises(ValueError, match=r"the model has 1 tensors, but .* AveragedModel 2"):
        swa_utils.AveragedModel(model).update_parameters(npnet.nn.Linear(3, 2, bias=False))


@pytest.mark.parametrize("name", swa_utils.__all__)
def test_signature_is_pytorchs(name: str) -> None:
    ours = inspect.signature(getattr(swa_utils, name)).parameters.values()
    theirs = inspect.signature(getattr(torch.optim.swa_utils, name)).parameters.values()
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [0, 1, 4])
@pytest.mark.parametrize("by_hand", [False, True])
def test_annealing_is_pytorchs(strategy: str, epochs: int, by_hand: bool) -> None:
    paths = []
    for lib, p in (
        (npnet, npnet.ones(1, requires_grad=True)),
        (torch, torch.ones(1, requires_grad=True)),
    ):
        optimizer = lib.optim.SGD([p], lr=0.8)
        annealing = lib.optim.swa_utils.SWALR(optimizer, 0.1, epochs, strategy)
        path = []
        for i in range(7):
            path.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if by_hand and i == 1:
                optimizer.param_groups[0]["lr"] *= 2
            annealing.step()
        paths.append(path)
    np.testing.assert_allclose(*paths, rtol=1e-12)
    with pytest.raises(ValueError, match="anneal_strategy"):
        npnet.optim.swa_utils.SWALR(npnet.optim.SGD([npnet.ones(1)]), 0.1, 1, "sin")  # type: ignore[arg-type]


def test_averages_of_batch_norms_are_of_one_pass() -> None:
    batches = np.random.default_rng(0).standard_normal((3, 8, 4)).astype(np.float32)
    found = []
    for lib, as_batch in ((npnet, npnet.tensor), (torch, torch.tensor)):
        net = lib.nn.Sequential(lib.nn.Dropout(0.0), lib.nn.BatchNorm1d(4))
        net(as_batch(batches[0]) * 5)
        net[0].eval()
        lib.optim.swa_utils.update_bn([(as_batch(b), 0) for b in batches], net)
        assert net.training
        assert net[1].momentum == 0.1
        found.append([v.numpy() for v in net.state_dict().values()][-3:])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
