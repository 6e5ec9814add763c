"""TensorBoard events, written at once: what is logged is on the disk when the call returns.

tensorboardX's SummaryWriter hands events to a thread, where a full disk would end in a traceback
and a killed run would lose the last epochs; this uses its record writer and summaries directly.
They are read back without TensorBoard.
"""

from __future__ import annotations

import importlib
import math
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.files import open_regular
from npnet.base.tensorboardx import without_torch
from npnet.runs.files import EVENTS

__all__ = ["EventFile", "read_histograms", "read_settings_text"]

_BINS = 64  # of a histogram
_MOST_RECORD = 1 << 28  # bytes; a longer one is no record but damage


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

    def histogram(self, tag: str, step: int, values: Array) -> None:
        """Write how the finite ones of some values are spread, in 64 bins of equal width."""
        from tensorboardX.proto.summary_pb2 import HistogramProto, Summary

        x = values.astype(np.float64).ravel()
        x = x[np.isfinite(x)]
        counts, edges = np.histogram(x, _BINS)
        proto = HistogramProto(
            min=edges[0],
            max=edges[-1],
            num=len(x),
            sum=x.sum(),
            sum_squares=x @ x,
            bucket_limit=edges[1:].tolist(),
            bucket=counts.tolist(),
        )
        self._write(step, summary=Summary(value=[Summary.Value(tag=tag, histo=proto)]))
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()

    def _write(self, step: int, **content: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._writer.write_event(Event(wall_time=time.time(), step=step, **content))


# ---- read back ---------------------------------------------------------------------------------


def read_histograms(folder: Path, prefix: str) -> dict[str, dict[int, tuple[Array, Array]]]:
    """The histograms of a run's event files whose tags begin with `prefix`, by the rest and step.

    Where a step was written twice, as after a resume, the later one counts. Ends of files that were
    torn are left out.

    Returns:
        Edges (bins + 1,) and counts (bins,).
    """
    found: dict[str, dict[int, tuple[Array, Array]]] = {}
    for event in _events(folder):
        for value in event.summary.value:
            if value.HasField("histo") and value.tag.startswith(prefix):
                histogram = value.histo
                edges = np.array([histogram.min, *histogram.bucket_limit])
                counts = np.array(histogram.bucket)
                found.setdefault(value.tag.removeprefix(prefix), {})[event.step] = edges, counts
    return found


def read_settings_text(folder: Path) -> dict[str, str]:
    """What `EventFile.settings` wrote, by name; of several files the last one's."""
    text = ""
    for event in _events(folder):
        for value in event.summary.value:
            if value.tag.startswith("hyperparameters") and value.tensor.string_val:
                text = value.tensor.string_val[0].decode(errors="replace")
    rows = [line.removeprefix("| ").removesuffix(" |") for line in text.splitlines()[2:]]
    return dict(row.partition(" | ")[::2] for row in rows)


def _events(folder: Path) -> Iterator[Any]:
    """The events of a folder's files, in the order in which they were begun.

    A file ends at the first record that is torn or damaged. Only lengths are checked by their sum:
    that of a picture takes longer, in Python, than to draw it.

    Source of the format: TensorFlow, `tensorflow/core/lib/io/record_writer.h`: length, its masked
    CRC-32C, data, theirs.
    """
    with without_torch():
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.record_writer import masked_crc32c

    damaged = importlib.import_module("google.protobuf.message").DecodeError
    for path in sorted(folder.glob(EVENTS)):
        with open_regular(path) as file:
            while len(head := file.read(12)) == 12:
                length, check = struct.unpack("<QI", head)
                if masked_crc32c(head[:8]) != check or length > _MOST_RECORD:
                    break
                record = file.read(length + 4)
                if len(record) < length + 4:
                    break
                try:
                    yield Event.FromString(record[:-4])
                except damaged:
                    break
