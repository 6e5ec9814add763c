"""Characters of one's own in a .npz file: what trains, and what is refused before it starts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npnet import train
from npnet.runs import commands
from npnet.training.config import Config
from tests.runs import run_npnet
from tests.training.test_train import arguments

CLASSES = 3


def characters(count: int = 90, **arrays: Any) -> dict[str, Any]:
    """The arrays of a good file, some of them replaced."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    return {"x": x, "y": np.arange(count) % CLASSES} | arrays


def with_nan() -> Any:
    x = characters()["x"].astype(np.float32)
    x[7, 3, 3] = np.nan
    return x


BAD: dict[str, tuple[Callable[[], dict[str, Any]], str]] = {
    "wrong shape": (lambda: characters(x=np.zeros((90, 28 * 28), np.uint8)), "x must be (N, H, W)"),
    "two channels": (lambda: characters(x=np.zeros((90, 2, 28, 28), np.uint8)), "1 or 3 channels"),
    "no images": (lambda: characters(0), "x is empty"),
    "integers": (lambda: characters(x=np.zeros((90, 28, 28), int)), "x must be uint8"),
    "NaN": (lambda: characters(x=with_nan()), "1 of 70560 pixels are NaN or infinite, the first"),
    "skipped class": (lambda: characters(y=np.arange(90) % 3 * 2), "but has no 1, 3; renumber"),
    "one class": (lambda: characters(y=np.zeros(90, int)), "at least 2 classes"),
    "half labels": (lambda: characters(y=np.full(90, 0.5)), "y must be whole numbers from 0"),
    "negative": (lambda: characters(y=np.arange(90) % 3 - 1), "its least is -1"),
    "one-hot": (lambda: characters(y=np.eye(3)[np.arange(90) % 3]), "y.argmax(axis=1)"),
    "lengths": (lambda: characters(y=np.arange(80) % 3), "got 90 images and 80 labels"),
    "objects": (lambda: characters(y=np.array([None] * 90)), "no object arrays"),
    "other test size": (
        lambda: characters(x_test=np.zeros((9, 32, 32), np.uint8), y_test=np.arange(9) % 3),
        "images of one shape",
    ),
    "new test class": (
        lambda: characters(x_test=np.zeros((9, 28, 28), np.uint8), y_test=np.arange(9)),
        "y_test has label 8",
    ),
    "no test labels": (lambda: characters(x_test=np.zeros((9, 28, 28), np.uint8)), "has no y_test"),
}


@pytest.mark.parametrize("name", list(BAD))
def test_bad_characters_are_one_line_and_code_2(
    name: str, small: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, message = BAD[name]
    path = tmp_path / "characters.npz"
    np.savez(path, **make())
    code = train.main(arguments(dataclasses.replace(small, dataset=str(path))))
    error = capsys.readouterr().err
    assert code == commands.USAGE_ERROR, error
    assert error.count("\n") == 1
    assert message in error
    written = [p.name for p in tmp_path.rglob("*") if p.is_file()]
    assert set(written) <= {"characters.npz", ".lock"}


@pytest.mark.pictures  # of floats, too
@pytest.mark.parametrize("scale", [1, 255])
def test_floats_of_any_range_are_standardised(scale: int, small: Config, tmp_path: Path) -> None:
    path = tmp_path / "floats.npz"
    arrays = characters()
    np.savez(path, **(arrays | {"x": arrays["x"].astype(np.float32) / 255 * scale}))
    result = run_npnet(dataclasses.replace(small, dataset=str(path), epochs=1))
    assert np.isfinite(result.test.loss)


def test_resnet18_learns_in_two_stages(small: Config, tmp_path: Path) -> None:
    """From scratch at 32x32, then on larger images from its own best checkpoint."""
    path = tmp_path / "characters.npz"
    np.savez(path, **characters(66))
    config = dataclasses.replace(
        small, model="resnet18", dataset=str(path), epochs=1, augment=True, image_size=32
    )
    first = run_npnet(config)
    second = run_npnet(
        dataclasses.replace(
            config,
            image_size=40,
            learning_rate=1e-3,
            init_from=str(first.checkpoint_dir / "best.safetensors"),
            checkpoint_dir=str(tmp_path / "second"),
            log_dir=str(tmp_path / "second-log"),
        )
    )
    for result in (first, second):
        found = json.loads((result.log_dir / "result.json").read_text())
        assert found["classes"] == ["0", "1", "2"]
        assert np.isfinite(found["train"]["loss"])


def test_a_run_that_goes_on_has_no_result_until_it_ends(small: Config) -> None:
    result = run_npnet(small)
    path = result.log_dir / "result.json"
    assert json.loads(path.read_text())["epochs"] == small.epochs
    longer = dataclasses.replace(small, resume=True, epochs=small.epochs + 1)

    def stop(config: Config, data: Any, parts: Any) -> Any:
        learner = train.build(config, data)

        def interrupted(x: Any, y: Any) -> Any:
            raise KeyboardInterrupt

        learner.train_step = interrupted  # type: ignore[method-assign]  # Ctrl-C in an epoch
        return learner

    from npnet.training.run import run

    with pytest.raises(KeyboardInterrupt):
        run(longer, stop)
    assert not path.exists()
    run_npnet(longer)
    assert json.loads(path.read_text())["epochs"] == small.epochs + 1
