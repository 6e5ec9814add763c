"""The folders of runs: what their files say, and who gets which."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from npnet.comparison.grid import Grid
from npnet.comparison.runs import ERRORS, RECORD, Run, place
from npnet.runs.files import METRICS, RESULT
from tests.comparison import fake_run
from tests.comparison.conftest import made


def placed(folder: Path, **axes: list[Any]) -> tuple[list[Run], list[Path]]:
    return place(Grid(axes=axes).specs(), folder)


def test_names_say_what_differs(tmp_path: Path) -> None:
    runs, _ = placed(tmp_path, model=["lenet4", "lenet5"], learning_rate=[0.01], seed=[0, 2])
    assert [run.name for run in runs] == [
        "lenet4-seed_0", "lenet4-seed_2", "lenet5-seed_0", "lenet5-seed_2",
    ]  # fmt: skip


def test_names_are_names_of_folders_and_differ(tmp_path: Path) -> None:
    runs, _ = placed(tmp_path, dataset=["a/B ä.npz", "c/b ä.npz", "/x/" + "y" * 300 + ".npz"])
    names = [run.name for run in runs]
    assert names[:2] == ["B_ä.npz", "b_ä.npz-2"]
    assert len(names[2]) <= 120


def test_changed_grid_keeps_what_belongs(tmp_path: Path) -> None:
    first = made(tmp_path, {"model": ["lenet4", "lenet5"], "epochs": [2]}, [90, 91])
    runs, others = placed(tmp_path, model=["lenet", "lenet5"], epochs=[2], seed=[0, 1])
    by_name = {run.name: run for run in runs}
    assert set(by_name) == {"lenet-seed_0", "lenet-seed_1", "lenet5", "lenet5-seed_1"}
    assert by_name["lenet5"].result == first[1].result
    assert others == [first[0].folder]


def test_same_name_for_other_settings_is_another_folder(tmp_path: Path) -> None:
    made(tmp_path, {"model": ["lenet4", "lenet5"], "epochs": [2]}, [90, 91])
    runs, others = placed(tmp_path, model=["lenet4", "lenet5"], epochs=[3])
    assert [run.name for run in runs] == ["lenet4-2", "lenet5-2"]
    assert len(others) == 2


def test_place_of_the_data_does_not_matter(tmp_path: Path) -> None:
    made(tmp_path, {"data_dir": ["here"]}, [90])
    runs, others = placed(tmp_path, data_dir=["there"])
    assert runs[0].result is not None
    assert not others


def test_changed_file_is_another_run(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    path.write_bytes(b"one")
    (run,) = made(tmp_path, {"dataset": [str(path)]}, [90])
    assert placed(tmp_path, dataset=[str(path)])[0][0].folder == run.folder
    path.write_bytes(b"other")
    (changed,), others = placed(tmp_path, dataset=[str(path)])
    assert changed.result is None
    assert others == [run.folder]


def test_run_older_than_a_flag_has_its_default(tmp_path: Path) -> None:
    (run,) = made(tmp_path, {"epochs": [2]}, [90])
    record = json.loads((run.folder / RECORD).read_text())
    del record["settings"]["cutout"], record["settings"]["milestones"]
    (run.folder / RECORD).write_text(json.dumps(record))
    assert placed(tmp_path, epochs=[2])[0][0].folder == run.folder
    (other,), others = placed(tmp_path, epochs=[2], cutout=[8])
    assert other.folder != run.folder
    assert others == [run.folder]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": "other"}', '{"format": "npnet result"}']
)
def test_torn_result_is_none(tmp_path: Path, text: str) -> None:
    (run,) = made(tmp_path, {"epochs": [2]}, [90])
    assert run.result is not None
    (run.folder / RESULT).write_text(text)
    assert run.result is None


@pytest.mark.parametrize("text", [None, "", "epoch,train_loss\n"])
def test_result_without_metrics_is_none(tmp_path: Path, text: str | None) -> None:
    (run,) = made(tmp_path, {"epochs": [2]}, [90])
    (run.folder / METRICS).unlink()
    if text is not None:
        (run.folder / METRICS).write_text(text)
    assert run.result is None


@pytest.mark.parametrize("text", ["{", "[]", '{"command": "dance", "settings": {}}'])
def test_torn_record_belongs_to_no_run(text: str, tmp_path: Path) -> None:
    (run,) = made(tmp_path, {"epochs": [2]}, [90])
    (run.folder / RECORD).write_text(text)
    runs, others = placed(tmp_path, epochs=[2])
    assert runs[0].name != run.name
    assert others == [run.folder]


def test_a_new_run_starts_in_an_empty_folder_and_an_old_one_is_resumed(tmp_path: Path) -> None:
    (run,), _ = placed(tmp_path, epochs=[2])
    folders = ["--checkpoint_dir", str(run.folder), "--log_dir", str(run.folder)]
    assert run.prepare() == ["-m", "npnet.train", "--epochs", "2", *folders]
    (run.folder / "log.txt").touch()  # of a run that was killed in its first epoch
    assert "--resume" not in run.prepare()
    assert [path.name for path in run.folder.iterdir()] == [RECORD]
    (run.folder / "last.safetensors").touch()
    (run.folder / "log.txt").touch()
    assert run.prepare()[-1] == "--resume"
    assert (run.folder / "log.txt").exists()


@pytest.mark.parametrize("epochs", [1, 2, 500])
def test_last_epoch(tmp_path: Path, epochs: int) -> None:
    (run,), _ = placed(tmp_path, epochs=[epochs])
    assert run.last_epoch() == {}
    run.prepare()
    fake_run.write_metrics(run.folder, epochs, 80.0)
    last = run.last_epoch()
    assert (last["epoch"], last["val_accuracy"]) == (epochs, 80.0)


def test_last_epoch_of_a_header_alone(tmp_path: Path) -> None:
    (run,), _ = placed(tmp_path, epochs=[1])
    run.prepare()
    fake_run.write_metrics(run.folder, 0, 80.0)
    assert run.last_epoch() == {}


@pytest.mark.parametrize(
    ("stderr", "code", "reason"),
    [
        ("compiling\nnpnet train: error: bad: data\n\n", 2, "bad: data"),
        ("Traceback\nKeyError: 'x'\n", 1, "KeyError: 'x'"),
        ("", 1, "exit code 1"),
        ("something\n", -9, "killed by signal 9 (out of memory?)"),
        ("something\n", -11, "killed by signal 11"),
        ("something\n", 0, "ended without result.json"),
    ],
)
def test_reason(tmp_path: Path, stderr: str, code: int, reason: str) -> None:
    (run,), _ = placed(tmp_path, epochs=[1])
    run.prepare()
    (run.folder / ERRORS).write_text(stderr)
    assert run.reason(code) == reason


def test_busy_while_a_process_has_its_lock(tmp_path: Path) -> None:
    (run,), _ = placed(tmp_path, epochs=[1])
    assert not run.is_busy
    run.prepare()
    with FileLock(run.folder / ".lock"):
        assert run.is_busy
    assert not run.is_busy
