"""The file: what is in it, how large it is, and what is refused."""

from __future__ import annotations

import base64
import json
import re
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npnet import cli, datasets, models
from npnet.base.arrays import Array
from npnet.datasets import DataError, ImageData
from npnet.models.checkpoint import BEST
from npnet.models.preprocess import Pixels
from npnet.nn import Module
from npnet.runs.files import CONFIG, RESULT
from npnet.runs.own import load_class
from npnet.serialization import load_with_metadata, to_bytes
from npnet.web import pictures
from npnet.web.page import SCRIPTS, called
from tests.web.checkpoints import DIGITS, checkpoint
from tests.web.node import SOURCES

LARGEST = {"lenet5": 500_000, "resnet20": 1_700_000}  # bytes


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NPNET_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    opened.clear()


opened: list[str] = []


class _Tags(HTMLParser):
    """What a page would load, and its scripts by id."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: dict[str, str] = {}
        self._open: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.loads += [str(given[name]) for name in ("src", "href") if name in given]
        self._open = given.get("id") if tag == "script" else None

    def handle_data(self, data: str) -> None:
        if self._open:
            self.ids[self._open] = data

    def handle_endtag(self, tag: str) -> None:
        self._open = None


def _parsed(path: str | Path) -> tuple[str, _Tags, dict[str, Any]]:
    text, tags = Path(path).read_text("utf-8"), _Tags()
    tags.feed(text)
    return text, tags, json.loads(tags.ids["data"])


def _made(*argv: str) -> tuple[str, _Tags, dict[str, Any]]:
    assert cli.main(["explore", *argv, "--output", "page.html", "--overwrite", "--no_open"]) == 0
    return _parsed("page.html")


def _random(name: str, shape: tuple[int, ...], classes: tuple[str, ...] = DIGITS) -> ImageData:
    """A data set that can't be compressed."""
    rng = np.random.default_rng(0)
    x: Array = rng.integers(0, 256, (600, *shape), np.uint8)
    y = rng.integers(0, len(classes), 600)
    return ImageData(name, x[:10], y[:10], x, y, classes)


def _there(monkeypatch: pytest.MonkeyPatch, data: ImageData | None) -> None:
    def load(name: str, data_dir: Any = None, *, download: bool = True) -> ImageData:
        assert not download
        if data is None:
            raise DataError("not here")
        return data

    monkeypatch.setattr(datasets, "load", load)


