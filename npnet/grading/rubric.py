"""Points, limits and rules of an assignment, out of a file of YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from npnet.base import extras
from npnet.base.checks import unknown_name
from npnet.grading.checks import check_names
from npnet.grading.kinds import KINDS, kind_of
from npnet.grading.limits import Limits
from npnet.grading.results import FAILED, PASSED, SKIPPED, Check
from npnet.runs.errors import ConfigError

__all__ = ["Rubric", "read_rubric"]

_KEYS = ("title", "layers", "gradients", "forbid", "limits")
_MOST_POINTS = 1e6
_MOST = 10**9  # of a limit
# Points of a check where no rubric says them.
_DEFAULT = {"loads": 0.0, "forward": 2.0}


@dataclass(frozen=True)
class Rubric:
    """What an assignment asks for.

    Attributes:
        layers: class -> its kind, and the points of its checks; without, all that are found.
        adds_up: whether gradients that a layer keeps add up over calls, as in PyTorch.
        forbid: modules that may not be imported.

    Example:
        >>> from npnet.grading import Rubric
        >>> Rubric(layers={"MyLayer": ("relu", {"forward": 3.0})}).kind("MyLayer")
        'relu'
    """

    title: str = ""
    layers: Mapping[str, tuple[str, Mapping[str, float]]] = field(default_factory=dict)
    adds_up: bool = True
    forbid: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)

    def kind(self, name: str) -> str:
        """The kind of a class, as the rubric has it or its name says; "" of neither."""
        return self.layers[name][0] if name in self.layers else kind_of(name) or ""

    def with_points(self, name: str, checks: Sequence[Check]) -> tuple[Check, ...]:
        """The checks with what they are worth.

        Without a rubric a check that was skipped counts nothing. One that the rubric gives points
        for has to be passed: a convolution without stride has no points of "stride".
        """
        points = self.layers[name][1] if name in self.layers else {}
        return tuple(self._worth(check, points) for check in checks)

    @staticmethod
    def _worth(check: Check, points: Mapping[str, float]) -> Check:
        if points:
            of = points.get(check.name, 0.0)
            if of and check.state == SKIPPED:
                check = replace(check, state=FAILED)
        else:
            of = 0.0 if check.state == SKIPPED else _DEFAULT.get(check.name, 1.0)
        return replace(check, points=of if check.state == PASSED else 0.0, of=of)


def read_rubric(path: Path) -> Rubric:
    """The rubric of a file.

    Raises:
        ConfigError: it can't be read, or says what is not known.

    Example:
        >>> import pathlib, tempfile
        >>> from npnet.grading import read_rubric
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "rubric.yaml")
        ...     _ = file.write_text("layers: {MyReLU: {kind: relu, points: {forward: 3}}}")
        ...     rubric = read_rubric(file)
        >>> rubric.kind("MyReLU")
        'relu'
    """
    yaml = extras.require("yaml", "train", "--rubric")
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"rubric: can't read {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"rubric: {path} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict):
        raise ConfigError(f"rubric: {path} must have the keys {', '.join(_KEYS)}, got {found!r}")
    for key in found:
        if key not in _KEYS:
            raise ConfigError(f"rubric: {unknown_name('key', str(key), _KEYS)}")
    gradients = found.get("gradients", "add")
    if gradients not in ("add", "overwrite"):
        raise ConfigError(f"rubric: gradients must be add or overwrite, got {gradients!r}")
    adds_up = gradients == "add"
    return Rubric(
        str(found.get("title", "")),
        _layers(found.get("layers") or {}, adds_up),
        adds_up,
        _forbidden(found.get("forbid") or []),
        _limits(found.get("limits") or {}),
    )


def _layers(found: Any, adds_up: bool) -> dict[str, tuple[str, Mapping[str, float]]]:
    if not isinstance(found, dict):
        raise ConfigError(f"rubric: layers must have a key for each class, got {found!r}")
    layers: dict[str, tuple[str, Mapping[str, float]]] = {}
    for name, entry in found.items():
        entry = entry or {}
        if not isinstance(entry, dict) or set(entry) - {"kind", "points"}:
            raise ConfigError(f"rubric: layers: {name} must have kind and points, got {entry!r}")
        kind = entry.get("kind") or kind_of(str(name))
        if not isinstance(kind, str) or kind not in KINDS:
            said = "its name does not say its kind" if kind is None else f"got {kind!r}"
            raise ConfigError(f"rubric: {name}: kind must be one of {', '.join(KINDS)}; {said}")
        layers[str(name)] = kind, _points(str(name), kind, entry.get("points") or {}, adds_up)
    return layers


def _points(name: str, kind: str, found: Any, adds_up: bool) -> dict[str, float]:
    known = ["loads", *check_names(KINDS[kind], adds_up)]
    if not isinstance(found, dict):
        raise ConfigError(f"rubric: {name}: points must have a key for each check, got {found!r}")
    for check, value in found.items():
        if check not in known:
            raise ConfigError(f"rubric: {name}: {unknown_name('check', str(check), known)}")
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= _MOST_POINTS:
            raise ConfigError(f"rubric: {name}: points of {check} must be >= 0, got {value!r}")
    return {str(check): float(value) for check, value in found.items()}


def _forbidden(found: Any) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise ConfigError(f"rubric: forbid must be a list of modules, got {found!r}")
    return tuple(found)


def _limits(found: Any) -> Limits:
    known = [f.name for f in fields(Limits)]
    if not isinstance(found, dict):
        raise ConfigError(f"rubric: limits must be among {', '.join(known)}, got {found!r}")
    for name, value in found.items():
        if name not in known:
            raise ConfigError(f"rubric: limits: {unknown_name('limit', str(name), known)}")
        numbers = (int, float) if name in ("seconds", "total") else int
        of = "a number" if name in ("seconds", "total") else "a whole number"
        if isinstance(value, bool) or not isinstance(value, numbers) or not 0 < value <= _MOST:
            raise ConfigError(
                f"rubric: limits: {name} must be {of} above 0, and at most {_MOST}, got {value!r}"
            )
    return replace(Limits(), **found)
