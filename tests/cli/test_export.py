"""`npnet export`: files that PyTorch and the library of safetensors read, with the same outputs."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import safetensors.torch
import torch

import npnet
from npnet import cli, models
from npnet.cli.bare import usual_size
from npnet.models.checkpoint import Facts
from npnet.models.preprocess import Pixels
from npnet.serialization import to_bytes
from npnet.serialization.pytorch_writing import pytorch_bytes
from reference import models as reference

READERS: dict[str, Callable[[str], Any]] = {
    "x.pth": lambda path: torch.load(path, weights_only=True),
    "x.pt": lambda path: torch.load(path, weights_only=True, mmap=True),
    "x.safetensors": safetensors.torch.load_file,
}


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def checkpoint(name: str) -> npnet.nn.Module:
    """A network, and its checkpoint in ./best.safetensors."""
    npnet.manual_seed(1)
    model, spec = models.create(name), models.MODELS[name]
    size, c = spec.size_for(28), spec.in_channels
    facts = Facts(
        name, {"in_channels": c, "num_classes": 10}, "mine", tuple("0123456789"), (c, size, size),
        (0.5,) * c, (0.25,) * c, Pixels(), 3, 90.0,
    )  # fmt: skip
    Path("best.safetensors").write_bytes(to_bytes(model.state_dict(), facts.to_metadata()))
    return model.eval()


@pytest.mark.parametrize("file", READERS)
@pytest.mark.parametrize("name", models.MODELS)
def test_the_reference_gives_the_same(name: str, file: str) -> None:
    ours = checkpoint(name)
    assert cli.main(["export", ".", "--output", file]) == 0
    channels, size, _ = models.from_checkpoint(".").checkpoint.image_shape
    theirs = reference.create(name, in_channels=channels, num_classes=10).eval()
    state = READERS[file](file)
    assert list(state) == list(theirs.state_dict()) or file.endswith("safetensors")
    theirs.load_state_dict(state)
    for key, value in ours.state_dict().items():
        np.testing.assert_array_equal(state[key].numpy(), value.numpy())
    x = np.random.default_rng(0).standard_normal((2, channels, size, size), dtype=np.float32)
    with torch.no_grad(), npnet.no_grad():
        y, y_ref = ours(npnet.from_numpy(x)).numpy(), theirs(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(y, y_ref, rtol=1e-5, atol=1e-5 * np.abs(y_ref).max())


def test_every_dtype_and_shape_in_pytorchs_file() -> None:
    arrays = {
        f"{dtype} {shape}": np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
        for dtype in ("f8", "f4", "f2", "i8", "i4", "i2", "i1", "u1", "?", ">f4")
        for shape in ((), (0,), (1,), (300,), (2, 3), (2, 0, 3), (2, 3, 4, 5))
    }
    arrays["é\udcff"] = np.arange(6.0).reshape(2, 3).T
    data = pytorch_bytes(arrays, {})
    assert data == pytorch_bytes(arrays, {})
    Path("x.pth").write_bytes(data)
    ours = npnet.load("x.pth")
    assert list(ours) == list(arrays)
    del arrays["é\udcff"]
    Path("x.pth").write_bytes(pytorch_bytes(arrays, {}))
    theirs = torch.load("x.pth", weights_only=True)
    for name, array in arrays.items():
        native = array.astype(array.dtype.newbyteorder("="))
        np.testing.assert_array_equal(theirs[name].numpy(), native, strict=True)
        np.testing.assert_array_equal(ours[name].numpy(), array)
    with zipfile.ZipFile("x.pth") as archive:
        assert archive.testzip() is None
        for info in archive.infolist():
            begins = info.header_offset + 30 + len(info.filename) + len(info.extra)
            assert begins % 64 == 0
    with pytest.raises(TypeError, match="x: complex64 has no place in a file of PyTorch"):
        pytorch_bytes({"x": np.zeros(1, np.complex64)}, {})


def test_bfloat16() -> None:
    x = npnet.arange(5, dtype=npnet.bfloat16)
    npnet.save({"x": x}, "b.safetensors")
    assert cli.main(["export", "b.safetensors", "--format", "pth"]) == 0
    theirs = torch.load("b.pth", weights_only=True)["x"]
    assert theirs.dtype is torch.bfloat16
    assert theirs.tolist() == [0, 1, 2, 3, 4]


def test_weights_of_no_known_network() -> None:
    npnet.save({"my.layer": npnet.ones(2)}, "mine.safetensors")
    assert cli.main(["export", "mine.safetensors", "--format", "pth"]) == 0
    assert torch.load("mine.pth", weights_only=True)["my.layer"].tolist() == [1, 1]


def bare(name: str, file: str) -> npnet.nn.Module:
    """A network, and its weights alone as a file of PyTorch."""
    npnet.manual_seed(1)
    model = models.create(name) if name in models.MODELS else models.get_model(name)
    arrays = {f"module.{key}": value.array for key, value in model.state_dict().items()}
    Path(file).write_bytes(pytorch_bytes(arrays, {}))
    return model.eval()


def outputs(file: str, x: npnet.Tensor) -> Any:
    return onnxruntime.InferenceSession(file).run(None, {"x": x.numpy()})[0]


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("resnet20", []),
        ("lenet5", ["--model", "lenet5"]),
        ("resnet18", ["--input-size", "3", "40", "40"]),
        ("squeezenet1_1", ["--model", "squeezenet1_1", "--input-size", "3", "64", "64"]),
    ],
)
def test_onnx_of_weights_alone(name: str, flags: list[str]) -> None:
    model = bare(name, "w.pth")
    assert cli.main(["export", "w.pth", "--output", "w.onnx", *flags]) == 0
    shape = [int(word) for word in flags if word.isdigit()] or list(usual_size(name))
    x = npnet.randn(2, *shape)
    with npnet.no_grad():
        y = model(x).numpy()
    np.testing.assert_allclose(outputs("w.onnx", x), y, rtol=1e-4, atol=1e-5 * np.abs(y).max())


def test_onnx_of_weights_alone_of_ones_own_network() -> None:
    Path("mine.py").write_text(
        "from npnet import nn\n\n\nclass Net(nn.Module):\n"
        "    def __init__(self, width=4):\n        super().__init__()\n"
        "        self.c = nn.Conv2d(1, width, 3)\n\n"
        "    def forward(self, x):\n        return self.c(x).mean((2, 3))\n"
    )
    weights = {"c.weight": npnet.ones(8, 1, 3, 3), "c.bias": npnet.zeros(8)}
    npnet.save(weights, "mine.safetensors")
    argv = ["export", "mine.safetensors", "--output", "mine.onnx", "--model", "mine.py:Net"]
    argv += ["--model-args", "width=8"]
    assert cli.main(argv) == 2
    assert cli.main([*argv, "--input-size", "1", "6", "6"]) == 0
    np.testing.assert_allclose(outputs("mine.onnx", npnet.ones(1, 1, 6, 6)), np.full((1, 8), 9.0))


def test_a_run_may_be_called_by_its_networks_name() -> None:
    checkpoint("lenet5")
    assert cli.main(["export", ".", "--output", "x.onnx", "--model", "lenet5"]) == 0


WRONG_BARE = {
    "several": ([], "may be weights of lenet5 or lenet; say of which by --model"),
    "another": (["--model", "resnet20"], "are not of a resnet20"),
    "unknown": (["--model", "lenet6"], "did you mean"),
    "size": (["--model", "lenet5", "--input-size", "1", "3", "3"], "does not take images of 1 3 3"),
    "none": (["--model", "lenet5", "--input-size", "0"], "takes whole numbers from 1"),
    "pixels": (["--model", "lenet5", "--with-preprocessing"], "npnet import w.pth --dataset NAME"),
}


@pytest.mark.parametrize("case", WRONG_BARE)
def test_weights_alone_that_are_no_network(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    flags, message = WRONG_BARE[case]
    bare("lenet5", "w.pth")
    assert cli.main(["export", "w.pth", "--output", "w.onnx", *flags]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("w.onnx").exists()


def test_predict_says_how_weights_alone_learn_of_their_images(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bare("lenet5", "w.pth")
    assert cli.main(["predict", "w.pth", "7.png"]) == 2
    assert "npnet import FILE --dataset NAME" in capsys.readouterr().err


WRONG_USE = {
    "no format": (["best.safetensors"], "say which by --format pth, safetensors, onnx or html"),
    "another": (["best.safetensors", "--format", "ptx"], "did you mean 'pth'"),
    "two": (["best.safetensors", "--format", "pth", "--output", "x.onnx"], "leave out one"),
    "softmax": (
        ["best.safetensors", "--output", "x.pth", "--with-softmax"],
        "is for --format onnx",
    ),
    "no file": (["nowhere", "--format", "pth"], "there is no file nowhere"),
    "nothing": (["--format", "pth"], "Missing CHECKPOINT"),
    "over itself": (["best.safetensors", "--format", "safetensors"], "add --overwrite"),
    "a picture": (["picture.png", "--format", "pth"], "no safetensors file"),
    "a run's state": (["last.safetensors", "--format", "pth"], "is the state of a run"),
    "numbers": (["numbers.safetensors", "--format", "pth"], "does not hold weights by name"),
}


@pytest.mark.parametrize("case", WRONG_USE)
def test_wrong_use(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    argv, message = WRONG_USE[case]
    checkpoint("lenet5")
    Path("picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" * 9)
    npnet.save({"learner": {"weights": {"x": npnet.ones(1)}}, "progress": 1}, "last.safetensors")
    npnet.save({"epoch": 3}, "numbers.safetensors")
    before = {path: path.read_bytes() for path in Path().iterdir()}
    assert cli.main(["export", *argv]) == 2
    error = capsys.readouterr().err
    assert error.startswith("npnet export: error: ")
    assert message in error
    assert error.count("\n") == 1
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_overwrite(capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint("lenet5")
    Path("x.pth").write_text("mine")
    assert cli.main(["export", ".", "--output", "x.pth"]) == 2
    assert Path("x.pth").read_text() == "mine"
    assert cli.main(["export", ".", "--output", "x.pth", "--overwrite"]) == 0
    assert "torch.load('x.pth', weights_only=True)" in capsys.readouterr().out
