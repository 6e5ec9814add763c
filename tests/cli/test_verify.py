"""`npnet verify`: certificates that hold, certificates that must not, and wrong use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import cli
from npnet.verify import certificate

OWN = """
import npnet
from npnet import nn
from npnet.autograd import Function


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, gy):
        (x,) = ctx.saved_tensors
        return gy * FACTOR * x * x


class Net(nn.Module):
    def __init__(self, in_channels, num_classes=10, width=2):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, width, 3)
        self.fc = nn.Linear(width * 16, num_classes)

    def forward(self, x):
        x = npnet.relu(self.conv(x))
        return self.fc(Cube.apply(x).flatten(1))
"""
SIZE = ["--input_size", "1", "6", "6"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Finite differences and PyTorch alone: a certificate in little time."""
    few = {name: certificate.PROOFS[name] for name in ("finite differences", "PyTorch")}
    monkeypatch.setattr(certificate, "PROOFS", few)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "cube_net.py"
    path.write_text(OWN.replace("FACTOR", "3"))
    return path


def answer(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> Any:
    assert cli.main(["verify", *argv, "--json"]) == code
    return json.loads(capsys.readouterr().out)


@pytest.mark.slow  # all claims, with kernels to compile
def test_a_layer_with_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "Conv2d(2, 3, 3, stride=2)")
    assert found["holds"]
    claims = {claim["name"]: claim for claim in found["claims"]}
    assert list(claims) == [
        "finite differences",
        "PyTorch",
        "ONNX",
        "ONNX's node tests",
        "kernels",
        "compiled",
        "threads",
    ]
    for claim in claims.values():
        assert claim["holds"], claim
        assert claim["cases"] > 0
        assert claim["worst"] <= claim["bound"]
        assert claim["why"]
    assert claims["finite differences"]["cases"] == 3  # input, weight, bias
    assert "ulps" in claims["PyTorch"]["note"]


@pytest.mark.usefixtures("quick")
def test_a_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert cli.main(["verify", "softmax"]) == 0
    out = capsys.readouterr().out
    assert "Softmax is right by 3 claims of " in out
    assert "finite differences" in out
    assert "bound 1e-06: of the sum of |gradient * direction|" in " ".join(out.split())


@pytest.mark.usefixtures("quick")
def test_the_same_seed_gives_the_same_certificate(capsys: pytest.CaptureFixture[str]) -> None:
    first, again, other = (
        [claim["worst"] for claim in answer(capsys, "gelu", "--seed", seed)["claims"]]
        for seed in ("3", "3", "4")
    )
    assert first == again
    assert first != other


@pytest.mark.usefixtures("quick")
def test_a_network_of_ones_own(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, f"{own}:Net", *SIZE, "--model_args", "width=3")
    assert found["holds"]
    pytorch = [claim for claim in found["claims"] if claim["name"] == "PyTorch"]
    assert [claim["holds"] for claim in pytorch] == [True, True]  # the same file with its names
    assert pytorch[0]["worst"] < 1e-12


