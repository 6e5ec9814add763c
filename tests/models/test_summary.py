"""The summary against counts by hand, and that it leaves the model as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import npnet
from npnet import Tensor, nn
from npnet.models import MODELS, create
from npnet.models.summary import Row, summary

# Layer by layer: outputs times the weights behind each.
LENET5 = (
    Row("conv1", "Conv2d", (6, 28, 28), 6 * 25 + 6, 28 * 28 * 6 * 25),
    Row("pool1", "AvgPool2d", (6, 14, 14), 0, 0),
    Row("conv2", "Conv2d", (16, 10, 10), 16 * 6 * 25 + 16, 10 * 10 * 16 * 6 * 25),
    Row("pool2", "AvgPool2d", (16, 5, 5), 0, 0),
    Row("conv3", "Conv2d", (120, 1, 1), 120 * 16 * 25 + 120, 120 * 16 * 25),
    Row("fc1", "Linear", (84,), 84 * 120 + 84, 84 * 120),
    Row("fc2", "Linear", (10,), 10 * 84 + 10, 10 * 84),
)


class Odd(nn.Module):
    """A layer used twice, a parameter outside all layers, dropout, and one part in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(np.ones(3, np.float64))
        self.fc = nn.Linear(3, 3)
        self.drop = nn.Dropout()
        self.bn = nn.BatchNorm1d(3).eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.drop(self.fc(self.fc(x)) * self.scale))


def test_lenet5_by_hand() -> None:
    s = summary(create("lenet5"), (1, 1, 32, 32))
    assert s.rows == LENET5
    assert s.rows[0].macs == 117_600
    assert (s.network, s.input_shape, s.parameters, s.macs) == (
        "LeNet5",
        (1, 32, 32),
        61_706,
        416_520,
    )


@pytest.mark.parametrize("name", MODELS)
def test_rows_hold_all_parameters_and_follow_the_batch(name: str) -> None:
    model, spec = create(name), MODELS[name]
    size = spec.size_for(1)
    s = summary(model, (7, spec.in_channels, size, size))  # the 7 does not matter
    assert s == summary(model, (1, spec.in_channels, size, size))
    assert sum(row.parameters for row in s.rows) == s.parameters
    assert s.parameters == sum(p.numel() for p in model.parameters())
    assert s.rows[-1].output_shape == (10,)


def test_macs_of_groups_and_resnet18() -> None:
    grouped = summary(nn.Conv2d(4, 8, 3, groups=2, padding=1), (1, 4, 5, 5))
    assert grouped.macs == 5 * 5 * 8 * 2 * 9
    # Known for 1000 classes: 1,814,073,344; 990 classes fewer.
    resnet = summary(create("resnet18"), (1, 3, 224, 224))
    assert resnet.macs == 1_814_073_344 - 990 * 512


def test_the_model_stays_as_it_was() -> None:
    model = Odd().double()
    state = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    random = npnet.random.default_generator.get_state()
    s = summary(model, (1, 3))
    assert [row.name for row in s.rows] == ["fc", "fc", "drop", "bn"]
    assert [row.parameters for row in s.rows] == [
        12,
        0,
        0,
        6,
    ]  # the second time it is no new weight
    assert (s.parameters, s.macs) == (21, 18)
    assert [m.training for m in model.modules()] == [True, True, True, False]
    assert npnet.random.default_generator.get_state() == random
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), state[key], err_msg=key)
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert not any(m._forward_hooks for m in model.modules())


def test_a_failing_forward_leaves_the_model_as_it_was() -> None:
    model = create("lenet5")
    with pytest.raises(ValueError, match="LeNet wants 32x32"):
        summary(model, (1, 1, 28, 28))
    assert all(m.training and not m._forward_hooks for m in model.modules())


def test_a_layer_without_a_tensor_and_a_model_without_weights() -> None:
    class Pair(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return x, x

    s = summary(nn.Sequential(nn.ReLU(), Pair()), (1, 2))
    assert s.rows == (Row("0", "ReLU", (2,), 0, 0), Row("1", "Pair", (), 0, 0))


def test_the_table_is_aligned() -> None:
    lines = str(summary(create("lenet5"), (1, 1, 32, 32))).splitlines()
    assert lines[0] == "layer  type       output        parameters     MACs"
    assert lines[2] == "conv1  Conv2d     6 x 28 x 28          156  117,600"
    assert lines[3] == "pool1  AvgPool2d  6 x 14 x 14            -        -"
    assert lines[-1] == "LeNet5 on 1 x 32 x 32: 61,706 parameters, 416,520 MACs for one sample"
    assert len({len(line) for line in lines[:-1]}) == 1
