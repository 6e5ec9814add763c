"""Schedules with wrong arguments."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import npnet
from npnet import optim
from npnet.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)
from tests.optim.test_schedule_state import sgd

NAN = float("nan")
WRONG: list[tuple[str, Callable[[optim.Optimizer], object]]] = [
    ("StepLR: step_size must be an integer >= 1, got 0", lambda o: StepLR(o, 0)),
    ("StepLR: gamma must be >= 0, got nan", lambda o: StepLR(o, 1, NAN)),
    ("MultiStepLR: milestones must be >= 0, got -1", lambda o: MultiStepLR(o, [3, -1])),
    ("ExponentialLR: gamma must be >= 0, got -0.5", lambda o: ExponentialLR(o, -0.5)),
    ("ConstantLR: factor must be >= 0 and <= 1, got 2", lambda o: ConstantLR(o, 2)),
    ("ConstantLR: total_iters must be an integer >= 1, got 0", lambda o: ConstantLR(o, 0.1, 0)),
    ("LinearLR: start_factor must be > 0 and <= 1, got 0", lambda o: LinearLR(o, 0)),
    ("LinearLR: end_factor must be >= 0 and <= 1, got 1.5", lambda o: LinearLR(o, 1, 1.5)),
    ("LinearLR: total_iters must be an integer >= 1, got 2.5", lambda o: LinearLR(o, 1, 1, 2.5)),  # type: ignore[arg-type]
    ("PolynomialLR: total_iters must be an integer >= 1", lambda o: PolynomialLR(o, 0)),
    ("PolynomialLR: power must be >= 0, got -1", lambda o: PolynomialLR(o, 5, -1)),
    ("CosineAnnealingLR: T_max must be > 0, got 0", lambda o: CosineAnnealingLR(o, 0)),
    (
        "CosineAnnealingLR: eta_min must be >= 0 and finite, got inf",
        lambda o: CosineAnnealingLR(o, 1, math.inf),
    ),
    ("WarmRestarts: T_0 must be an integer", lambda o: CosineAnnealingWarmRestarts(o, 1.5)),  # type: ignore[arg-type]
    ("WarmRestarts: T_mult must be an int", lambda o: CosineAnnealingWarmRestarts(o, 1, 0)),
    ("Restarts: epoch must be >= 0", lambda o: CosineAnnealingWarmRestarts(o, 1).step(-1)),
    ("StepLR: epoch must be an integer >= 0, got -1", lambda o: StepLR(o, 1).step(-1)),
    ("StepLR: epoch must be an integer >= 0, got 0.5", lambda o: StepLR(o, 1).step(0.5)),  # type: ignore[arg-type]
    ("one for each of the 2 groups, got 1", lambda o: LambdaLR(o, [lambda e: 1])),
    ("OneCycleLR: give total_steps, or epochs and", lambda o: OneCycleLR(o, 1, epochs=3)),
    ("OneCycleLR: total_steps must be an integer >= 1", lambda o: OneCycleLR(o, 1, 0)),
    ("OneCycleLR: epochs must be an integer", lambda o: OneCycleLR(o, 1, None, 0, 1)),
    ("OneCycleLR: steps_per_epoch must be an int", lambda o: OneCycleLR(o, 1, None, 1, 0)),
    ("OneCycleLR: pct_start must be >= 0 and <= 1", lambda o: OneCycleLR(o, 1, 9, pct_start=2)),
    ("OneCycleLR: div_factor must be > 0", lambda o: OneCycleLR(o, 1, 9, div_factor=0)),
    ("OneCycleLR: max_lr must be >= 0, got nan", lambda o: OneCycleLR(o, NAN, 9)),
    ("max_lr must be a number or a list of 2, got 1", lambda o: OneCycleLR(o, [1], 9)),
    (
        "anneal_strategy must be one of cos, linear; got 'line'; did you mean 'linear'?",
        lambda o: OneCycleLR(o, 1, 9, anneal_strategy="line"),  # type: ignore[arg-type]
    ),
    ("Plateau: factor must be >= 0 and < 1, got 1", lambda o: ReduceLROnPlateau(o, factor=1)),
    ("Plateau: patience must be >= 0", lambda o: ReduceLROnPlateau(o, patience=-1)),
    ("Plateau: mode must be one of min, max; got 'mim'", lambda o: ReduceLROnPlateau(o, "mim")),  # type: ignore[arg-type]
    (
        "Plateau: threshold_mode must be one of rel, abs",
        lambda o: ReduceLROnPlateau(o, threshold_mode="x"),  # type: ignore[arg-type]
    ),
    ("min_lr must be a number or a list of 2", lambda o: ReduceLROnPlateau(o, min_lr=[0, 0, 0])),
    ("SequentialLR: schedulers is empty", lambda o: SequentialLR(o, [], [])),
    (
        "SequentialLR: 1 schedulers need 0 milestones, got 1",
        lambda o: SequentialLR(o, [StepLR(o, 1)], [1]),
    ),
    (
        "SequentialLR: milestones must be in order, got [4, 2]",
        lambda o: SequentialLR(o, [StepLR(o, 1) for _ in range(3)], [4, 2]),
    ),
    (
        "SequentialLR: milestones[0] must be >= 0",
        lambda o: SequentialLR(o, [StepLR(o, 1), StepLR(o, 1)], [-1]),
    ),
    (
        "schedulers[0] is a ReduceLROnPlateau, whose step needs a metric",
        lambda o: SequentialLR(o, [ReduceLROnPlateau(o)], []),
    ),
    (
        "schedulers[0] belongs to another optimizer",
        lambda o: SequentialLR(o, [StepLR(sgd(), 1)], []),
    ),
]


@pytest.mark.parametrize(("message", "build"), WRONG, ids=[message for message, _ in WRONG])
def test_wrong_arguments(message: str, build: Callable[[optim.Optimizer], object]) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        build(sgd())


def test_wrong_kinds() -> None:
    reference: Any = torch.optim.SGD([torch.ones(1, requires_grad=True)])
    for make in (
        lambda: StepLR(reference, 1),
        lambda: LambdaLR(reference, lambda e: 1),
        lambda: OneCycleLR(reference, 1, 9),
        lambda: ReduceLROnPlateau(reference),
    ):
        with pytest.raises(TypeError, match="optimizer must be an Optimizer, got SGD"):
            make()
    wrong: Any = [None]
    with pytest.raises(TypeError, match=r"schedulers\[0\] must be a schedule, got NoneType"):
        SequentialLR(sgd(), wrong, [])

    class Plain(optim.Optimizer):
        pass

    optimizer = Plain([npnet.tensor(np.ones(1), requires_grad=True)], {"lr": 0.1})
    with pytest.raises(ValueError, match="Plain has neither; pass cycle_momentum=False"):
        OneCycleLR(optimizer, 1.0, 9)
    optimizer.param_groups[0]["params"][0].grad = npnet.as_tensor(np.ones(1))
    with pytest.raises(NotImplementedError, match="Plain defines no update"):
        optimizer.step()