@pytest.mark.usefixtures("quick")
def test_a_wrong_backward_of_ones_own(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own.write_text(OWN.replace("FACTOR", "2"))
    assert cli.main(["verify", f"{own}:Net", *SIZE]) == 1
    out, err = capsys.readouterr()
    assert "WRONG" in out
    assert err.count("\n") == 1
    assert "is WRONG: finite differences" in err
    assert "conv" in out.partition("finite differences: worst:")[2].splitlines()[0]


@pytest.mark.usefixtures("quick")
def test_a_forward_that_draws_by_itself(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noise = (
        "x = x + npnet.from_numpy(__import__('numpy').random.standard_normal(x.shape)).to(x.dtype)"
    )
    own.write_text(
        OWN.replace("FACTOR", "3").replace("x = npnet.relu", f"{noise}\n        x = npnet.relu")
    )
    found = answer(capsys, f"{own}:Net", *SIZE, code=1)
    assert "the same input does not give the same output" in found["claims"][0]["note"]


@pytest.mark.usefixtures("quick")
def test_an_error_of_ones_own(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own.write_text(OWN.replace("FACTOR", "(1 / 0)"))
    assert cli.main(["verify", f"{own}:Net", *SIZE]) == 1
    error = capsys.readouterr().err
    assert "cube_net.py:16: ZeroDivisionError" in error
    assert error.count("\n") == 1


@pytest.mark.usefixtures("quick")
def test_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.safetensors"
    model = npnet.models.create("lenet_fc", num_classes=3)
    npnet.save(model.state_dict(), str(path))
    found = answer(capsys, str(path))
    assert found["holds"]
    assert {claim["subject"] for claim in found["claims"]} == {str(path)}


@pytest.mark.usefixtures("quick")
def test_without_pytorch(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("npnet.verify.beside.lacking", lambda extra: ["torch"])
    found = answer(capsys, "linear")
    assert found["holds"]
    assert [claim["holds"] for claim in found["claims"]] == [True, None, None]
    assert "pip install 'npnet[torch]'" in found["claims"][1]["note"]
    assert found["verdict"].endswith("2 could not be compared")


@pytest.mark.usefixtures("quick")
def test_html(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "certificate.html"
    argv = ["verify", "Linear(3, 2)", "--html", str(path)]
    assert cli.main(argv) == 0
    text = path.read_text()
    assert "Linear(3, 2) is right by 3 claims" in text
    assert "@media print" in text
    assert "prefers-color-scheme: dark" in text
    assert "npnet verify &#39;Linear(3, 2)&#39; --html" in text
    assert "http" not in text  # it needs no other file
    before = path.read_bytes()
    assert cli.main(argv) == 2
    assert "add --overwrite" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert cli.main([*argv, "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["cnov2d"], "did you mean 'Conv2d'"),
        (["Conv2d(3, 8, 5, stride=2"], "write the arguments as literals"),
        (["Conv2d(3, 8, __import__('os').getpid())"], "write the arguments as literals"),
        (["Conv2d(3, 8, 5, bais=False)"], "it is Conv2d(in_channels: int"),
        (["Conv2d(**{'a': 1})"], "write the arguments as literals"),
        (["Sequential"], "no inputs are known of Sequential; it holds layers"),
        (["linear", "--input_size", "3"], "is for a network, and linear is a layer"),
        (["lenet5", "--model_args", "width=3"], "are for a network of your own"),
        (["lenet5", "--input_size", "1", "9", "9"], "does not take images of 1 9 9"),
        (["net.py:Net"], "say what a network of your own takes"),
        (["linear", "--seed", "-1"], "seed: must be >= 0, got -1"),
        (["linear", "--html", "no/such/folder/c.html"], "must be a file in a folder"),
        (["--input_size", "3"], "is for a network"),
    ],
)
def test_wrong_use(
    argv: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "net.py").write_text("")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["verify", *argv]) == 2
    out, error = capsys.readouterr()
    assert not out
    assert message in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["net.py"]


@pytest.mark.slow
def test_kernels_that_are_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every kernel that brings images out of lanes gives a value that is off by a tenth."""
    from npnet.lanes import layout

    right = layout.kernel.from_lanes

    def wrong(blocks: Any, n: int) -> Any:
        found = right(blocks, n)
        found.reshape(-1)[:1] *= np.float32(1.1)
        return found

    monkeypatch.setattr(layout.kernel, "from_lanes", wrong)
    found = answer(capsys, "tanh", code=1)
    wrongs = {claim["name"] for claim in found["claims"] if claim["holds"] is False}
    assert {"kernels", "compiled"} <= wrongs


@pytest.mark.slow
def test_npnet_itself(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys)
    assert found["holds"], found["verdict"]
    assert {claim["subject"].partition(":")[0] for claim in found["claims"]} == {
        "layers of a course",
        "lenet5",
    }


@pytest.mark.parametrize("name", ["none.safetensors", "folder/none", "none.py:Net", "none.pth"])
def test_a_file_that_is_not_there(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", name]) == 2
    assert f"there is no file {name.partition(':')[0]}" in capsys.readouterr().err
