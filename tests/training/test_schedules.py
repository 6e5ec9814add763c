"""Schedules of a run, batch by batch, and what keeps training smooth: averages, labels, decay."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import train
from npnet.runs.errors import ConfigError
from npnet.training.config import SCHEDULERS, Config
from npnet.training.data import Data, prepare
from npnet.training.learner import Learner
from reference import train as reference
from tests.runs import run_npnet
from tests.training.test_trainer import weights_of

BATCHES = 6  # of 32 images in 192


def learner_of(small: Config, build: Any = train.build, **settings: object) -> tuple[Learner, Data]:
    config = dataclasses.replace(small, **settings)  # type: ignore[arg-type]
    data = prepare(config, notice=pytest.fail)
    return build(config, data), data


def rates(learner: Learner, data: Data) -> list[float]:
    """The learning rate of each batch of the run."""
    config, seen = learner.config, []
    for _ in range(config.epochs):
        for x, y in data.batches(data.train, config.batch_size):
            seen.append(learner.learning_rate)
            learner.train_step(x, y)
        learner.end_epoch(1.0)
    return seen


def warm(rise: int, after: Any) -> list[float]:
    """Of 3 epochs with a peak of 0.05."""
    up = [0.05 * (k + 1) / (rise + 1) for k in range(rise)]
    return up + [after(k) for k in range(3 * BATCHES - rise)]


def cosine(share: float) -> float:
    return 1e-3 + (0.05 - 1e-3) * (1 + math.cos(math.pi * share)) / 2


EXPECTED: dict[str, tuple[dict[str, object], list[float]]] = {
    "warmup_cosine": ({"min_learning_rate": 1e-3}, warm(6, lambda k: cosine(k / 12))),
    "warmup_exponential": (
        {"warmup_epochs": 0.5, "gamma": 0.2},
        warm(3, lambda k: 0.05 * 0.2 ** (k / BATCHES)),
    ),
    "plateau": (
        {"plateau_patience": 0, "gamma": 0.5, "min_learning_rate": 0.03},
        [0.05] * 12 + [0.03] * 6,
    ),
    "cosine": (
        {"min_learning_rate": 1e-3},
        [cosine(epoch / 3) for epoch in range(3) for _ in range(6)],
    ),
}


@pytest.mark.parametrize("build", [train.build, reference.build], ids=["npnet", "torch"])
@pytest.mark.parametrize("name", EXPECTED)
def test_learning_rate_of_each_batch(small: Config, name: str, build: Any) -> None:
    options, expected = EXPECTED[name]
    learner, data = learner_of(small, build, scheduler=name, epochs=3, **options)
    np.testing.assert_allclose(rates(learner, data), expected, rtol=1e-9)


@pytest.mark.parametrize("build", [train.build, reference.build], ids=["npnet", "torch"])
def test_one_cycle(small: Config, build: Any) -> None:
    learner, data = learner_of(
        small, build, scheduler="onecycle", epochs=5, pct_start=0.4, div_factor=10.0
    )
    seen = rates(learner, data)
    assert seen[0] == pytest.approx(0.05 / 10)
    assert seen.index(max(seen)) == 0.4 * 30 - 1
    assert max(seen) == pytest.approx(0.05)
    assert seen[-1] == pytest.approx(0.05 / 10 / 1e4)
    assert learner.optimizer.param_groups[0]["momentum"] == 0.9


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_every_schedule_is_that_of_pytorch(small: Config, scheduler: str, optimizer: str) -> None:
    settings = {"scheduler": scheduler, "epochs": 4, "optimizer": optimizer, "milestones": (1, 3)}
    settings |= {"plateau_patience": 0, "weight_decay": 1e-3, "weight_decay_on": "weights"}
    ours, theirs = (
        rates(*learner_of(small, b, **settings)) for b in (train.build, reference.build)
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scheduler": "warmup_cosine", "warmup_epochs": 0.05}, "is 0 batches, .*; raise --warmup"),
        (
            {"scheduler": "warmup_cosine", "warmup_epochs": 1.99},
            "is 12 batches, .*; lower --warmup",
        ),
        ({"scheduler": "onecycle", "pct_start": 0.08}, "0.08 of 12 batches leaves none on the way"),
    ],
)
def test_schedules_that_do_not_fit_the_batches(
    small: Config, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        learner_of(small, **settings)


def test_metrics_have_the_rate_of_the_first_batch(small: Config) -> None:
    result = run_npnet(dataclasses.replace(small, scheduler="warmup_cosine"))
    first, second = (epoch.learning_rate for epoch in result.progress.history)
    assert (first, second) == (pytest.approx(0.05 / 7), pytest.approx(0.05))


def test_a_setting_of_another_schedule_is_told(
    small: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    run_npnet(dataclasses.replace(small, scheduler="cosine", pct_start=0.2))
    assert "sgd and scheduler cosine have no use for: pct_start\n" in capsys.readouterr().out


# ---- averages ----------------------------------------------------------------------------------


def test_the_average_is_validated_saved_and_tested(small: Config) -> None:
    learner, data = learner_of(small, ema=0.6)
    expected: dict[str, Any] = {}
    for step, (x, y) in enumerate(data.batches(data.train, 32)):
        learner.train_step(x, y)
        decay = min(0.6, (1 + step) / (10 + step))
        for name, p in learner.model.state_dict().items():
            new = p.numpy().astype(np.float64)
            expected[name] = new if step == 0 else decay * expected[name] + (1 - decay) * new
    saved = learner.weights()
    for name, value in expected.items():
        np.testing.assert_allclose(saved[name], value, rtol=1e-5, atol=1e-6)
        assert not np.array_equal(saved[name], learner.model.state_dict()[name].numpy())
    images, labels = next(data.batches(data.val, 48))
    with npnet.no_grad():
        logits = learner.evaluated(npnet.from_numpy(images)).numpy()
    np.testing.assert_allclose(learner.evaluate_batch(images, labels).logits, logits, atol=1e-5)
    np.testing.assert_allclose(learner.predict(images), logits, atol=1e-5)


def test_the_test_is_of_the_best_average(small: Config) -> None:
    config = dataclasses.replace(small, ema=0.8, optimizer="adam", learning_rate=3e-3, epochs=8)
    result = run_npnet(config)
    assert result.test.accuracy > 90  # chance is 25
    data = prepare(config, notice=pytest.fail)
    learner = train.build(dataclasses.replace(config, ema=None), data)
    learner.load_weights(weights_of(config.checkpoint_dir))
    x, _ = next(data.batches(data.test, len(data.test)))
    np.testing.assert_array_equal(learner.predict(x).argmax(1), result.test.predicted)


def test_batch_norm_is_averaged_too(small: Config) -> None:
    learner, data = learner_of(small, model="resnet20", ema=0.5)
    for x, y in data.batches(data.train, 96):
        learner.train_step(x, y)
    name = "bn1.running_mean"
    assert not np.array_equal(learner.weights()[name], learner.model.state_dict()[name].numpy())


# ---- labels and decay --------------------------------------------------------------------------


@pytest.mark.usefixtures("numba")  # compiled, as well
def test_smoothing_is_of_the_training_loss_alone(small: Config) -> None:
    learner, data = learner_of(small, label_smoothing=0.2)
    x, y = next(data.batches(data.train, 32))
    plain = learner.evaluate_batch(x, y)
    C = npnet.nn.functional.cross_entropy
    logits, labels = npnet.from_numpy(plain.logits), npnet.from_numpy(y)
    assert plain.loss == pytest.approx(C(logits, labels).item(), rel=1e-6)
    smoothed = C(logits, labels, label_smoothing=0.2).item()
    assert learner.train_step(x, y).loss == pytest.approx(smoothed, rel=1e-6)
    assert learner._step.fallback is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("build", [train.build, reference.build], ids=["npnet", "torch"])
@pytest.mark.parametrize("scheduler", ["none", "cosine", "onecycle", "warmup_cosine"])
@pytest.mark.parametrize("on", ["all", "weights"])
def test_biases_have_a_learning_rate_of_their_own(
    small: Config, scheduler: str, on: str, build: Any
) -> None:
    learner, data = learner_of(
        small, build, model="resnet20", scheduler=scheduler, bias_lr_factor=8.0,
        weight_decay=1e-3, weight_decay_on=on,
    )  # fmt: skip
    biases = {id(p) for n, p in learner.model.named_parameters() if n.endswith("bias")}
    seen: set[int] = set()
    for group in learner.optimizer.param_groups:
        of_biases = {id(p) for p in group["params"]} <= biases
        assert group["lr"] == pytest.approx(learner.learning_rate * (8 if of_biases else 1))
        seen |= {id(p) for p in group["params"]} if of_biases else set()
    assert seen == biases
    before = learner.learning_rate
    for x, y in data.batches(data.train, 96):
        learner.train_step(x, y)
    learner.end_epoch(1.0)
    assert (learner.learning_rate == before) == (scheduler == "none")


@pytest.mark.parametrize("build", [train.build, reference.build], ids=["npnet", "torch"])
def test_batch_norm_may_follow_faster(small: Config, build: Any) -> None:
    learner, _ = learner_of(small, build, model="resnet20", batch_norm_momentum=0.4, ema=0.9)
    for model in (learner.model, learner.evaluated):
        norms = [m for m in model.modules() if type(m).__name__ == "BatchNorm2d"]
        assert {m.momentum for m in norms} == {0.4}
        assert norms
    with pytest.raises(ConfigError, match="lenet5 has no batch norm with running statistics"):
        learner_of(small, build, model="lenet5", batch_norm_momentum=0.4)
    with pytest.raises(ConfigError, match="batch_norm: lenet5 has no batch norm"):
        learner_of(small, build, model="lenet5", batch_norm="shard")


@pytest.mark.parametrize("build", [train.build, reference.build], ids=["npnet", "torch"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "nadam", "rmsprop"])
def test_decay_can_spare_biases_and_batch_norm(small: Config, optimizer: str, build: Any) -> None:
    settings = {"model": "resnet20", "optimizer": optimizer, "weight_decay": 0.5}
    after = {}
    for on in ("all", "weights"):
        learner, _ = learner_of(small, build, weight_decay_on=on, **settings)
        spared = {n for n, p in learner.model.named_parameters() if p.ndim < 2}
        for p in learner.model.parameters():
            p.grad = learner.lib.zeros(tuple(p.shape))
        before = {n: p.detach().numpy().copy() for n, p in learner.model.named_parameters()}
        learner.optimizer.step()
        after[on] = {
            n
            for n, p in learner.model.named_parameters()
            if not np.array_equal(p.detach().numpy(), before[n])
        }
    weights = set(before) - spared
    assert after["weights"] == weights
    assert after["all"] > weights
    assert spared