# ---- the file ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LARGEST)
def test_it_is_one_small_file_that_needs_no_other(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = checkpoint(Path("run"), name)
    shape = (1, 28, 28) if name == "lenet5" else (3, 32, 32)
    classes = models.from_checkpoint(best).classes
    _there(monkeypatch, _random("mnist", shape, classes))
    text, tags, data = _made("run")
    assert len(text.encode()) < LARGEST[name]
    assert tags.loads == ["data:,"]  # an icon without a file
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert "import(" not in text
    assert "fetch(" not in text
    weights = np.frombuffer(base64.b64decode(tags.ids["weights-0"]), "<f4")
    state = models.from_checkpoint(best).state_dict()
    for tensor in data["networks"][0]["graph"]["tensors"]:
        count = int(np.prod(tensor["shape"]))
        found = weights[tensor["at"] : tensor["at"] + count].reshape(tensor["shape"])
        np.testing.assert_array_equal(found, state[tensor["name"]].array)


def test_all_scripts_are_in_it() -> None:
    assert sorted(SCRIPTS) == sorted(path.name for path in SOURCES.glob("*.js"))


def test_export_writes_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint(Path("run"))
    assert cli.main(["export", "run", "--format", "html", "--output", "a.html"]) == 0
    said = capsys.readouterr().out
    assert "without test images: mnist is not on this machine" in said
    assert "read it: open it in a browser" in said
    _made(f"run/{BEST}")
    assert Path("a.html").read_bytes() == Path("page.html").read_bytes()


def test_explore_opens_it(capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint(Path("run"))
    assert cli.main(["explore", "run"]) == 0
    (url,) = opened
    assert url.startswith("file:///")
    assert url.endswith("/explore.html")
    assert url.removeprefix("file://") in capsys.readouterr().out


def test_without_a_browser_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("webbrowser.open", lambda url: False)
    checkpoint(Path("run"))
    assert cli.main(["explore", "run", "--output", "x.html"]) == 0
    assert "there is no browser here; open the file in one" in capsys.readouterr().out


def test_names_can_be_no_tags() -> None:
    classes = (*DIGITS[:8], "</script><script>alert(1)</script>", "<!--")
    checkpoint(Path("run"), classes=classes)
    text, _, data = _made("run")
    assert data["networks"][0]["classes"] == list(classes)
    assert "alert(1)</script>" not in text


def test_two_networks_beside_each_other() -> None:
    checkpoint(Path("early"), epoch=1)
    checkpoint(Path("late"), seed=2, epoch=9)
    _, tags, data = _made("early", "late")
    assert [n["name"] for n in data["networks"]] == ["lenet5, epoch 1", "lenet5, epoch 9"]
    assert tags.ids["weights-0"] != tags.ids["weights-1"]


def _of_ones_own(**arguments: Any) -> None:
    """A checkpoint of the network in own.py."""
    place = checkpoint(Path("run"), model="own.py:Net", arguments=arguments)
    net = load_class("own.py:Net", "model", Module, "npnet.nn.Module")(**arguments)
    place.write_bytes(to_bytes(net.state_dict(), load_with_metadata(place)[1]))


def test_a_network_of_ones_own() -> None:
    Path("own.py").write_text(
        "import npnet\n\n"
        "class Net(npnet.nn.Module):\n"
        "    def __init__(self, width=4):\n"
        "        super().__init__()\n"
        "        self.conv = npnet.nn.Conv2d(1, width, 3)\n"
        "        self.fc = npnet.nn.Linear(width, 10)\n\n"
        "    def forward(self, x):\n"
        "        x = npnet.relu(self.conv(x)).mean((2, 3))\n"
        "        return self.fc(x)\n"
    )
    _of_ones_own(width=4)
    _, _, data = _made("run", "--model", "own.py:Net")
    ops = [layer["op"] for layer in data["networks"][0]["graph"]["layers"]]
    assert ops == ["conv2d", "relu", "mean", "linear"]
    network = data["networks"][0]
    assert network["name"] == network["model"] == "Net"  # where the file was is nobody's business


def test_of_paths_the_name_alone_is_shown() -> None:
    assert called("/home/somebody/nets.py:Net") == "Net"
    assert called("photos/animals/") == "animals"
    assert called("C:\\nets\\a.npz") == "a.npz"
    assert called("lenet5") == "lenet5"


# ---- test images ---------------------------------------------------------------------------------


def test_test_images_are_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint(Path("run"))
    data = _random("mnist", (1, 28, 28))
    _there(monkeypatch, data)
    _, _, said = _made("run")
    packed = said["pictures"]
    images = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), np.uint8)
    images = images.reshape(-1, *packed["shape"])
    np.testing.assert_array_equal(images, data.x_test[packed["numbers"]])
    assert packed["labels"] == data.y_test[packed["numbers"]].tolist()
    assert 10 < len(images) < 600
    assert len(base64.b64decode(packed["data"])) <= pictures.MOST_BYTES


def _run_of(errors: list[dict[str, Any]], **changes: Any) -> None:
    """The files in which a run tells its errors."""
    checkpoint(Path("run"))
    Path("log").mkdir()
    Path("run", CONFIG).write_text(json.dumps({"log_dir": "log"}))
    result = {"dataset": "mnist", "best_epoch": 3, "classes": list(DIGITS)} | changes
    Path("log", RESULT).write_text(json.dumps({**result, "worst_errors": errors}))


