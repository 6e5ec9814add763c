"""One run of a comparison: its settings, its command line, and what tells it from others."""

from __future__ import annotations

import dataclasses
import itertools
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from npnet.base.checks import unknown_name
from npnet.base.files import printable
from npnet.comparison.ranges import is_range, parse_range
from npnet.fitting.config import FitConfig
from npnet.runs.errors import ConfigError
from npnet.training.config import Config

__all__ = [
    "COMMANDS",
    "PATHS",
    "Command",
    "Spec",
    "check_names",
    "counted",
    "differing",
    "labels",
    "typed",
]

LIBRARY = "library"  # the one axis of a grid that is no setting of the run

PATHS = ("dataset", "init_from")  # settings that may be a path
# What the comparison itself sets for each run, or what says how a run is started.
_FIXED = ("checkpoint_dir", "log_dir", "threads", "resume", "config")


@dataclass(frozen=True)
class Command:
    """What makes runs.

    Attributes:
        settings: the dataclass of its flags.
        programs: library -> the arguments of Python that start it.
    """

    settings: Any
    programs: Mapping[str, tuple[str, ...]]

    @property
    def fields(self) -> dict[str, dataclasses.Field[Any]]:
        """The flags that a grid may set, by name."""
        fields = dataclasses.fields(self.settings)
        return {known.name: known for known in fields if known.name not in _FIXED}

    @property
    def folder_flags(self) -> list[str]:
        """The flags that say where a run writes."""
        names = {known.name for known in dataclasses.fields(self.settings)}
        return [name for name in ("checkpoint_dir", "log_dir") if name in names]


COMMANDS: dict[str, Command] = {
    "train": Command(
        Config, {"npnet": ("-m", "npnet.train"), "pytorch": ("-m", "reference.train")}
    ),
    "fit-function": Command(
        FitConfig,
        {"npnet": ("-m", "npnet.fit_function"), "pytorch": ("-m", "reference.fit_function")},
    ),
}


@dataclass(frozen=True)
class Spec:
    """A run before it has a folder: command, library and checked settings.

    Attributes:
        named: the settings that somebody named; the others are the defaults.
    """

    command: str
    library: str
    config: Any
    named: frozenset[str] = field(compare=False)

    @classmethod
    def from_dict(cls, command: str, values: Mapping[str, Any], source: str) -> Spec:
        """Settings by name, `library` among them; `source` says in errors where they come from.

        Raises:
            ConfigError: a setting or a combination of them that can't be used.
        """
        known = COMMANDS[command]
        check_names(command, values, source)
        settings = dict(values)
        library = settings.pop(LIBRARY, "npnet")
        if not isinstance(library, str) or library not in known.programs:
            raise ConfigError(
                f"compare: {source}: {unknown_name(LIBRARY, str(library), known.programs)}"
            )
        return cls(command, library, known.settings.from_dict(settings, source), frozenset(values))

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that the run's weights depend on, and `data_dir`, by name."""
        values = {name: getattr(self.config, name) for name in COMMANDS[self.command].fields}
        return {LIBRARY: self.library} | values

    @property
    def configuration(self) -> tuple[tuple[str, Any], ...]:
        """The settings without the seed: runs that share them are repetitions."""
        return tuple((name, value) for name, value in self.settings.items() if name != "seed")

    @property
    def seed(self) -> int:
        return int(self.config.seed)

    @property
    def epochs(self) -> int:
        return int(self.config.epochs)

    @property
    def idle(self) -> set[str]:
        """The settings that change nothing, given the others."""
        return self.config.idle if isinstance(self.config, Config) else set()

    def arguments(self) -> list[str]:
        """The command line after the name of Python: what was named, or is not the default."""
        command = COMMANDS[self.command]
        flags = []
        for name, known in command.fields.items():
            value = getattr(self.config, name)
            if name in self.named or value != known.default:
                flags += _flag(name, value)
        return [*command.programs[self.library], *flags]

    def shell_line(self) -> str:
        """What repeats the run, typed in a shell."""
        return shlex.join(["python", *self.arguments()])


def check_names(command: str, names: Iterable[str], source: str) -> None:
    """Raise ConfigError unless a grid may set all of these; `source` says where they come from."""
    known = (LIBRARY, *COMMANDS[command].fields)
    for name in names:
        if name in _FIXED:
            raise ConfigError(f"compare: {source}: {name} is set by the comparison itself")
        if name not in known:
            raise ConfigError(f"compare: {source}: {unknown_name('a setting', str(name), known)}")


def _flag(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no_{name}"]
    if isinstance(value, str):
        return [f"--{name}={value}"] if value.startswith("-") else [f"--{name}", value]
    values = value if isinstance(value, tuple) else [value]
    return [f"--{name}", *map(str, values)]


def differing(specs: Sequence[Spec]) -> list[str]:
    """The settings, seed apart, in which these runs differ."""
    settings = [dict(spec.configuration) for spec in specs]
    first = settings[0]
    return [name for name in first if any(one[name] != first[name] for one in settings)]


def labels(specs: Sequence[Spec], names: Sequence[str]) -> list[str]:
    """Short names by these settings: "lenet5, mse, learning_rate 0.01"."""
    settings = [spec.settings for spec in specs]
    columns = {name: [one[name] for one in settings] for name in names}
    columns |= {name: _short_paths(columns[name]) for name in PATHS if name in columns}
    return [
        ", ".join(_said(name, columns[name][i]) for name in names)
        or str(getattr(spec.config, "model", spec.command))
        for i, spec in enumerate(specs)
    ]


def _short_paths(values: list[Any]) -> list[Any]:
    """Of paths the last part, or as many as tell them apart."""
    parts = [Path(value).parts if isinstance(value, str) else () for value in values]
    different = len(set(parts))
    count = next(n for n in itertools.count(1) if len({p[-n:] for p in parts}) == different)
    return [str(Path(*p[-count:])) if p else v for p, v in zip(parts, values, strict=True)]


def _said(name: str, value: Any) -> str:
    """A value that speaks for itself alone, any other after its name."""
    if isinstance(value, str):
        return f"no {name}" if value == "none" else printable(value)
    if value is None or isinstance(value, bool):
        return name if value else f"no {name}"
    return f"{name} {shown(value)}"


def shown(value: Any) -> str:
    """A setting as a report shows it."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return " ".join(map(shown, value))
    return "none" if value is None else str(value)


def counted(count: int, noun: str) -> str:
    """ "1 run", "3 runs"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def typed(command: str, name: str, value: Any) -> Any:
    """A word of a command line or of YAML as the flag declares it; YAML takes 1e-3 for a word.

    LOW..HIGH of a number is a `Range`. What is no such value stays as it is: the check of the
    settings says what is wrong with it.

    Raises:
        ConfigError: a range that is written wrongly.
    """
    known = COMMANDS[command].fields.get(name)
    if known is None or not isinstance(value, str):
        return value
    declared = str(known.type)
    plain = declared.removesuffix(" | None")
    if plain != declared and value.lower() == "none":
        return None
    if is_range(value, plain):
        return parse_range(name, value, plain)
    try:
        if plain.startswith("tuple["):
            kind = plain.removeprefix("tuple[").partition(",")[0]
            return tuple(_FROM_TEXT[kind](part) for part in value.split(","))
        return _FROM_TEXT[plain](value)
    except (ValueError, KeyError):
        return value


_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
}
