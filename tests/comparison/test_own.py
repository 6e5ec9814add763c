"""A network of the user's own beside npnet's, in one comparison."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from npnet.comparison.runs import place
from npnet.comparison.spec import Spec

CODE = "from npnet import nn\n\nclass Net(nn.Module):\n    pass\n"


def test_another_text_of_the_file_is_another_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_file.py").write_text(CODE)
    specs = [
        Spec.from_dict("train", {"model": name, "dataset": "digits"}, "grid")
        for name in ("my_file.py:Net", "lenet5")
    ]
    runs, others = place(specs, tmp_path / "runs")
    assert [run.name for run in runs] == ["my_file.py-Net", "lenet5"]
    for run in runs:
        run.prepare()
    assert json.loads((runs[0].folder / "run.json").read_text())["files"].keys() == {"my_file.py"}
    again, others = place(specs, tmp_path / "runs")
    assert [run.folder for run in again] == [run.folder for run in runs]
    Path("my_file.py").write_text(f"{CODE}\n# changed\n")
    again, others = place(specs, tmp_path / "runs")
    assert again[0].folder != runs[0].folder
    assert again[1].folder == runs[1].folder
    assert others == [runs[0].folder]
