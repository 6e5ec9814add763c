"""`npnet check` and `npnet new-assignment`, by their outputs."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import nbformat
import pytest
import yaml

from npnet import cli
from npnet.cli import check, new_assignment
from npnet.grading import KINDS, read_rubric
from npnet.grading.assignment import ASSIGNMENTS, files_of
from npnet.runs.errors import ConfigError
from tests.grading.files import RIGHT, WRONG

WRONG_CONV = str(next(p for p in WRONG if p.stem == "conv_assign"))
TORCH_LIKE = next(p for p in RIGHT if p.stem == "torch_like")
COURSE = next(p for p in RIGHT if p.stem == "course")


def test_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", f"{TORCH_LIKE}:ReLU"]) == 0
    assert "11 of 11 points, all right" in capsys.readouterr().out
    assert cli.main(["check", WRONG_CONV]) == 1
    out, err = capsys.readouterr()
    assert "col2im-assigns" in out
    assert err == "npnet check: error: not right: Conv2d\n"


def test_json_junit_and_gradescope(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    junit, scope = tmp_path / "junit.xml", tmp_path / "results.json"
    argv = ["check", WRONG_CONV, "--json", "--junit", str(junit), "--gradescope", str(scope)]
    assert cli.main(argv) == 1
    facts = json.loads(capsys.readouterr().out)
    assert facts["passed"] is False
    (layer,) = facts["layers"]
    assert layer["kind"] == "conv2d"
    assert layer["diagnoses"][0]["name"] == "col2im-assigns"
    suite = ET.parse(junit).getroot()[0]
    failed = [c for c in layer["checks"] if c["state"] == "failed"]
    assert int(suite.get("failures", 0)) == len(failed) == len(suite.findall("testcase/failure"))
    results = json.loads(scope.read_text())
    assert results["score"] == facts["points"] == sum(test["score"] for test in results["tests"])
    assert sum(test["max_score"] for test in results["tests"]) == facts["of"]
    assert "col2im-assigns" in results["output"]
    assert cli.main(argv) == 2
    assert "is there already; --overwrite" in capsys.readouterr().err
    assert cli.main([*argv, "--overwrite"]) == 1


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "Missing FILE"),
        (["nothing.py"], "there is no file"),
        (["layer.txt"], "must be Python"),
        ([str(TORCH_LIKE), "--kind", "liner"], "did you mean 'linear'"),
        ([f"{TORCH_LIKE}:Parameter"], "does not say what kind of layer it is"),
        ([str(TORCH_LIKE), "--gradients", "both"], "add or overwrite"),
        ([str(TORCH_LIKE), "--seconds", "0"], "above 0"),
        ([str(TORCH_LIKE), "--rubric", "none.yaml"], "can't read"),
    ],
)
def test_wrong_use(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", *argv]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_file_without_layers_is_wrong_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.py"
    path.write_text("class Thing:\n    pass\n")
    assert cli.main(["check", str(path)]) == 2
    assert "has no class with forward and backward" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "must have the keys"),
        ("a: [", "is no YAML"),
        ("layer: {}", "did you mean 'layers'"),
        ("layers: {Mine: {}}", "its name does not say its kind"),
        ("layers: {Mine: {kind: liner}}", "got 'liner'"),
        ("layers: {Linear: {points: {foward: 1}}}", "did you mean 'forward'"),
        ("layers: {Linear: {points: {forward: -1}}}", "must be >= 0"),
        ("layers: {Linear: {points: {forward: .nan}}}", "must be >= 0"),
        ("layers: {Linear: {point: 1}}", "must have kind and points"),
        ("layers: 3", "a key for each class"),
        ("gradients: both", "add or overwrite"),
        ("forbid: torch", "list of modules"),
        ("limits: {second: 1}", "did you mean 'seconds'"),
        ("limits: {seconds: 0}", "above 0"),
        ("limits: {seconds: .inf}", "at most"),
        ("limits: {megabytes: 1.5}", "a whole number above 0"),
        ("limits: {output: 3.5}", "a whole number above 0"),
        ("layers: {Linear: {kind: [linear]}}", "kind must be one of"),
    ],
)
def test_wrong_rubrics(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "rubric.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as raised:
        read_rubric(path)
    assert "\n" not in str(raised.value)


def test_points_by_a_rubric(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rubric = tmp_path / "rubric.yaml"
    rubric.write_text(
        "layers:\n  MaxPool:\n    points: {forward: 3, stride: 2, padding: 5, gradient_x: 4}\n"
    )
    path = next(p for p in WRONG if p.stem == "maxpool_assign")
    assert cli.main(["check", str(path), "--rubric", str(rubric), "--json"]) == 1
    (layer,) = json.loads(capsys.readouterr().out)["layers"]
    points = {c["name"]: (c["points"], c["of"]) for c in layer["checks"] if c["of"]}
    # It has no padding, and its windows may not overlap.
    assert points == {"forward": (3, 3), "stride": (0, 2), "padding": (0, 5), "gradient_x": (4, 4)}


def test_choices_are_the_kinds_and_assignments() -> None:
    assert set(check.Options.CHOICES["kind"]) == KINDS.keys()
    assert set(new_assignment.Options.CHOICES["name"]) == ASSIGNMENTS.keys()


# ---- assignments ---------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "homework"
    assert cli.main(["new-assignment", "lenet", str(path), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["files"]) == 8
    return path


def solution(folder: Path) -> str:
    """The layers of tests, put together under the names of the skeleton."""
    net = COURSE.read_text()
    start, end = net.index("class C:"), net.index("class Dense:")
    return f"{TORCH_LIKE.read_text()}\n\n{net[start:end]}"


def results_of(folder: Path, submission: str | None, tmp_path: Path) -> dict[str, object]:
    """What run_autograder writes, in folders as Gradescope has them."""
    root = tmp_path / "autograder"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(folder / "autograder", root / "source")
    (root / "submission").mkdir()
    if submission is not None:
        (root / "submission" / "layers.py").write_text(submission)
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        ["bash", str(root / "source" / "run_autograder")],
        env=os.environ
        | {"AUTOGRADER_ROOT": str(root), "PYTHON": sys.executable, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads((root / "results" / "results.json").read_text())
    return found


@pytest.mark.slow
def test_the_skeleton_has_no_points_and_a_solution_all(folder: Path, tmp_path: Path) -> None:
    skeleton = (folder / "student" / "layers.py").read_text()
    points = yaml.safe_load((folder / "rubric.yaml").read_text())["layers"]
    most = sum(sum(layer["points"].values()) for layer in points.values())
    assert results_of(folder, skeleton, tmp_path)["score"] == 0
    assert results_of(folder, solution(folder), tmp_path)["score"] == most > 50
    assert results_of(folder, None, tmp_path)["score"] == 0


def test_a_grader_that_can_not_start_says_so(folder: Path, tmp_path: Path) -> None:
    (folder / "autograder" / "rubric.yaml").write_text("nonsense: 1")
    found = results_of(folder, "", tmp_path)
    assert found["score"] == 0
    assert "tell your teacher" in str(found["output"])


def test_nothing_is_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "rubric.yaml").read_bytes()
    assert cli.main(["new-assignment", "relu", str(folder)]) == 2
    assert "nothing is overwritten" in capsys.readouterr().err
    assert (folder / "rubric.yaml").read_bytes() == before
    assert cli.main(["new-assignment", "relus", str(folder / "x")]) == 2
    assert "did you mean 'relu'" in capsys.readouterr().err


def test_scripts_can_be_run(folder: Path) -> None:
    for name in ("setup.sh", "run_autograder"):
        path = folder / "autograder" / name
        assert path.stat().st_mode & stat.S_IXUSR
        assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0


def test_setting_up_without_npnets_wheel_is_told(folder: Path, tmp_path: Path) -> None:
    """And nothing else of npnet's name is installed in its place."""
    done = subprocess.run(
        [str(folder / "autograder" / "setup.sh")],
        env={**os.environ, "AUTOGRADER_ROOT": str(tmp_path), "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "there is no npnet-*.whl" in done.stderr


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_every_assignment_is_whole(name: str, tmp_path: Path) -> None:
    files = files_of(name)
    nbformat.validate(nbformat.reads(files["student/assignment.ipynb"], as_version=4))
    compile(files["student/layers.py"], "layers.py", "exec")
    compile(files["student/test_layers.py"], "test_layers.py", "exec")
    path = tmp_path / "rubric.yaml"
    path.write_text(files["rubric.yaml"])
    rubric = read_rubric(path)
    assert [kind for kind, _ in rubric.layers.values()] == list(ASSIGNMENTS[name])
    for secret in ("+=", "einsum", "np.exp", "@ self"):  # of a solution
        assert secret not in files["student/layers.py"]
