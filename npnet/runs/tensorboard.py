"""TensorBoard events, written at once: what is logged is on the disk when the call returns.

tensorboardX's SummaryWriter hands events to a thread, where a full disk would end in a traceback
and a killed run would lose the last epochs; this uses its record writer and summaries directly.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from npnet.base.tensorboardx import without_torch

__all__ = ["EventFile"]


def _text(setting: Any) -> str:
    """A setting as text, which a path of bytes that are none is not yet."""
    return str(setting).encode("utf-8", "backslashreplace").decode()


class EventFile:
    """A TensorBoard event file in `folder`.

    Args:
        purge_step: TensorBoard drops what an earlier file of this folder says of this step and
            later ones; for a run that is resumed.
    """

    def __init__(self, folder: Path, purge_step: int | None = None) -> None:
        with without_torch():
            from tensorboardX.event_file_writer import EventsWriter

        # By its second alone, a resumed run's file could be the one that it goes on from.
        self._writer = EventsWriter(str(folder / "events"), f".{time.time_ns()}")
        if purge_step is not None:
            from tensorboardX.proto.event_pb2 import SessionLog

            start = SessionLog(status=SessionLog.START)
            self._write(purge_step, session_log=start)
        self._writer.flush()

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Write numbers by tag."""
        from tensorboardX import summary

        for tag, value in values.items():
            self._write(step, summary=summary.scalar(tag, value))
        self._writer.flush()

    def text(self, tag: str, markdown: str) -> None:
        """Write a text."""
        from tensorboardX import summary

        self._write(0, summary=summary.text(tag, markdown))
        self._writer.flush()

    def settings(self, settings: Mapping[str, Any]) -> None:
        """Write hyper-parameters as a table."""
        rows = "\n".join(f"| {name} | {_text(value)} |" for name, value in settings.items())
        self.text("hyperparameters", f"| setting | value |\n| --- | --- |\n{rows}")

    def hparams(self, settings: dict[str, Any], metrics: dict[str, float]) -> None:
        """Write hyper-parameters and the figures that they are compared by, as far as finite."""
        from tensorboardX import summary

        metrics = {tag: value for tag, value in metrics.items() if math.isfinite(value)}
        plain = {k: v if isinstance(v, (int, float)) else _text(v) for k, v in settings.items()}
        for part in summary.hparams(plain, metrics):
            self._write(0, summary=part)
        self.scalars(0, metrics)

    def png(self, tag: str, step: int, data: bytes) -> None:
        """Write a picture."""
        from tensorboardX.proto.summary_pb2 import Summary

        image = Summary.Image(encoded_image_string=data)
        self._write(step, summary=Summary(value=[Summary.Value(tag=tag, image=image)]))
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()

    def _write(self, step: int, **content: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._writer.write_event(Event(wall_time=time.time(), step=step, **content))
