"""The event file takes no library that it does not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = """
import sys
from pathlib import Path
from npnet.runs.tensorboard import EventFile

events = EventFile(Path(sys.argv[1]))
events.scalars(1, {"loss": 0.5})
events.text("settings", "none")
events.hparams({"lr": 0.1}, {"accuracy": 1.0})
events.close()
assert "torch" not in sys.modules  # two seconds
import torch
assert torch.ones(2).sum() == 2
"""


def test_pytorch_is_not_imported(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CODE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size > 0
