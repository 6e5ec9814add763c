"""`npnet import`: what PyTorch saves, in all its forms, as a checkpoint; else one line."""

from __future__ import annotations

import argparse
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

import npnet
from npnet import cli, models
from npnet.models.foreign import find_weights, recognised
from npnet.nn import Module
from npnet.serialization.pytorch import pytorch_object
from reference import models as reference

Net = torch.nn.Module


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return reference.create("lenet5", in_channels=1, num_classes=10).eval()


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def imported(*argv: str) -> Module:
    """What `npnet import` makes of file.pth."""
    assert cli.main(["import", "file.pth", "--output", "out.safetensors", *argv]) == 0
    return models.from_checkpoint("out.safetensors")


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one line of a refusal."""
    before = sorted(Path().iterdir())
    assert cli.main(["import", *argv]) == 2
    error = capsys.readouterr().err
    assert error.startswith("npnet import: error: ")
    assert error.count("\n") == 1
    assert sorted(Path().iterdir()) == before
    return error


def check_same(ours: Module, theirs: Net, shape: tuple[int, ...] = (2, 1, 32, 32)) -> None:
    x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    with torch.no_grad(), npnet.no_grad():
        y, y_ref = ours(npnet.from_numpy(x)).numpy(), theirs(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(y, y_ref, rtol=1e-5, atol=1e-6)


def lightning(net: Net) -> Any:
    state = {f"model.{name}": value for name, value in net.state_dict().items()}
    return {"epoch": 4, "state_dict": {**state, "loss.weight": torch.ones(10)}, "loops": {}}


def with_optimizer(net: Net) -> Any:
    rule = torch.optim.Adam(net.parameters())
    net(torch.zeros(1, 1, 32, 32)).sum().backward()
    rule.step()
    return {"optimizer": rule.state_dict(), "epoch": 7, "net": net.state_dict(), "best": 0.5}


def shared(net: Net) -> Any:
    state = {name: value.clone() for name, value in net.state_dict().items()}
    buffer = torch.zeros(2, 84)
    buffer[1] = state["fc1.bias"]
    return {**state, "fc1.bias": buffer[1], "fc2.weight": state["fc2.weight"].t().contiguous().t()}


FORMS: dict[str, Callable[[Net], Any]] = {
    "a state": lambda net: net.state_dict(),
    "beside an optimizer": with_optimizer,
    "of a trainer": lightning,
    "in DataParallel": lambda net: {"model": torch.nn.DataParallel(net).state_dict()},
    "compiled": lambda net: {f"_orig_mod.{k}": v for k, v in net.state_dict().items()},
    "in two wrappers": lambda net: {
        f"module._orig_mod.{k}": v for k, v in net.state_dict().items()
    },
    "with objects beside it": lambda net: {
        "args": argparse.Namespace(lr=0.1, seen={1, 2}),
        "when": np.float64(3),
        "model_state_dict": net.state_dict(),
    },
    "a whole module": lambda net: net,
    "a module in a dict": lambda net: {"model": net, "epoch": 2},
    "a module in DataParallel": lambda net: torch.nn.DataParallel(net),
    "on shared memory": shared,
    "in a list": lambda net: [3, net.state_dict()],
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_every_form(form: str, zipped: bool, net: Net) -> None:
    torch.save(FORMS[form](net), "file.pth", _use_new_zipfile_serialization=zipped)
    model = imported("--model", "lenet5", "--dataset", "mnist")
    check_same(model, net)
    assert model.classes == tuple("0123456789")
    assert (model.checkpoint.image_shape, model.preprocess.mean) == ((1, 32, 32), (0.1307,))


def test_what_is_said(net: Net, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(lightning(net), "file.pth")
    model = imported("--model", "lenet5", "--mean", "0", "--std", "1")
    assert model.checkpoint.epoch == 4
    said = capsys.readouterr().out
    assert "a lenet5 (in_channels 1, num_classes 10), 10 tensors" in said
    assert "found at state_dict" in said
    assert "without the prefix model." in said
    assert "left out: loss.weight" in said
    assert cli.main(["import", "file.pth", "--model", "lenet5", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["output"] == "file.safetensors"
    assert (answer["key"], answer["prefix"]) == ("state_dict", "model.")
    assert answer["parameters"] == 61_706
    assert answer["facts"] is None


@pytest.mark.parametrize("name", ["lenet4", "lenet_fc", "convnet", "resnet20", "mlp"])
def test_network_is_known_by_its_shapes(name: str) -> None:
    channels = models.MODELS[name].in_channels
    theirs = reference.create(name, in_channels=channels, num_classes=7)
    torch.save(theirs.state_dict(), "file.pth")
    ours = imported("--mean", "0.5", "--std", "0.25")
    assert ours.checkpoint.model == name
    assert len(ours.classes) == 7
    for key, value in theirs.state_dict().items():
        np.testing.assert_array_equal(ours.state_dict()[key].numpy(), value.numpy())


def test_order_of_names_does_not_matter(net: Net) -> None:
    safetensors.torch.save_file(dict(sorted(net.state_dict().items())), "file.pth")
    check_same(imported("--model", "lenet5", "--dataset", "mnist"), net)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_dtypes_become_the_networks(dtype: str, net: Net) -> None:
    torch.save({k: v.to(getattr(torch, dtype)) for k, v in net.state_dict().items()}, "file.pth")
    model = imported("--model", "lenet5", "--dataset", "mnist")
    assert {p.dtype.name for p in model.parameters()} == {"float32"}
    check_same(model, net.to(getattr(torch, dtype)).float())


def test_batch_norm_without_its_count() -> None:
    theirs = reference.create("convnet", in_channels=1, num_classes=10)
    state = {k: v for k, v in theirs.state_dict().items() if "num_batches" not in k}
    torch.save(state, "file.pth")
    check_same(imported("--dataset", "fashion-mnist"), theirs.eval(), (2, 1, 28, 28))


def test_networks_of_torchvision_come_as_weights(capsys: pytest.CaptureFixture[str]) -> None:
    state = {k: v.array for k, v in models.get_model("squeezenet1_1").state_dict().items()}
    torch.save({k: torch.from_numpy(v) for k, v in state.items()}, "file.pth")
    assert cli.main(["import", "file.pth", "--model", "squeezenet1_1"]) == 0
    assert "weights alone" in capsys.readouterr().out
    loaded = npnet.load("file.safetensors")
    assert all((loaded[k].numpy() == v).all() for k, v in state.items())
    refused(capsys, "file.pth", "--model", "squeezenet1_1", "--dataset", "imagenet", "--overwrite")


def test_files_of_npnet_keep_their_facts(net: Net) -> None:
    torch.save(net.state_dict(), "file.pth")
    first = imported("--model", "lenet5", "--dataset", "mnist", "--classes", *"abcdefghij")
    for name in ("copy.pth", "copy.safetensors"):
        assert cli.main(["export", "out.safetensors", "--output", name]) == 0
        assert cli.main(["import", name, "--output", f"{name}.back"]) == 0
        assert Path(f"{name}.back").read_bytes() == Path("out.safetensors").read_bytes()
        assert models.from_checkpoint(f"{name}.back").classes == first.classes


# ---- what is refused -----------------------------------------------------------------------------


def test_wrong_network_lists_the_keys(net: Net, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"net": net.state_dict()}, "file.pth")
    error = refused(capsys, "file.pth", "--model", "lenet4")
    assert "file.pth at net are not of a lenet4: 2 unexpected: conv3.weight, conv3.bias" in error
    assert "2 of another shape: conv2.weight is (16, 6, 5, 5), not (120, 6, 5, 5)" in error
    assert "they are of a lenet5 or lenet" in error
    error = refused(capsys, "file.pth", "--model", "resnet20")
    assert "missing: conv1.weight" in error or "missing: bn1.weight" in error
    assert "and " in error
    assert " more" in error


WRONG_USE = {
    "ambiguous": ([], "lenet5 or lenet; say of which by --model"),
    "an unknown network": (["--model", "lent5"], "did you mean 'lenet5'"),
    "an unknown key": (["--model", "lenet5", "--key", "ema"], "there are some at the top"),
    "half of the statistics": (["--model", "lenet5", "--mean", "0"], "--mean and --std together"),
    "too many": (["--model", "lenet5", "--mean", "0", "0"], "takes 1 number, one for each channel"),
    "colours": (["--model", "lenet5", "--dataset", "cifar10"], "cifar10 has 3 channels"),
    "too few classes": (
        ["--model", "lenet5", "--dataset", "mnist", "--classes", "a"],
        "tells 10 apart, got 1 names",
    ),
    "no spread": (
        ["--model", "lenet5", "--mean", "0", "--std", "0"],
        "std must be numbers above 0",
    ),
    "a size that it has not": (
        ["--model", "lenet5", "--dataset", "mnist", "--image_size", "28"],
        "a lenet5 takes 32 pixels, not 28",
    ),
    "an unknown data set": (["--model", "lenet5", "--dataset", "minst"], "did you mean 'mnist'"),
    "into nowhere": (["--output", "nowhere/x.safetensors"], "there is no folder nowhere"),
    "onto a folder": (["--output", "."], ". is a folder"),
    "onto itself": (["--output", "file.pth"], "is there already; choose another --output"),
}


@pytest.mark.parametrize("case", WRONG_USE)
def test_wrong_use(case: str, net: Net, capsys: pytest.CaptureFixture[str]) -> None:
    argv, message = WRONG_USE[case]
    torch.save(net.state_dict(), "file.pth")
    assert message in refused(capsys, "file.pth", *argv)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda w: w.to(torch.float8_e4m3fn), "float8_e4m3fn"),
        (lambda w: w.to(torch.complex64), "complex64"),
        (lambda w: w.to(torch.uint16), "uint16"),
        (lambda w: w.to_sparse(), "a sparse layout"),
        (lambda w: w.to("meta"), "the device meta"),
        (lambda w: torch.nn.Parameter(w.to(torch.complex128)), "complex128"),
    ],
    ids=["float8", "complex", "uint16", "sparse", "meta", "parameter"],
)
def test_tensors_of_other_kinds(
    make: Callable[[torch.Tensor], torch.Tensor],
    kind: str,
    net: Net,
    capsys: pytest.CaptureFixture[str],
) -> None:
    torch.save({"net": {name: make(w) for name, w in net.state_dict().items()}}, "file.pth")
    error = refused(capsys, "file.pth", "--output", "out.safetensors")
    assert f"net.conv1.weight and 9 more are of {kind}" in error


@pytest.mark.parametrize(
    ("wrap", "name"), [(lambda net: net, "conv1.weight"), (lambda net: [net], "0.conv1.weight")]
)
def test_tensors_of_other_kinds_in_a_module(
    wrap: Callable[[Net], Any], name: str, net: Net, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(wrap(net.to(torch.float8_e4m3fn)), "file.pth")
    assert f"{name} and 9 more are of float8_e4m3fn" in refused(capsys, "file.pth")


def test_optimizer_alone(net: Net, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"optimizer": with_optimizer(net)["optimizer"]}, "file.pth")
    assert "no weights by name, but a dict with the keys optimizer" in refused(capsys, "file.pth")
    torch.save(with_optimizer(net)["optimizer"], "file.pth")
    assert "keys state, param_groups" in refused(capsys, "file.pth")


def test_weights_that_diverged(net: Net, capsys: pytest.CaptureFixture[str]) -> None:
    state = net.state_dict()
    state["fc2.bias"][3] = float("nan")
    torch.save(state, "file.pth")
    assert "NaN, or infinite in float32: fc2.bias" in refused(
        capsys, "file.pth", "--model", "lenet5"
    )
    state["fc2.bias"] = torch.full((10,), 1e300, dtype=torch.float64)
    torch.save(state, "file.pth")
    refused(capsys, "file.pth", "--model", "lenet5")
    state["fc2.bias"] = torch.ones(10, dtype=torch.int64)
    torch.save(state, "file.pth")
    assert "1 of another kind: fc2.bias is int64" in refused(
        capsys, "file.pth", "--model", "lenet5"
    )


class Touch:
    """Pickled, it makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("what", ["a pickle", "cut", "empty", "a picture", "a folder", "nowhere"])
