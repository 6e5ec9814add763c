"""Grid files that ask for too much, or for what no grid is."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from npnet.cli.compare import main
from npnet.comparison import grid_file
from npnet.comparison.grid import load
from npnet.runs.errors import ConfigError
from tests.campaign import trials

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 10)
)
SEEDS = ", ".join(map(str, range(140)))
MANY = f"grid: {{seed: [{SEEDS}], epochs: [{SEEDS[3:]}]}}"
ASTRONOMIC = ", ".join(
    f"{name}: [{', '.join(map(str, range(1, 99)))}]"
    for name in ("seed", "epochs", "batch_size", "patience", "cutout", "step_size")
)

WRONG = {
    "aliases": (BOMB, "stands for more than 50,000 values"),
    "merges": (MERGES, "stands for more than 50,000 values"),
    "in itself": ("grid: &a {model: [*a]}", "repeats what it is in"),
    "itself": ("&a [*a]", "repeats what it is in"),
    "deep": ("[" * 10_000, "is nested too deeply"),
    "rather deep": ("settings: " + "[" * 30 + "]" * 30, "nested more than 20 deep"),
    "runs": (MANY, r"has 19,460 runs \(140 of seed times 139 of epochs\), and --max_runs"),
    "astronomic": (f"grid: {{{ASTRONOMIC}}}", "runs .*raise --max_runs"),
    "twice": ("settings: {epochs: 1, epochs: 2}", "epochs stands there twice"),
    "digits": ("settings: {seed: 0x" + "f" * 5000 + "}", "more than 1000 digits"),
    "code": ("!!python/object/apply:os.system ['touch /tmp/npnet-was-here']", "is not YAML"),
    "object": ("settings: {epochs: !!python/name:os.system }", "is not YAML"),
    "binary": ("settings: {model: !!binary aGVsbG8=}", "got b'hello'"),
    "date": ("settings: {epochs: 2020-01-01}", "epochs must be int"),
    "set": ("settings: {epochs: !!set {1}}", "epochs must be int"),
    "list for one": ("settings: {epochs: [1, 2]}", "epochs must be int"),
    "key": ("settings: {[1, 2]: 3}", "is not YAML"),
    "nan": ("settings: {learning_rate: .nan}", "learning_rate must be > 0, got nan"),
    "two documents": ("a: 1\n---\nb: 2", "is not YAML"),
    "nothing": ("", "must be names with their values"),
    "long": ("about: " + "x" * 300_000, "more than 262,144 bytes"),
    "bytes": (b"about: \xff", "can't read"),
    "zeros": (bytes(1000), "is not YAML"),
    "axis": ("grid: {dance: [1, 2]}", "a setting must be one of"),
    "empty axis": ("grid: {model: []}", "a list of at least one value"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_grids_are_one_line_at_once(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, message = WRONG[what]
    path = tmp_path / "grid.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    start = time.process_time()
    assert main([str(path), "--output", str(tmp_path / "out")]) == 2
    assert time.process_time() - start < 5  # what bombs stand for takes hours
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert len(error) < 2100
    with pytest.raises(ConfigError, match=message):
        load(str(path)).specs()
    assert not (tmp_path / "out").exists()


def test_limit_of_runs_can_be_raised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text(f"grid: {{seed: [{SEEDS}], epochs: [1, 2, 3, 4, 5, 6, 7, 8]}}")
    assert main([str(path), "--dry_run"]) == 2
    assert "has 1,120 runs (140 of seed times 8 of epochs)" in capsys.readouterr().err
    assert main([str(path), "--dry_run", "--max_runs", "1120"]) == 0
    assert capsys.readouterr().out.count("\n") == 1120


def test_anchors_and_merges_within_bounds_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text("runs: [&a {epochs: 1, model: lenet4}, {<<: *a, model: lenet5}]")
    assert [s.config.model for s in load(str(path)).specs()] == ["lenet4", "lenet5"]


def test_what_is_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, pipe, loop = (tmp_path / f"{name}.yaml" for name in ("folder", "pipe", "loop"))
    folder.mkdir()
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    odd = ["nul\0.yaml", "~nobody-at-all/a.yaml", "a" * 5000 + ".yaml", "\udcff.yaml"]
    for path in (*map(str, (folder, pipe, loop)), *odd):
        assert main([path]) == 2
        error = capsys.readouterr().err
        assert error.startswith("npnet compare: error: compare: can't read ")
        assert error.count("\n") == 1


@pytest.mark.campaign
def test_campaign_of_yaml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Random words of YAML, and good files with random bytes in them: a grid, or one line."""
    words = [
        *("settings: ", "grid: ", "runs: ", "seeds: ", "about: ", "model", "epochs", "lenet4"),
        *("[", "]", "{", "}", ",", ": ", "- ", "\n", "  ", "&a ", "*a", "<<: ", "? ", "---\n"),
        *("!!python/name:os ", "!!int ", "1e-3", ".nan", "~", "'", '"', "# ", "%", "@", "\t"),
        *("2020-01-01", "0x1f", "1:30", "on"),
    ]
    good = "{seeds: 2, settings: {epochs: 3}, grid: {model: [lenet4, lenet5]}}"
    rng, path = np.random.default_rng(3), tmp_path / "grid.yaml"
    for case in range(trials(60, 5000)):
        if case % 2:
            text = "".join(rng.choice(words, int(rng.integers(1, 30)))).encode()
        else:
            at = int(rng.integers(len(good)))
            text = good[:at].encode() + rng.bytes(int(rng.integers(1, 4))) + good[at + 1 :].encode()
        path.write_bytes(text)
        code = main([str(path), "--dry_run"])
        error = capsys.readouterr().err
        assert (code, error.count("\n")) in ((0, 0), (2, 1)), text


def test_every_part_is_counted_as_often_as_it_is_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grid_file, "MOST_PARTS", 10)
    text = "[&a [1, 2], *a, *a]"  # three lists of two, and their list
    assert grid_file.parse(text, "x") == [[1, 2]] * 3
    with pytest.raises(ConfigError, match="more than 10 values"):
        grid_file.parse("[&a [1, 2], *a, *a, 3]", "x")
