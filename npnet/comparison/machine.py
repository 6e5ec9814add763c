"""What a machine is to a comparison: all that the bits of a run hang on, and the data that it has.

`python -m npnet.comparison.machine ASKED` answers on a worker of a cluster, where the runs would be
made by the same Python in the same folder.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import npnet
from npnet import datasets
from npnet.backend import get_backend
from npnet.comparison.runs import digest, files_of
from npnet.comparison.spec import Spec
from npnet.datasets.catalogue import CATALOGUE

__all__ = ["VERSION", "asked_of", "facts", "files", "found", "version"]

VERSION = "npnet"  # the fact that the comparison's own machine must share


def facts(with_torch: bool = False) -> dict[str, str]:
    """What two machines must have alike for the same seed to give the same bits, in words."""
    from importlib import metadata

    from numpy._core import _multiarray_umath as core  # type: ignore[attr-defined]  # no stubs

    features = core.__cpu_features__
    dispatched = [name for name in core.__cpu_dispatch__ if features.get(name)]
    backend = get_backend()
    told = {
        VERSION: version(),
        "NumPy": np.__version__,
        "SIMD of NumPy": " ".join(dispatched) or "none",
        "BLAS": _blas(),
        "backend": backend,
    }
    if backend == "numba":
        from npnet.kernels import _jit

        name, flags = _jit.cpu()
        told["Numba"] = metadata.version("numba")
        told["CPU of the kernels"] = f"{name} (features {zlib.crc32(flags.encode()):08x})"
    if with_torch:
        try:
            told["PyTorch"] = metadata.version("torch")
        except metadata.PackageNotFoundError:
            told["PyTorch"] = "not installed"
    return told


def version() -> str:
    """Of npnet, with a CRC-32 of its sources: between two releases, a number says little."""
    checksum = 0
    for path in sorted(Path(npnet.__file__).parent.rglob("*.py")):
        checksum = zlib.crc32(path.read_bytes(), zlib.crc32(path.name.encode(), checksum))
    return f"{npnet.__version__} (sources {checksum:08x})"


def _blas() -> str:
    """The libraries of matrix products that are loaded, and the kernels that they took."""
    import threadpoolctl

    libraries = threadpoolctl.threadpool_info()
    said = {
        f"{one['internal_api']} {one['version']} {one.get('architecture') or ''}".strip()
        for one in libraries
        if one["user_api"] == "blas"
    }
    return ", ".join(sorted(said)) or "unknown"


# ---- data --------------------------------------------------------------------------------------


def asked_of(specs: Sequence[Spec]) -> dict[str, Any]:
    """What to ask a machine that shall make these runs, for `found`."""
    trained = [spec.config for spec in specs if spec.command == "train"]
    return {
        "data": sorted({(config.dataset, config.data_dir or "") for config in trained}),
        "files": sorted({path for spec in specs for path in files_of(spec.settings)}),
        "torch": any(spec.library == "pytorch" for spec in specs),
    }


def found(asked: dict[str, Any]) -> dict[str, dict[str, str]]:
    """The facts of this machine, and what is here of the data; "" says that it is not here."""
    data = {name: _data(name, folder) for name, folder in asked["data"]}
    return {"facts": facts(asked["torch"]), "data": data | files(asked)}


def files(asked: dict[str, Any]) -> dict[str, str]:
    """The user's own files by their checksums; "" of those that are not here."""
    checksums = {path: digest(Path(path).expanduser()) for path in asked["files"]}
    return {k: "" if v is None else f"checksum {v:08x}" for k, v in checksums.items()}


def _data(name: str, folder: str) -> str:
    if datasets.names_file(name):
        return "there" if Path(name).expanduser().exists() else ""
    place = Path(folder).expanduser() if folder else datasets.default_data_dir()
    known = CATALOGUE["mnist" if name == datasets.AUTO else name]
    if known.files(place):
        return known.name
    return "digits" if name == datasets.AUTO else ""


if __name__ == "__main__":
    print(json.dumps(found(json.loads(sys.argv[1]))))
