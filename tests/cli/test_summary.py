"""`npnet summary`: a network by name or by its file, as a table or as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import npnet
from npnet import cli, models


def shown(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert cli.main(["summary", *argv]) == 0
    return capsys.readouterr().out


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "lenet5")
    assert "LeNet5 on 1 x 32 x 32: 61,706 parameters, 416,520 MACs for one sample" in text
    assert "0.25 MB of weights and buffers, 0.03 MB of outputs" in text


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    answer = json.loads(shown(capsys, "resnet20", "--input_size", "3", "40", "40", "--json"))
    model = models.create("resnet20")
    assert answer["parameters"] == sum(p.numel() for p in model.parameters())
    assert answer["memory"]["weights"] == sum(v.array.nbytes for v in model.state_dict().values())
    outputs = [layer["output_shape"] for layer in answer["layers"]]
    assert outputs[0] == [16, 40, 40]
    assert answer["input_shape"] == [3, 40, 40]


def test_networks_of_torchvision(capsys: pytest.CaptureFixture[str]) -> None:
    assert "SqueezeNet on 3 x 224 x 224: 1,235,496 parameters" in shown(capsys, "squeezenet1_1")


def test_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "x.safetensors")
    npnet.save(models.create("convnet", num_classes=3).state_dict(), path)
    answer = json.loads(shown(capsys, path, "--json"))
    assert answer["network"] == "ConvNet"
    assert answer["layers"][-1]["output_shape"] == [3]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "Missing MODEL"),
        (["lent5"], "did you mean 'lenet5'"),
        (["lenet5", "--input_size", "1", "20", "20"], "does not take images of 1 20 20"),
        (["lenet5", "--input_size", "1", "0", "20"], "takes whole numbers from 1, got 0"),
        (["lenet5", "--input_size", "1"], "does not take images of 1"),
        (["lenet5", "--input_size", "1", "99999", "99999"], "more than 268435456 values"),
        (["lenet5", "resnet20"], "Unrecognized options: resnet20"),
        ([__file__], "no safetensors file"),
    ],
)
def test_wrong_use(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["summary", *argv]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