def test_files_that_are_none(what: str, net: Net, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("file.pth")
    torch.save(net.state_dict(), path)
    if what == "a folder":
        path.unlink()
        path.mkdir()
    elif what == "nowhere":
        path.unlink()
    else:
        hostile = pickle.dumps({"x": Touch(Path("run"))}, 2)
        content = {"a pickle": hostile, "empty": b"", "a picture": b"\x89PNG\r\n\x1a\n"}
        path.write_bytes(content.get(what, path.read_bytes()[:100_000]))
    refused(capsys, "file.pth", "--model", "lenet5")


def test_hostile_objects_beside_weights_do_nothing(net: Net, tmp_path: Path) -> None:
    torch.save({"net": net.state_dict(), "x": Touch(tmp_path / "run")}, "file.pth")
    check_same(imported("--model", "lenet5", "--dataset", "mnist"), net)
    assert not (tmp_path / "run").exists()
    torch.load("file.pth", weights_only=False)
    assert (tmp_path / "run").exists()  # it would have


def test_archive_that_would_fill_the_memory(net: Net, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(net.state_dict(), "good.pth")
    with (
        zipfile.ZipFile("good.pth") as good,
        zipfile.ZipFile("file.pth", "w", zipfile.ZIP_DEFLATED) as bad,
    ):
        for name in good.namelist():
            content = bytes(50_000_000) if name.endswith("data/0") else good.read(name)
            bad.writestr(name, content)
    assert Path("file.pth").stat().st_size < 1_000_000
    assert "has 50000000 bytes, where 1200 are the most" in refused(capsys, "file.pth")


@pytest.mark.campaign
def test_campaign_of_damaged_files(net: Net) -> None:
    from tests.campaign import trials

    torch.save({"net": net, "epoch": 3}, "file.pth")
    good, rng = Path("file.pth").read_bytes(), np.random.default_rng(3)
    start = good.index(b"data.pkl")
    for _ in range(trials(150, 20_000)):
        data = bytearray(good)
        for at in rng.integers(start, start + 6000, rng.integers(1, 4)):
            data[at] = rng.integers(256)
        try:
            for found in find_weights(pytorch_object(bytes(data), inert=True)):
                recognised(found)
        except ValueError:
            pass


# ---- a network of one's own ----------------------------------------------------------------------

OWN = """
from {lib} import nn

class Net(nn.Module):
    def __init__(self, width=4, num_classes=10):
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes)
        )

    def forward(self, x):
        return self.head(self.conv(x).relu())
"""


@pytest.fixture
def theirs() -> Net:
    Path("net.py").write_text(OWN.format(lib="npnet"))
    namespace: dict[str, Any] = {}
    exec(OWN.format(lib="torch"), namespace)
    net: Net = namespace["Net"](8, 5)
    torch.save({"net": net.state_dict()}, "file.pth")
    return net


def test_network_of_ones_own(theirs: Net, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["import", "file.pth", "--model", "net.py:Net", "--model_args", "width=8"]
    assert cli.main([*argv, "--mean", "0", "--std", "1", "--image_size", "28"]) == 0
    assert "PICTURE --model net.py:Net" in capsys.readouterr().out
    namespace: dict[str, Any] = {}
    exec(OWN.format(lib="npnet"), namespace)
    ours = models.from_checkpoint("file.safetensors", namespace["Net"])
    check_same(ours, theirs, (2, 1, 28, 28))
    assert ours.classes == ("0", "1", "2", "3", "4")
    assert cli.main(["summary", "file.safetensors"]) == 2
    assert "npnet summary net.py:Net" in capsys.readouterr().err
    summary = ["summary", "net.py:Net", "--model_args", "width=8", "--input_size", "1", "28", "28"]
    assert cli.main(summary) == 0
    assert "Net on 1 x 28 x 28: 170 parameters" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--model", "net.py:Net"], "3 of another shape: conv.weight is (8, 1, 3, 3)"),
        (["--model", "net.py:Nte"], "there is no Nte in net.py; it has Net"),
        (["--model", "nte.py:Net"], "did you mean"),
        (["--model", "net.py:Net", "--model_args", "depth=3"], "depth"),
        (["--model_args", "width=8"], "are for a network of your own"),
        (
            ["--model", "net.py:Net", "--model_args", "width=8", "--mean", "0", "--std", "1"],
            "image_size: say how large the images are",
        ),
    ],
)
def test_wrong_use_with_ones_own(
    argv: list[str], message: str, theirs: Net, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["import", "file.pth", *argv]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("file.safetensors").exists()