ERROR = {"index": 555, "true": "4", "predicted": "9", "probability": 0.99, "loss": 8.0}


def test_the_runs_worst_errors_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    _run_of([ERROR, {**ERROR, "index": 300, "predicted": "2"}])
    _there(monkeypatch, _random("mnist", (1, 28, 28)))
    _, _, said = _made("run")
    errors = [(e["index"], e["predicted"]) for e in said["pictures"]["errors"]]
    assert errors == [(555, "9"), (300, "2")]
    assert {555, 300} < {*said["pictures"]["numbers"]}


@pytest.mark.parametrize(
    ("errors", "changes"),
    [
        ([ERROR], {"dataset": "digits"}),
        ([ERROR], {"best_epoch": 4}),
        ([ERROR], {"classes": ["a", "b"]}),
        ([{"index": "x"}, 7], {}),
        ([{**ERROR, "index": 10**9}, {**ERROR, "index": -1}], {}),
    ],
)
def test_errors_of_another_run_are_none(
    errors: list[Any], changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    _run_of(errors, **changes)
    _there(monkeypatch, _random("mnist", (1, 28, 28)))
    _, _, said = _made("run")
    assert said["pictures"]["errors"] == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"dataset": "mine.npz"}, "mine.npz is no data set whose place is known"),
        ({"classes": tuple("abcdefghij")}, "mnist has other classes than the network"),
    ],
)
def test_without_test_images_it_says_why(
    changes: dict[str, Any],
    why: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    checkpoint(Path("run"), **changes)
    _there(monkeypatch, _random("mnist", (1, 28, 28)))
    _, _, said = _made("run")
    assert said["pictures"] is None
    assert f"without test images: {why}" in capsys.readouterr().out


# ---- wrong use -----------------------------------------------------------------------------------


def _refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert cli.main(list(argv)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert not Path("x.html").exists()
    return captured.err


def test_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint(Path("run"))
    explore = ("explore", "--output", "x.html", "--no_open")
    assert "there is no such file" in _refused(capsys, *explore, "nowhere")
    assert "name one, or two to compare, got 3" in _refused(capsys, *explore, *["run"] * 3)
    assert "nothing would be left; name a file" in _refused(capsys, "explore", "run", "--no_open")
    html = ("export", "run", "--output", "x.html")
    assert "with_softmax: is for --format onnx" in _refused(capsys, *html, "--with_softmax")
    Path("run", "page.html").touch()
    assert "is there already" in _refused(capsys, "explore", "run", "--output", "run/page.html")


def test_networks_that_do_not_go_together(capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint(Path("a"))
    checkpoint(Path("b"), classes=tuple("abcdefghij"))
    checkpoint(Path("c"), "resnet20", dataset="mnist", classes=DIGITS)
    explore = ("explore", "--output", "x.html", "--no_open", "a")
    assert "must have the same classes" in _refused(capsys, *explore, "b")
    assert "must have the same kind of pictures" in _refused(capsys, *explore, "c")
    checkpoint(Path("d"), dataset="clothes")
    c = ("explore", "--output", "x.html", "--no_open", "d", "c")
    assert "pictures of the same channels, got 1 and 3" in _refused(capsys, *c)


def test_floats_of_another_range_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint(Path("run"), pixels=Pixels("float32", -3.0, 900.0))
    text = _refused(capsys, "export", "run", "--output", "x.html")
    assert "trained on floats from -3 to 900; take onnx" in text


def test_a_layer_that_a_page_lacks_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("own.py").write_text(
        "import npnet\n\n"
        "class Net(npnet.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.fc = npnet.nn.Linear(1024, 10)\n\n"
        "    def forward(self, x):\n"
        "        return self.fc(x.flatten(1).cumsum(1))\n"
    )
    _of_ones_own()
    flags = ("export", "run", "--output", "x.html", "--model", "own.py:Net")
    assert "format: html: CumSum: a page has no such op" in _refused(capsys, *flags)
