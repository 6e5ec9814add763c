"""What --record keeps, and the story that a page makes of it."""

from __future__ import annotations

import base64
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from npnet import cli
from npnet.models.checkpoint import BEST
from npnet.runs.files import SNAPSHOTS
from npnet.serialization import load_with_metadata
from npnet.training.config import Config
from npnet.training.snapshots import MOST, MOST_BYTES, stride_of
from tests.runs import run_npnet

HALF = 2.0**-10  # of a weight, half a step of float16 and a little


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A run of three epochs on the digits that ship with npnet."""
    monkeypatch.chdir(tmp_path)
    return Config(
        dataset="digits", model="lenet5", epochs=3, record=True, checkpoint_dir="run",
        log_dir="log", threads=1,
    )  # fmt: skip


def _files(folder: str = "run") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path(folder, SNAPSHOTS).iterdir())}


def test_a_snapshot_of_each_epoch(small: Config) -> None:
    result = run_npnet(small)
    names = [f"epoch-{k:04d}.safetensors" for k in range(4)]
    assert list(_files()) == names
    tree, metadata = load_with_metadata(Path("run", SNAPSHOTS, names[result.progress.best_epoch]))
    best, _ = load_with_metadata(Path("run", BEST))
    for name, weight in best.items():
        assert tree[name].array.dtype == np.float16
        np.testing.assert_allclose(tree[name].array, weight.array, rtol=HALF, atol=1e-6)
    history = json.loads(metadata["history"])
    assert [h["epoch"] for h in history] == list(range(1, result.progress.best_epoch + 1))
    assert "seconds" not in history[0]


def test_a_resumed_run_has_the_same_files(small: Config) -> None:
    run_npnet(small)
    whole = _files()
    other = dataclasses.replace(small, checkpoint_dir="other", log_dir="other-log")
    run_npnet(dataclasses.replace(other, epochs=2))
    # killed after the snapshot of the third epoch, before the epoch was saved
    Path("other", SNAPSHOTS, "epoch-0003.safetensors").write_bytes(b"half a file")
    Path("other", SNAPSHOTS, "epoch-0009.safetensors").write_bytes(b"of another run")
    run_npnet(dataclasses.replace(other, resume=True))
    assert _files("other") == whole


def test_a_new_run_moves_the_old_story_aside(small: Config) -> None:
    run_npnet(dataclasses.replace(small, epochs=1))
    run_npnet(dataclasses.replace(small, epochs=1, record=False, seed=1))
    assert not Path("run", SNAPSHOTS).exists()
    (aside,) = Path("run").glob("earlier-*")
    assert len(list((aside / SNAPSHOTS).iterdir())) == 2


def test_no_file_without_record(small: Config) -> None:
    run_npnet(dataclasses.replace(small, epochs=1, record=False))
    assert not Path("run", SNAPSHOTS).exists()


@pytest.mark.parametrize("size", [1000, 1 << 20, MOST_BYTES // 7, MOST_BYTES, 10 * MOST_BYTES])
def test_their_size_is_bounded(size: int) -> None:
    kept: set[int] = set()
    most = max(2, min(MOST, MOST_BYTES // size))
    for epoch in range(500):
        stride = stride_of(epoch, size)
        kept = {k for k in kept if k % stride == 0} | {epoch}
        assert len(kept) <= most + 1  # those of the stride, and the last
        assert 0 in kept
    assert len(kept) > most // 2


# ---- the page ------------------------------------------------------------------------------------


def _story() -> tuple[dict[str, object], str]:
    assert cli.main(["explore", "run", "--output", "x.html", "--no_open", "--overwrite"]) == 0
    text = Path("x.html").read_text("utf-8")
    start = text.index('id="data">') + len('id="data">')
    data = json.loads(text[start : text.index("</script>", start)])
    return data["story"], text


def test_a_page_has_the_story(small: Config) -> None:
    run_npnet(small)
    story, text = _story()
    assert story is not None
    assert story["epochs"] == [0, 1, 2, 3]
    tree, _ = load_with_metadata(Path("run", SNAPSHOTS, "epoch-0002.safetensors"))
    start = text.index('id="epoch-2">') + len('id="epoch-2">')
    data = base64.b64decode(text[start : text.index("</script>", start)])
    found = np.frombuffer(data, "<f2")
    first = tree["conv1.weight"].array.ravel()
    np.testing.assert_array_equal(found[: first.size], first)


def test_a_page_without_a_story(small: Config) -> None:
    run_npnet(dataclasses.replace(small, epochs=1, record=False))
    assert _story()[0] is None


def test_snapshots_of_another_network_are_told(
    small: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    run_npnet(dataclasses.replace(small, epochs=1, model="lenet4", checkpoint_dir="four"))
    run_npnet(dataclasses.replace(small, epochs=1, record=False))
    Path("four", SNAPSHOTS).rename(Path("run", SNAPSHOTS))
    capsys.readouterr()
    assert cli.main(["explore", "run", "--output", "x.html", "--no_open"]) == 2
    assert "is a snapshot of another network: it has no conv" in capsys.readouterr().err


def test_a_file_that_is_no_snapshot_is_told(
    small: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    run_npnet(dataclasses.replace(small, epochs=1))
    data = Path("run", BEST).read_bytes()
    for name in ("epoch-0000.safetensors", "epoch-0001.safetensors"):
        Path("run", SNAPSHOTS, name).write_bytes(data)
    capsys.readouterr()
    assert cli.main(["explore", "run", "--output", "x.html", "--no_open"]) == 2
    assert "is no snapshot of --record" in capsys.readouterr().err
