"""The trials in a storage: nobody makes one too many, and none is lost."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from npnet.comparison.grid import Grid
from npnet.comparison.ranges import Range
from npnet.comparison.space import Space
from npnet.comparison.study import JOURNAL, Study, Trial, without_password
from npnet.runs.errors import ConfigError, FailedError

pytest.importorskip("optuna")

SPACE = Space.of(
    Grid(
        axes={
            "learning_rate": [Range(1e-4, 1.0, True)],
            "batch_size": [Range(16, 128, False)],
            "milestones": [(1, 2), (3,)],
            "patience": [None, 3],
        }
    )
)


def opened(folder: Path, storage: str | None = None, space: Space = SPACE) -> Study:
    folder.mkdir(exist_ok=True)
    return Study(space, storage, folder)


def taken(study: Study, total: int) -> Trial:
    trial = study.take(total)
    assert trial is not None
    return trial


def test_values_are_drawn_in_their_types(tmp_path: Path) -> None:
    study = opened(tmp_path)
    trials = [taken(study, 5) for _ in range(5)]
    assert [trial.number for trial in trials] == [0, 1, 2, 3, 4]
    assert study.take(5) is None
    for trial in trials:
        assert 1e-4 <= trial.values["learning_rate"] <= 1
        assert trial.values["batch_size"] in range(16, 129)
        assert trial.values["milestones"] in ((1, 2), (3,))
        assert trial.values["patience"] in (None, 3)
    assert len({trial.values["learning_rate"] for trial in trials}) == 5


def test_what_is_drawn_depends_on_seed_number_and_past_alone(tmp_path: Path) -> None:
    def rates(folder: Path, space: Space = SPACE, reopen: bool = False) -> list[float]:
        study, found = opened(folder, space=space), []
        for number in range(14):
            if reopen:
                study = opened(folder, space=space)
            trial = taken(study, 14)
            study.complete(trial, 90.0 - number)
            found.append(trial.values["learning_rate"])
        return found

    first = rates(tmp_path / "a")
    assert rates(tmp_path / "b", reopen=True) == first
    seeded = Space.of(SPACE.grid.override({"seed": [1]}))
    assert rates(tmp_path / "c", seeded) != first


def test_a_trial_that_was_left_is_taken_up_first(tmp_path: Path) -> None:
    study = opened(tmp_path)
    study.complete(taken(study, 9), 50.0)
    left = taken(study, 9)
    assert not study.is_hopeless(left, 1, 40.0)
    again = taken(opened(tmp_path), 9)  # as after a kill
    assert (again.number, again.values, again.reported) == (1, left.values, 1)
    assert again.judged == 0  # perhaps it was killed before it had the answer


def test_nobody_takes_what_another_folder_makes(tmp_path: Path) -> None:
    storage = str(tmp_path / "shared.journal")
    one, two = (opened(tmp_path / name, storage) for name in "ab")
    assert [taken(study, 3).number for study in (one, two, one)] == [0, 1, 2]
    assert two.take(3) is None
    assert opened(tmp_path / "c", storage).take(3) is None
    assert [record.is_ours for record in two.records(3)] == [False, True, False]


def test_who_adds_one_too_many_gives_it_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process adds a trial between the look at the storage and the own trial."""
    storage = str(tmp_path / "shared.journal")
    one, two = (opened(tmp_path / name, storage) for name in "ab")
    real = one._study.add_trial

    def late(trial: Any) -> None:
        taken(two, 1)
        real(trial)

    monkeypatch.setattr(one._study, "add_trial", late)
    assert one.take(1) is None
    assert [(record.number, record.is_ours) for record in one.records(9)] == [(0, False)]
    assert taken(two, 2).number == 2  # that of one's does not count
    assert two.take(2) is None


def test_hopeless_is_below_the_median_of_the_same_epoch(tmp_path: Path) -> None:
    study = opened(tmp_path)
    for score in (50, 60, 70, 80, 90):
        trial = taken(study, 9)
        assert not study.is_hopeless(trial, 1, score)
        study.complete(trial, score)
    good, bad = taken(study, 9), taken(study, 9)
    assert not study.is_hopeless(good, 1, 70.0)
    assert study.is_hopeless(bad, 1, 69.0)
    assert not study.is_hopeless(bad, 1, 69.0)  # an epoch is judged once
    study.prune(bad)
    study.fail(good, "diverged")
    best, *_ = records = study.records(9)
    assert [record.state for record in records] == ["complete"] * 5 + ["pruned", "failed"]
    assert (best.score, records[5].score, records[5].epoch) == (90.0, 69.0, 1)
    assert records[6].reason == "diverged"
    assert study.done(9) == 7
    assert study.done(5) == 5


