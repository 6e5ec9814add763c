"""`npnet explain`: one op, all ops, as JSON, and wrong use."""

from __future__ import annotations

import json
import sys

import pytest

import npnet
from npnet import cli
from npnet.explain.catalogue import OPS, op_named


def shown(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> str:
    assert cli.main(["explain", *argv]) == code
    return capsys.readouterr().out


def test_an_op(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "linear")
    for part in (
        "y = x @ weight^T + bias.",
        "gweight = gy^T @ x",
        "Code: npnet/ops/linear.py:",
        "class Linear(Function):",
        "y = F.linear(x, weight, bias)",
        "by the chain rule",
        "Gradients and finite differences agree",
        "Rumelhart",
    ):
        assert part in text, part
    assert "def add_up" not in text
    assert "def add_up" in shown(capsys, "linear", "--helpers")
    assert "class Linear" not in shown(capsys, "linear", "--no_code")


def test_a_layer_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Ioffe and Szegedy (2015)" in shown(capsys, "BatchNorm2d")


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(shown(capsys).split())
    assert "a course begins with: linear, conv2d" in text
    assert f"explains one of {len(OPS)}" in text
    groups = json.loads(shown(capsys, "--json"))
    assert {op for ops in groups.values() for op in ops} == set(OPS)


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    answer = json.loads(shown(capsys, "softmax", "--json"))
    assert answer["example"]["agrees"]
    assert answer["backward"] == {"Softmax": "gx = y * (gy - sum(gy * y))."}
    assert len(answer["steps"]) >= 3
    assert len(answer["example"]["gradients"]["x"]) == 2
    assert "def backward" in answer["code"][0]["text"]


def test_a_wrong_op_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npnet.ops.activation.Tanh, "backward", lambda self, gy: (gy,))
    assert cli.main(["explain", "tanh"]) == 1
    out, error = capsys.readouterr()
    assert "DISAGREE" in out
    assert (
        error == "npnet explain: error: tanh: its gradients are not what finite differences give\n"
    )


def test_without_pytorch(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # its import is an error
    assert "agree" in shown(capsys, "conv2d")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["cnov2d"], "there is no op cnov2d; did you mean conv2d? (npnet explain lists all)"),
        (["one_hot"], "one_hot has no derivative"),
        (["npnet.floor"], "floor has no derivative: it is constant but for its jumps"),
        (["linalg.matrix_rank"], "matrix_rank has no derivative: its result is whole numbers"),
        (["relu", "tanh"], "Unrecognized options: tanh"),
        (["zzz"], "there is no op zzz; (npnet explain lists all)"),
    ],
)
def test_wrong_use(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", *argv]) == 2
    out, error = capsys.readouterr()
    assert not out
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "op"),
    [
        ("torch.nn.functional.conv2d", "conv2d"),
        ("nn.LazyConv2d", "conv2d"),
        ("F.relu_", "relu"),
        ("maxpool", "max_pool2d"),
        ("nn.LSTMCell", "lstm"),
        ("ZeroPad2d", "pad"),
        ("mm", "matmul"),
        ("@", "matmul"),
        ("-", "sub"),
        ("__add__", "add"),
        ("view", "reshape"),
    ],
)
def test_names_that_people_type(name: str, op: str) -> None:
    assert op_named(name) == op


@pytest.mark.parametrize("name", ["adam", "optim.Adam", "torch.optim.Adam"])
def test_an_optimizer_is_told_to_be_none(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", name]) == 2
    assert "Adam is an optimizer and no op: help(npnet.optim.Adam)" in capsys.readouterr().err
