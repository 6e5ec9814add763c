"""A program that leaves what a run leaves, without training: fake_run.py OPTIONS.json [flags].

Options: `calls`, a file that gets a line for each call; `seconds` of an epoch; `fail`, a learning
rate that diverges; `best`, the learning rate with the highest accuracy.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import struct
import sys
import time
import zlib
from pathlib import Path
from typing import Any

PARENT = "NPNET_COMPARISON_PID"  # npnet.base.signals.PARENT, whose import would take longer
CLASSES = ["a", "b"]


def columns(epochs: int, accuracy: float) -> list[list[float]]:
    """Lines of metrics.csv: the validation loss is least in the middle epoch."""
    turn = (epochs + 1) // 2
    return [
        [e, 0.01, 1 / e, accuracy + e, 1 + abs(e - turn) / 10, accuracy, 0.5]
        for e in range(1, epochs + 1)
    ]


def write_metrics(folder: Path, epochs: int, accuracy: float) -> None:
    """metrics.csv after so many epochs."""
    names = "epoch,learning_rate,train_loss,train_accuracy,val_loss,val_accuracy,seconds"
    rows = [",".join(map(str, row)) for row in columns(epochs, accuracy)]
    (folder / "metrics.csv").write_text("\r\n".join([names, *rows, ""]))


def write(folder: Path, epochs: int, accuracy: float = 90.0, kind: str = "classification") -> None:
    """metrics.csv and result.json of a finished run."""
    write_metrics(folder, epochs, accuracy)
    scores: dict[str, Any] = {"loss": 0.25, "accuracy": accuracy}
    result = {
        "format": "npnet result", "kind": kind, "model": "lenet4", "dataset": "digits",
        "classes": CLASSES, "parameters": 29290, "epochs": epochs, "best_epoch": epochs,
        "seconds": epochs * 0.5, "train": scores | {"accuracy": accuracy + epochs},
        "val": scores, "test": scores, "confusion": [[8, 2], [1, 9]],
    }  # fmt: skip
    if kind == "function":
        (folder / "fit.png").write_bytes(png())
    (folder / "result.json").write_text(json.dumps(result))


def png() -> bytes:
    """A picture of one grey pixel."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0\x80")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )


def main(options: dict[str, Any], argv: list[str]) -> int:
    """Make the run that the flags ask for, in as many epochs as are left of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--log_dir", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--learning_rate", type=float, default=0.01)
    parser.add_argument("--resume", action="store_true")
    flags, _ = parser.parse_known_args(argv)
    folder, last = flags.log_dir, flags.log_dir / "last.safetensors"
    with open(options["calls"], "a") as file:
        threads = os.environ["NPNET_NUM_THREADS"]
        file.write(f"{folder.name} {'resumed' if flags.resume else 'new'} {threads}\n")
    if flags.learning_rate == options.get("fail"):
        print("python -m npnet.train: error: diverged | lower --learning_rate", file=sys.stderr)
        return 1
    accuracy = 90.0
    if "best" in options:
        accuracy -= 10 * abs(math.log10(flags.learning_rate / options["best"]))
    first = int(last.read_text()) + 1 if flags.resume else 1
    parent = str(os.getppid())
    try:
        for epoch in range(first, flags.epochs + 1):
            time.sleep(options.get("seconds", 0.0))
            if os.environ.get(PARENT, parent) != str(os.getppid()):
                return 1  # the comparison was killed
            write_metrics(folder, epoch, accuracy)
            last.write_text(str(epoch))
    except KeyboardInterrupt:
        (folder / "interrupted").touch()
        return 130
    write(folder, flags.epochs, accuracy)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(json.loads(Path(sys.argv[1]).read_text()), sys.argv[2:]))
