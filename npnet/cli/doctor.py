"""`npnet doctor`: what a report of a bug needs, and whether this machine computes right."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import npnet
from npnet import datasets
from npnet.backend import get_backend
from npnet.base import extras
from npnet.base.places import user_cache
from npnet.base.threads import available_cores, environment_threads, get_num_threads
from npnet.datasets.catalogue import CATALOGUE
from npnet.runs.commands import reason, run_command
from npnet.runs.errors import FailedError
from npnet.runs.flags import read_flags

__all__ = ["SETTINGS", "Options", "main"]

PROG = "npnet doctor"
MEGABYTE = 1e6
SECONDS = 10.0  # of the self-test
_OF_INTEREST = ("NPNET_", "NUMBA_", "OPENBLAS_", "OMP_", "GOMP_", "MKL_", "BLIS_", "NPY_", "KMP_")


@dataclass(frozen=True)
class Options:
    """Print what a report of a bug needs: versions, processor, threads, BLAS, folders.

    Then test this machine for ten seconds: the kernels against NumPy in float64, and their speed
    against the fastest that was measured here. With NumPy alone, NumPy's float32 is tested.

    Exit code 1: something computes wrong.
    """

    EXAMPLES: ClassVar[dict[str, str]] = {
        "all of it": "",
        "for a program": "--no_test --json",
    }

    test: bool = True
    """test the machine"""
    json: bool = False
    """print the answer for a program to read"""


SETTINGS = Options


def main(argv: Sequence[str]) -> int:
    """Print all of it. Returns the exit code."""
    return run_command(lambda: _work(argv), PROG, "stopped")


def _work(argv: Sequence[str]) -> None:
    options = read_flags(argv, Options(), PROG)
    facts = dict(_facts())
    if not options.json:
        _print(facts)
    if not options.test:
        if options.json:
            print(json.dumps(facts, indent=2))
        return
    from npnet.cli import self_test

    tests = self_test.run(SECONDS, notice=None if options.json else _say)
    if options.json:
        print(json.dumps({**facts, "self-test": tests}, indent=2))
    if wrong := [check["name"] for check in tests["checks"] if not check["ok"]]:
        raise FailedError(
            f"wrong results: {', '.join(wrong)}; please report it with this output, and try "
            "NPNET_BACKEND=numpy, and OPENBLAS_CORETYPE=Haswell for another BLAS"
        )


def _print(facts: Mapping[str, Mapping[str, Any]]) -> None:
    for title, lines in facts.items():
        print(title)
        width = max(map(len, lines), default=0)
        for name, value in lines.items():
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            print(f"  {name:<{width}}  {shown}")
        print(flush=True)


def _say(line: str) -> None:
    print(line, flush=True)


# ---- facts ---------------------------------------------------------------------------------------


def _facts() -> Iterator[tuple[str, dict[str, Any]]]:
    """Titles, each with its facts: texts, numbers, or lists of texts."""
    yield "versions", _versions()
    yield "processor", _processor()
    yield "threads", _threads()
    yield "BLAS", _blas()
    yield "folders", _folders()
    named = {name: os.environ[name] for name in sorted(os.environ) if name.startswith(_OF_INTEREST)}
    yield "environment", named or {"variables": "none of npnet's, Numba's or BLAS's is set"}


def _versions() -> dict[str, Any]:
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, Any] = {
        "npnet": f"{npnet.__version__} in {Path(npnet.__file__).parent}",
        "Python": f"{platform.python_version()} ({platform.python_implementation()}) "
        f"{sys.executable}",
        "system": platform.platform(),
        "backend": get_backend(),
        "numpy": np.__version__,
    }
    for extra, modules in extras.EXTRAS.items():
        for name in modules.values():
            try:
                found.setdefault(name, version(name))
            except PackageNotFoundError:
                found[name] = f"not installed: pip install 'npnet[{extra}]'"
    return found


def _processor() -> dict[str, Any]:
    from numpy._core import _multiarray_umath as core  # type: ignore[attr-defined]  # no stubs

    features = core.__cpu_features__
    dispatched = [name for name in core.__cpu_dispatch__ if features.get(name)]
    found: dict[str, Any] = {
        "model": _model(),
        "cores": f"{available_cores()} of {os.cpu_count()} may be used",
        "memory": _memory(),
        "SIMD of NumPy": f"{' '.join(core.__cpu_baseline__)}, and by table "
        f"{' '.join(dispatched) or 'none'}",
    }
    if get_backend() == "numba":
        from npnet.kernels import _jit

        name, said = _jit.cpu()
        flags = {flag[1:] for flag in said.split(",") if flag.startswith("+")}
        wide = next((bits for flag, bits in _WIDTHS.items() if flag in flags), 128)
        found["SIMD of the kernels"] = f"{name}, vectors of {wide} bits"
    return found


_WIDTHS = {"avx512f": 512, "avx": 256}


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _memory() -> str:
    try:
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return "unknown"
    return f"{pages / 1e9:.1f} GB"


def _threads() -> dict[str, Any]:
    asked = environment_threads()
    why = "all cores" if asked is None else "NPNET_NUM_THREADS"
    found: dict[str, Any] = {"npnet": f"{get_num_threads()} ({why})"}
    if get_backend() == "numba":
        import numba

        npnet.relu(npnet.nn.functional.conv2d(npnet.zeros(16, 1, 8, 8), npnet.zeros(1, 1, 3, 3)))
        try:
            found["pool of the kernels"] = numba.threading_layer()
        except ValueError:  # no kernel has run
            found["pool of the kernels"] = "not started"
    return found


def _blas() -> dict[str, Any]:
    config: Any = np.show_config(mode="dicts")
    built = config["Build Dependencies"]["blas"]
    found: dict[str, Any] = {"NumPy's": f"{built.get('name')} {built.get('version')}"}
    if extras.lacking("kernels"):
        found["loaded"] = "known by threadpoolctl alone: pip install 'npnet[kernels]'"
        return found
    import threadpoolctl

    for library in threadpoolctl.threadpool_info():
        kernels = library.get("architecture")
        said = [library["internal_api"], library["version"], f"{library['num_threads']} threads"]
        said += [f"kernels of {kernels}"] if kernels else []
        found[Path(library["filepath"]).name] = [part for part in said if part]
    return found


def _folders() -> dict[str, Any]:
    cache, data = user_cache(), datasets.default_data_dir()
    here = [name for name, known in CATALOGUE.items() if known.files(data)]
    return {
        "cache": f"{cache} ({_size(cache)})",
        "kernels": _kernels(),
        "data": f"{data} (has {', '.join(here)})",
    }


def _kernels() -> str:
    """The folder of the kernels of these sources and this CPU."""
    if get_backend() != "numba":
        return "none: the numpy backend has no kernels"
    from npnet.kernels import _jit

    try:
        folder = _jit.make_folder()
    except OSError as error:
        return f"can't be kept: {reason(error)}"
    versions = len(list(folder.parent.glob("kernels-*")))
    return f"{folder} ({_size(folder)}; {versions} versions beside one another)"


def _size(folder: Path) -> str:
    count = total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # removed in the meantime
                total += os.lstat(os.path.join(parent, name)).st_size
                count += 1
    return f"{count:,} files, {total / MEGABYTE:.1f} MB"
