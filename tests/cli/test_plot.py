"""`npnet plot` on runs that were made, and on folders that are none."""

from __future__ import annotations

import json
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from npnet.cli.plot import KINDS, main
from npnet.fit_function import build
from npnet.fitting import run as fitting
from npnet.fitting.config import FitConfig
from npnet.training.config import Config
from tests.pictures import is_picture
from tests.runs import run_npnet, stripes

__all__ = ["stripes"]

Said = tuple[int, str, str]
Plot = Callable[..., Said]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def made(stripes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that was told everything, and one that was not, of another criterion."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, criterion, told in (("first", "cross_entropy", True), ("second", "mse", False)):
            run_npnet(
                Config(
                    model="lenet4",
                    dataset=str(stripes),
                    criterion=criterion,
                    epochs=2,
                    batch_size=32,
                    learning_rate=0.01,
                    checkpoint_dir=f"checkpoint of {name}",
                    log_dir=f"runs/{name}",
                    log_images=told,
                )
            )
    return folder


@pytest.fixture
def runs(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of them, which is the current folder."""
    folder = tmp_path / "copy"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def plot(capsys: pytest.CaptureFixture[str]) -> Plot:
    """The command: exit code, standard output, and errors."""

    def run(*words: str) -> Said:
        capsys.readouterr()  # what runs have said before
        code = main(words)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def refused(said: Said) -> str:
    """The one line of an error of wrong use."""
    code, out, err = said
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    return err


@pytest.mark.pictures
@pytest.mark.parametrize("style", ["light", "dark"])
def test_all_that_there_is_of_a_run(runs: Path, plot: Plot, style: str) -> None:
    code, out, err = plot("runs/first", "--style", style)
    assert (code, err) == (0, "")
    assert out.splitlines() == [f"runs/first/plots/{kind}.png" for kind in KINDS]
    assert all(is_picture(Path(line).read_bytes()) for line in out.splitlines())


@pytest.mark.pictures
def test_what_there_is_not_is_told(runs: Path, plot: Plot) -> None:
    code, out, err = plot("runs/second", "--output", "pictures")
    assert (code, err) == (0, "")
    *paths, last = out.splitlines()
    assert paths == [f"pictures/{kind}.png" for kind in KINDS if kind != "histograms"]
    assert last == (
        "no histograms: runs/second: no histograms were recorded; train with --log_images"
    )
    assert "train with --log_images" in refused(plot("runs/second", "--kind", "histograms"))


@pytest.mark.pictures
def test_several_runs_in_one_picture(runs: Path, plot: Plot) -> None:
    words = ("runs/first", "runs/second", "--kind", "curves", "confusion", "--format", "svg")
    code, out, _ = plot(*words, "--json")
    assert code == 0
    answer = json.loads(out)
    assert answer == {
        "pictures": [
            {"kind": "curves", "runs": ["first", "second"], "path": "plots/curves.svg"},
            {"kind": "confusion", "runs": ["first"], "path": "plots/confusion-first.svg"},
            {"kind": "confusion", "runs": ["second"], "path": "plots/confusion-second.svg"},
        ],
        "left_out": [],
    }
    tree = ET.parse("plots/curves.svg")
    text = ["".join(node.itertext()) for node in tree.iter(f"{SVG}text")]
    assert {"first", "second", "validation", "training", "lenet4 on stripes.npz"} < {*text}
    # Losses of two criteria, which have axes of their own.
    assert {"loss: cross-entropy", "loss: mean squared error", "accuracy (%)"} < {*text}


@pytest.mark.pictures
def test_a_run_of_one_epoch_and_one_that_goes_on(runs: Path, plot: Plot) -> None:
    path = Path("runs/first/metrics.csv")
    path.write_text("\n".join(path.read_text().splitlines()[:2]))
    Path("runs/first/result.json").unlink()
    code, out, _ = plot("runs/first")
    assert code == 0
    left = [line.split(":")[0] for line in out.splitlines() if line.startswith("no ")]
    assert left == ["no confusion", "no errors"]
    assert "the run is not finished" in out


def test_errors_are_those_of_the_result(runs: Path, plot: Plot) -> None:
    from npnet.comparison.recorded import find

    (run,) = find(["runs/first"])
    listed = json.loads(Path("runs/first/result.json").read_text())["worst_errors"]
    assert [vars(mistake) for mistake in run.mistakes] == listed
    with np.load(run.setting("dataset")) as data:
        images = data["x_test"]
    for picture, mistake in zip(run.pictures([m.index for m in run.mistakes]), listed, strict=True):
        np.testing.assert_array_equal(picture[0], images[mistake["index"]])


def test_a_folder_of_checkpoints_leads_to_its_run(runs: Path, plot: Plot) -> None:
    code, out, _ = plot("checkpoint of first", "--kind", "curves", "filters")
    assert (code, out) == (0, "runs/first/plots/curves.png\nruns/first/plots/filters.png\n")


def test_a_later_run_s_network_is_not_taken(runs: Path, plot: Plot) -> None:
    shutil.rmtree("checkpoint of first")
    shutil.copytree("checkpoint of second", "checkpoint of first")
    said = refused(plot("runs/first", "--kind", "filters"))
    assert "the network in checkpoint of first is of a later run" in said
    assert "--checkpoint" in said
    code, out, _ = plot("runs/first", "--kind", "filters", "--checkpoint", "checkpoint of second")
    assert (code, out) == (0, "runs/first/plots/filters.png\n")
    shutil.rmtree("checkpoint of first")
    assert "is not in checkpoint of first any more" in refused(
        plot("runs/first", "--kind", "saliency")
    )
    assert not Path("runs/second/plots").exists()


def test_images_by_their_number(runs: Path, plot: Plot) -> None:
    assert plot("runs/first", "--kind", "features", "saliency", "--index", "59", "0")[0] == 0
    said = refused(plot("runs/first", "--kind", "features", "--index", "60"))
    assert "index: must be one of 60 test images, 0 to 59, got 60" in said
    many = refused(plot("runs/first", "--kind", "saliency", "--index", *map(str, range(11))))
    assert "at most 10 images, got 11" in many


def test_a_fitted_function_has_curves(tmp_path: Path, plot: Plot) -> None:
    folder = str(tmp_path / "fit")
    fitting.run(FitConfig(epochs=3, log_dir=folder), build)
    code, out, _ = plot(folder)
    assert code == 0
    assert out.splitlines()[0] == f"{folder}/plots/curves.png"
    assert "no confusion: " in out
    assert "fitted a function" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Missing RUN"),
        (["nowhere"], "nowhere is no folder of a run's logs: it is no folder"),
        (["."], r"\. is no folder of a run's logs: it has no metrics.csv"),
        (["runs/first/log.txt"], "is no folder of a run's logs: it is no folder"),
        (["runs/first", "./runs/first"], "a run is named twice"),
        (["runs/first", "--kind", "curve"], "did you mean 'curves'"),
        (["runs/first", "--kind"], "kind: name one of curves, confusion"),
        (["runs/first", "--format", "jpg"], "format must be one of png, svg; got 'jpg'"),
        (["runs/first", "--style", "drak"], "did you mean 'dark'"),
        (["runs/first", "--index", "x"], "must be a whole number, got 'x'"),
        (["runs/first", "--kind", "saliency", "--index", "-1"], "0 to 59, got -1"),
        (["runs/first", "runs/second", "--checkpoint", "x"], "of one run; name a single RUN"),
        (["runs/first", "--kind", "filters", "--checkpoint", "x"], "there is no such file"),
        (["runs/first", "--output", "runs/first/log.txt/x"], "can't make the folder"),
        (["runs/first", "--kinds", "errors"], "did you mean --kind"),
        (["runs/first", "--kind", "filters", "--model", "x.py:Net"], "x.py"),
    ],
)
def test_wrong_use_is_one_line(runs: Path, plot: Plot, words: list[str], said: str) -> None:
    assert re.search(said, refused(plot(*words)))
    assert not Path("plots").exists()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("metrics.csv", "", "metrics.csv is damaged|no finished epoch"),
        ("metrics.csv", "epoch,learning_rate\n", "metrics.csv is damaged"),
        ("result.json", "{", "result.json is damaged"),
        ("result.json", "[]", "result.json is damaged"),
    ],
)
def test_damaged_files_are_named(runs: Path, plot: Plot, name: str, text: str, said: str) -> None:
    Path("runs/first", name).write_text(text)
    kind = "curves" if name == "metrics.csv" else "confusion"
    assert re.search(said, refused(plot("runs/first", "--kind", kind)))


def test_lists_in_a_result_may_be_wrong(runs: Path, plot: Plot) -> None:
    path = Path("runs/first/result.json")
    result = json.loads(path.read_text())
    for wrong in ([{}], [1], [{"index": None}], 7):
        path.write_text(json.dumps(result | {"worst_errors": wrong}))
        assert "worst_errors" in refused(plot("runs/first", "--kind", "errors"))


def test_a_network_of_ones_own_is_named_again(
    stripes: Path, tmp_path: Path, plot: Plot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "import npnet\n"
        "class Net(npnet.nn.Module):\n"
        "    def __init__(self, num_classes=4):\n"
        "        super().__init__()\n"
        "        self.conv = npnet.nn.Conv2d(1, 3, 3)\n"
        "        self.fc = npnet.nn.Linear(300, num_classes)\n"
        "    def forward(self, x):\n"
        "        return self.fc(npnet.relu(self.conv(x)).flatten(1))\n"
    )
    run_npnet(
        Config(
            model="mine.py:Net", dataset=str(stripes), epochs=1, batch_size=32, log_images=True,
            checkpoint_dir="checkpoint", log_dir="log",
        )
    )  # fmt: skip
    assert "--model mine.py:Net" in refused(plot("log", "--kind", "filters"))
    code, out, _ = plot("log", "--model", "mine.py:Net")
    assert code == 0
    assert out.splitlines() == [f"log/plots/{kind}.png" for kind in KINDS]
