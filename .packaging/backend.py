"""setuptools, except that an editable install requires what training needs as well.

A wheel is the library, and requires NumPy alone. A clone is the laboratory: there, README's
`pip install -e . && python -m npnet.train` must work. So the metadata of an editable install alone
require the extras below too; everything else is setuptools' own (PEP 517 and PEP 660).
"""

from __future__ import annotations

import base64
import hashlib
import re
import zipfile
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403  # its hooks; the two for editable ones are below

LABORATORY = ("train", "bfloat16")  # the extras that a clone brings
_EXTRA = re.compile(r'^Requires-Dist: (?P<what>[^;]+?) *; *extra == "(?P<extra>\w+)"$')


def prepare_metadata_for_build_editable(
    metadata_directory: str, config_settings: dict[str, Any] | None = None
) -> str:
    """setuptools' metadata, with the extras' requirements; returns the folder's name."""
    folder = build_meta.prepare_metadata_for_build_editable(metadata_directory, config_settings)
    file = Path(metadata_directory, folder, "METADATA")
    file.write_bytes(with_extras(file.read_bytes()))
    return folder


def build_editable(
    wheel_directory: str,
    config_settings: dict[str, Any] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """setuptools' wheel, with the extras' requirements; returns its name."""
    name = build_meta.build_editable(wheel_directory, config_settings, metadata_directory)
    file = Path(wheel_directory, name)
    with zipfile.ZipFile(file) as wheel:
        files = {member: wheel.read(member) for member in wheel.infolist()}
    (metadata,) = (info for info in files if info.filename.endswith(".dist-info/METADATA"))
    (record,) = (info for info in files if info.filename.endswith(".dist-info/RECORD"))
    files[metadata] = with_extras(files[metadata])
    files[record] = _recorded(files[record], metadata.filename, files[metadata])
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as wheel:
        for info, data in files.items():
            wheel.writestr(info, data)
    return name


def with_extras(metadata: bytes) -> bytes:
    """METADATA where what the extras of LABORATORY require is required by all."""
    required: dict[str, list[str]] = {}
    head, blank, description = metadata.decode().partition("\n\n")
    lines = head.splitlines()
    for line in lines:
        if match := _EXTRA.match(line):
            required.setdefault(match["extra"], []).append(match["what"])
    wanted, names = list(LABORATORY), dict[str, None]()
    for extra in wanted:  # which grows: npnet[kernels] among them stands for another extra
        for what in required[extra]:
            if match := re.match(r"npnet\[(.+)\]$", what):
                wanted += match[1].split(",")
            else:
                names[what] = None
    added = [f"Requires-Dist: {what}" for what in names]
    lines += [line for line in added if line not in lines]
    return ("\n".join(lines) + blank + description).encode()


def _recorded(record: bytes, name: str, data: bytes) -> bytes:
    """RECORD with the checksum and the size of a file as it is now."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    rows = record.decode().splitlines()
    at = next(i for i, row in enumerate(rows) if row.startswith(f"{name},"))
    rows[at] = f"{name},sha256={digest},{len(data)}"
    return ("\n".join(rows) + "\n").encode()
