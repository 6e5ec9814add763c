"""Processes that draw: the same pictures, whatever becomes of them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from npnet.runs.artists import Artist, artists
from npnet.runs.plots import confusion_png

pytestmark = pytest.mark.pictures

COUNTS, CLASSES = np.array([[9, 1], [2, 8]]), ("a", "b")
ASKED = (confusion_png, COUNTS, CLASSES, "a title")


@pytest.fixture(name="expected", scope="module")
def _expected() -> bytes:
    return confusion_png(COUNTS, CLASSES, "a title")


def at_work(monkeypatch: pytest.MonkeyPatch) -> Artist:
    """One who draws in a process, although matplotlib is here."""
    monkeypatch.setattr("npnet.runs.artists._is_of_use", lambda: True)
    artist = Artist()
    assert artist._process is not None
    return artist


@pytest.mark.slow
def test_a_process_draws_the_same(monkeypatch: pytest.MonkeyPatch, expected: bytes) -> None:
    artist = at_work(monkeypatch)
    for _ in range(2):
        artist.ask(*ASKED)
        assert artist.take() == expected
    process = artist._process
    assert process is not None
    artist.leave()
    assert process.poll() is not None
    artist.leave()


def test_who_is_killed_is_done_without(monkeypatch: pytest.MonkeyPatch, expected: bytes) -> None:
    for late in (False, True):
        artist = at_work(monkeypatch)
        assert artist._process is not None
        if late:
            artist.ask(*ASKED)
        artist._process.kill()
        artist._process.wait()
        if not late:
            artist.ask(*ASKED)
        assert artist.take() == expected
        assert artist._process is None


def test_what_cannot_be_sent_is_drawn_here(monkeypatch: pytest.MonkeyPatch) -> None:
    artist = at_work(monkeypatch)
    artist.ask(lambda: b"a picture")
    assert artist.take() == b"a picture"
    artist.leave()


def no_picture() -> bytes:
    """Fails."""
    raise ValueError("no picture")


def test_errors_are_raised_here(monkeypatch: pytest.MonkeyPatch) -> None:
    artist = at_work(monkeypatch)
    artist.ask(no_picture)
    with pytest.raises(ValueError, match="no picture"):
        artist.take()
    artist.leave()


def test_nobody_is_asked_where_it_is_of_no_use(expected: bytes) -> None:
    """Here, matplotlib is imported, and may have the user's settings."""
    with artists(2, apart=True) as made:
        for artist in made:
            assert artist._process is None
            artist.ask(*ASKED)
            assert artist.take() == expected


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no list of processes")
def test_they_end_with_their_parent() -> None:
    code = (
        "from npnet.runs.artists import Artist\n"
        "artist = Artist()\nprint(artist._process.pid, flush=True)\ninput()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    line = parent.stdout.readline()
    parent.kill()
    parent.communicate()
    end = time.monotonic() + 30
    while line and Path(f"/proc/{int(line)}/cmdline").exists():
        if Path(f"/proc/{int(line)}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            break
        assert time.monotonic() < end
        time.sleep(0.05)