def test_an_error_is_to_be_small(tmp_path: Path) -> None:
    grid = Grid(command="fit-function", axes={"learning_rate": [Range(1e-3, 1e-1, True)]})
    study = opened(tmp_path, space=Space.of(grid))
    for score in (0.3, 0.1, 0.2):
        study.complete(taken(study, 3), score)
    assert [record.score for record in study.records(3)] == [0.1, 0.2, 0.3]


def test_importances_of_too_few_trials_are_not_known(tmp_path: Path) -> None:
    study = opened(tmp_path)
    assert study.importances() == {}
    study.complete(taken(study, 30), 10.0)
    assert study.importances() == {}
    for _ in range(29):
        trial = taken(study, 30)
        study.complete(trial, 100 * trial.values["learning_rate"])
    shares = study.importances()
    assert next(iter(shares)) == "learning_rate"
    assert set(shares) == set(SPACE.free)


def test_a_torn_line_is_taken_off(tmp_path: Path) -> None:
    study = opened(tmp_path)
    study.complete(taken(study, 3), 50.0)
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b'{"op_code": 4, "tri')
    again = opened(tmp_path)
    again.complete(taken(again, 3), 60.0)
    assert [record.score for record in opened(tmp_path).records(3)] == [60.0, 50.0]


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("nosuch://host/base", "can't open nosuch://host/base: .*nosuch"),
        ("sqlite:////nowhere/at/all.db", "can't open sqlite:////nowhere/at/all.db: .*unable to"),
        ("postgresql://me:secret@localhost/x", r"postgresql://me:\*\*\*@localhost/x: "),
        ("grpc://localhost:none", "can't open grpc://localhost:none"),
    ],
)
def test_storages_that_can_not_be_opened(tmp_path: Path, storage: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        opened(tmp_path, storage)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_damaged_journal_is_told(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_text("no journal\nat all\n")
    with pytest.raises(ConfigError, match=f"can't open .*{JOURNAL}"):
        opened(tmp_path)


def test_a_storage_that_fails_meanwhile_is_told(tmp_path: Path) -> None:
    from optuna.exceptions import StorageInternalError

    study = opened(tmp_path)
    with pytest.raises(FailedError, match="journal failed: gone; the same"), study.watched():
        raise StorageInternalError("gone\nfor ever")
    with pytest.raises(ValueError, match="ours"), study.watched():
        raise ValueError("ours")


def test_passwords_are_hidden() -> None:
    assert without_password("a postgresql://me:x@y/z b") == "a postgresql://me:***@y/z b"
    assert without_password("grpc://host:13000") == "grpc://host:13000"


def test_database(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'trials.db'}"
    one, two = (opened(tmp_path / name, storage) for name in "ab")
    trial, other = taken(one, 2), taken(two, 2)
    assert (trial.number, other.number, one.take(2)) == (0, 1, None)
    assert not one.is_hopeless(trial, 1, 50.0)
    one.complete(trial, 50.0)
    two.fail(other, "diverged")
    assert [(r.state, r.reason) for r in two.records(2)] == [
        ("complete", ""), ("failed", "diverged"),
    ]  # fmt: skip


SERVER = """
import sys
from optuna.storages import JournalStorage, run_grpc_proxy_server
from optuna.storages.journal import JournalFileBackend
run_grpc_proxy_server(JournalStorage(JournalFileBackend(sys.argv[1])), port=int(sys.argv[2]))
"""


def test_grpc_proxy(tmp_path: Path) -> None:
    pytest.importorskip("grpc")
    with socket.socket() as found:
        found.bind(("localhost", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-c", SERVER, str(tmp_path / "behind.journal"), str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            one, two = (opened(tmp_path / name, f"grpc://localhost:{port}") for name in "ab")
            trial = taken(one, 1)
            assert two.take(1) is None
            one.complete(trial, 80.0)
            assert two.records(1)[0].score == 80.0
        finally:
            server.kill()
