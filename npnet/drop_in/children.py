"""npnet for torch in this process and those that it starts by `multiprocessing`.

A forked child has all of its parent. A spawned one starts Python afresh and is sent what it needs
to import the program; something is added to that, which installs the finder while it is unpickled.
"""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import forkserver, spawn
from typing import Any

from npnet.drop_in.modules import enter

__all__ = ["install"]


class _Installed:
    """Its pickle is a call of `install`."""

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return install, ()


_prepare = spawn.get_preparation_data


def _prepare_with_npnet(name: str) -> dict[str, Any]:
    return {"npnet": _Installed(), **_prepare(name)}


def install() -> None:
    """Let torch and torchvision be npnet from now on, here and in children."""
    enter()
    spawn.get_preparation_data = _prepare_with_npnet
    # By default the server of forks imports the program itself, before it is sent anything.
    forkserver.set_forkserver_preload([])
