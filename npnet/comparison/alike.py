"""What workers must have alike to make the runs of a comparison, told with what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from npnet.base.files import printable
from npnet.comparison import machine

__all__ = ["differences", "most_common", "unable"]


def unable(error: Exception) -> str:
    """Why a worker that was asked gave no answer, and what to do about it."""
    if isinstance(error, ImportError):
        return (
            f"npnet can't be imported there ({error}); install {_version()} on it, and restart it"
        )
    return f"it can't answer: {printable(f'{type(error).__name__}: {error}')}"


def _version() -> str:
    import npnet

    return f"npnet {npnet.__version__}"


def most_common(
    told: Iterable[Mapping[str, Mapping[str, str]]], files: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """What most workers say of each thing; of npnet's version, and of these files, what is here."""
    values: dict[str, dict[str, Counter[str]]] = {"facts": {}, "data": {}}
    for found in told:
        for kind, things in found.items():
            for name, value in things.items():
                values[kind].setdefault(name, Counter())[value] += 1
    common = {
        kind: {name: counts.most_common(1)[0][0] for name, counts in things.items()}
        for kind, things in values.items()
    }
    common["facts"][machine.VERSION] = machine.version()
    common["data"] |= {path: checksum for path, checksum in files.items() if checksum}
    return common


def differences(
    told: Mapping[str, Mapping[str, str]], reference: Mapping[str, Mapping[str, str]]
) -> str:
    """In what a worker differs, and what to do about it; "" where in nothing."""
    said = [
        f"{name} is {value}, not {reference['facts'].get(name, value)}"
        for name, value in told["facts"].items()
        if value != reference["facts"].get(name, value)
    ]
    if told["facts"][machine.VERSION] != reference["facts"][machine.VERSION]:
        said[-1] += f"; install {_version()} there, and restart it"
    elif said:
        said[-1] += "; the same seed would give other bits: use workers of one kind"
    for name, value in told["data"].items():
        common = reference["data"].get(name, value)
        if not value:
            said.append(f"{name} is not there: {_how_to_get(name)}")
        elif value != common:
            said.append(f"{name} is {value} there, and {common} elsewhere: {_how_to_get(name)}")
    return "; ".join(said)


def _how_to_get(name: str) -> str:
    if "." in name or "/" in name:
        return "put the same file at the same path, in a shared folder perhaps"
    known = "mnist" if name == "auto" else name
    return f"npnet datasets download {known}, or name a shared folder by --data_dir"
