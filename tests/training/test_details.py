"""What --log_every and --log_images tell TensorBoard, as its own reader reads it."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from npnet.runs.errors import ConfigError
from npnet.runs.tensorboard import read_histograms, read_settings_text
from npnet.training.config import Config
from npnet.training.details import STEPS
from npnet.training.learner import Learner
from tests.pictures import is_picture
from tests.runs import run_npnet


def read(folder: Path) -> EventAccumulator:
    everything = {"images": 0, "histograms": 0, "scalars": 0}
    reader = EventAccumulator(str(folder), size_guidance=everything)
    reader.Reload()
    return reader


def scalars(folder: Path, tag: str) -> dict[int, float]:
    return {event.step: event.value for event in read(folder).Scalars(tag)}


def steps_of(config: Config) -> dict[int, float]:
    return scalars(Path(str(config.log_dir)) / STEPS, "step/loss")


def watched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """Loss and learning rate of each step of the runs to come."""
    seen: list[tuple[float, float]] = []
    step = Learner.train_step

    def listen(learner: Learner, x: Any, y: Any) -> Any:
        rate = learner.learning_rate
        batch = step(learner, x, y)
        seen.append((batch.loss, rate))
        return batch

    monkeypatch.setattr(Learner, "train_step", listen)
    return seen


@pytest.mark.parametrize("every", [1, 4])
def test_loss_and_rate_of_every_so_many_steps(
    small: Config, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = watched(monkeypatch)
    config = dataclasses.replace(small, log_every=every, scheduler="onecycle", optimizer="adam")
    run_npnet(config)
    assert len(seen) == 12  # two epochs of 192 images in batches of 32
    for tag, at in (("step/loss", 0), ("step/learning_rate", 1)):
        found = scalars(Path(str(config.log_dir)) / STEPS, tag)
        expected = {step: seen[step - 1][at] for step in range(every, 13, every)}
        assert found.keys() == expected.keys()
        np.testing.assert_allclose([*found.values()], [*expected.values()], rtol=1e-6)
    assert len({rate for _, rate in seen}) == 12
    assert "step/loss" not in read(Path(str(config.log_dir))).Tags()["scalars"]


def test_nothing_more_is_written_unless_asked_for(small: Config) -> None:
    run_npnet(small)
    folder = Path(str(small.log_dir))
    assert not (folder / STEPS).exists()
    tags = read(folder).Tags()
    assert tags["histograms"] == []
    assert set(tags["images"]) == {"curves", "confusion", "errors"}


def test_a_resumed_run_has_each_step_once(small: Config, tmp_path: Path) -> None:
    """Also where it was stopped in the middle of an epoch, whose steps it tells again."""
    whole = dataclasses.replace(small, log_every=1, epochs=3)
    run_npnet(whole)
    expected = steps_of(whole)
    assert list(expected) == list(range(1, 19))
    part = dataclasses.replace(
        whole,
        epochs=2,
        checkpoint_dir=str(tmp_path / "part"),
        log_dir=str(tmp_path / "log of part"),
    )
    run_npnet(part)
    (file,) = (Path(str(part.log_dir)) / STEPS).iterdir()
    more = read(Path(str(whole.log_dir)) / STEPS)
    assert len(more.Scalars("step/loss")) == 18
    # As if three steps of the next epoch had been told when it was killed.
    data = (next((Path(str(whole.log_dir)) / STEPS).iterdir())).read_bytes()
    file.write_bytes(data[: len(data) * 15 // 18])
    run_npnet(dataclasses.replace(part, epochs=3, resume=True))
    assert steps_of(part) == expected


def test_log_flags_may_change_on_resume(small: Config) -> None:
    run_npnet(dataclasses.replace(small, log_every=2, log_images=True))
    run_npnet(dataclasses.replace(small, epochs=3, resume=True))
    run_npnet(dataclasses.replace(small, epochs=4, resume=True, log_every=1))
    assert list(steps_of(small)) == [2, 4, 6, 8, 10, 12, *range(19, 25)]


def test_an_earlier_run_s_steps_are_set_aside(small: Config) -> None:
    config = dataclasses.replace(small, log_every=1, epochs=1)
    run_npnet(config)
    run_npnet(dataclasses.replace(config, log_every=3))
    assert list(steps_of(config)) == [3, 6]
    (aside,) = Path(str(config.log_dir)).glob(f"earlier-*/{STEPS}")
    assert len(list(aside.iterdir())) == 1


@pytest.mark.pictures
def test_pictures_and_histograms_by_epoch(small: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    weights: list[dict[str, Any]] = []
    gradients: list[dict[str, Any]] = []
    end = Learner.end_epoch

    def listen(learner: Learner, loss: float) -> None:
        end(learner, loss)
        named = dict(learner.model.named_parameters())
        weights.append({name: p.detach().numpy().copy() for name, p in named.items()})
        gradients.append({name: p.grad.numpy().copy() for name, p in named.items()})

    monkeypatch.setattr(Learner, "end_epoch", listen)
    run_npnet(dataclasses.replace(small, log_images=True))
    folder = Path(str(small.log_dir))
    reader = read(folder)
    tags = reader.Tags()
    assert set(tags["images"]) == {
        "curves", "confusion", "errors", "val/errors", "filters/conv1.weight",
    }  # fmt: skip
    for tag in ("val/errors", "filters/conv1.weight"):
        pictures = reader.Images(tag)
        assert [picture.step for picture in pictures] == [1, 2]
        assert all(is_picture(picture.encoded_image_string) for picture in pictures)
    for kind, recorded in (("weights", weights), ("gradients", gradients)):
        found = read_histograms(folder, f"{kind}/")
        assert found.keys() == recorded[0].keys()
        for name, by_epoch in found.items():
            theirs = {e.step: e.histogram_value for e in reader.Histograms(f"{kind}/{name}")}
            assert by_epoch.keys() == theirs.keys() == {1, 2}
            for epoch, (edges, counts) in by_epoch.items():
                values = recorded[epoch - 1][name].astype(np.float64).ravel()
                assert (edges[0], edges[-1]) == (theirs[epoch].min, theirs[epoch].max)
                np.testing.assert_array_equal(counts, np.histogram(values, edges)[0])
                assert list(theirs[epoch].bucket) == list(counts)
                assert theirs[epoch].num == counts.sum() == values.size
                assert theirs[epoch].sum == pytest.approx(values.sum())
    assert not np.array_equal(gradients[0]["conv1.weight"], gradients[1]["conv1.weight"])


def test_without_validation_no_errors_of_it(small: Config) -> None:
    run_npnet(dataclasses.replace(small, log_images=True, val_ratio=0, epochs=1))
    assert "val/errors" not in read(Path(str(small.log_dir))).Tags()["images"]


def test_the_run_is_the_same_to_the_bit(small: Config, tmp_path: Path) -> None:
    plain = run_npnet(small)
    told = run_npnet(
        dataclasses.replace(
            small,
            log_images=True,
            log_every=1,
            checkpoint_dir=str(tmp_path / "told"),
            log_dir=str(tmp_path / "log of told"),
        )
    )
    for name in ("best.safetensors",):
        a, b = (run.checkpoint_dir / name for run in (plain, told))
        assert a.read_bytes() == b.read_bytes()


def test_event_files_are_read_up_to_where_they_are_torn(small: Config, tmp_path: Path) -> None:
    run_npnet(dataclasses.replace(small, log_images=True, epochs=1))
    (file,) = Path(str(small.log_dir)).glob("events*")
    whole = file.read_bytes()
    expected = read_histograms(Path(str(small.log_dir)), "weights/")
    assert read_settings_text(Path(str(small.log_dir)))["model"] == "lenet4"
    torn = tmp_path / "torn"
    torn.mkdir()
    counts = []
    for end in range(0, len(whole), max(1, len(whole) // 40)):
        (torn / file.name).write_bytes(whole[:end])
        found = read_histograms(torn, "weights/")
        assert found.keys() <= expected.keys()
        counts.append(len(found))
    assert counts == sorted(counts)
    assert counts[0] == 0
    for at in (3, 9, len(whole) // 2):
        damaged = bytearray(whole)
        damaged[at] ^= 0xFF
        (torn / file.name).write_bytes(damaged)
        assert read_histograms(torn, "weights/").keys() <= expected.keys()
    shutil.rmtree(torn)


def test_log_every_is_checked() -> None:
    with pytest.raises(ConfigError, match="log_every must be >= 1, got 0"):
        Config(log_every=0)
