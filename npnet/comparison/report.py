"""The report of a comparison: report.html, one file that needs no other, and report.md."""

from __future__ import annotations

import base64
import math
import platform
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from npnet import __version__
from npnet.base.files import atomic_write
from npnet.comparison import figures
from npnet.comparison.grid import Grid
from npnet.comparison.results import Configuration, as_recorded, gather
from npnet.comparison.runner import Failure
from npnet.comparison.runs import ERRORS, Run
from npnet.comparison.search_report import Trials
from npnet.comparison.spec import counted, differing, shown

__all__ = ["write"]

FIGURES = "figures"  # folder beside report.md
_FIGURE_NAMES = (
    *("curves.svg", "splits.svg", "learning-rates.svg", "times.svg"),
    *("confusion-*.png", "fit-*.png", "importances.svg", "trials.svg"),
)
SVG, PNG = "image/svg+xml", "image/png"


@dataclass(frozen=True)
class Figure:
    """A picture with the sentence beneath it."""

    name: str
    data: bytes
    caption: str

    @property
    def uri(self) -> str:
        """The picture as an address that holds it."""
        kind = SVG if self.name.endswith(".svg") else PNG
        return f"data:{kind};base64,{base64.b64encode(self.data).decode()}"


def write(
    folder: Path,
    grid: Grid,
    runs: Sequence[Run],
    failures: Mapping[str, Failure],
    smoothing: float,
    command: str,
    trials: Trials | None = None,
) -> None:
    """Write both reports and the figures of the runs that are done; failed runs are listed.

    Args:
        smoothing: weight of the past in the smoothed curves.
        command: what repeats the whole comparison.
        trials: of a search, of which the runs are the best.
    """
    import jinja2

    facts = _facts(grid, as_recorded(runs), failures, smoothing) | {"command": command}
    facts |= _search(trials)
    facts["fence"] = _fence("\n".join([command, *(line for _, line in facts["commands"])]))
    pictures: list[Figure] = [*facts["trials"], *facts["curves"], *facts["matrices"]]
    (folder / FIGURES).mkdir(parents=True, exist_ok=True)
    for pattern in _FIGURE_NAMES:  # an earlier report's
        for old in (folder / FIGURES).glob(pattern):
            old.unlink()
    for picture in pictures:
        atomic_write(folder / FIGURES / picture.name, picture.data)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("npnet.comparison"),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["md"] = _markdown
    for name in ("report.html", "report.md"):
        text = environment.get_template(f"{name}.j2").render(facts)
        atomic_write(folder / name, text.encode("utf-8", "backslashreplace"))


def _markdown(value: object) -> str:
    """Text as Markdown shows it, in one line: no tags, no cells, no code and no links begin in it.

    Signs in the middle of ordinary text stay as they are, so that the file can be read too.
    """
    text = " ".join(str(value).split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\|`\[\]])", r"\\\1", text)


def _fence(text: str) -> str:
    """What opens and closes a block of code that holds this text."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    return "`" * max(3, longest + 1)


def _facts(
    grid: Grid, runs: Sequence[Run], failures: Mapping[str, Failure], smoothing: float
) -> dict[str, Any]:
    """Everything that the templates show."""
    configurations = gather(runs) if runs else []  # of a search whose trials are elsewhere
    specs = [run.spec for run in runs]
    names = differing(specs) if specs else []
    named = specs[0].named if specs else frozenset[str]()
    idle = set.intersection(*(spec.idle for spec in specs)) if specs else set[str]()
    settings = specs[0].settings if specs else {}
    common = {k: v for k, v in settings.items() if k not in (*names, "seed", *idle)}
    common = {k: shown(v) for k, v in common.items() if v not in (None, False, ())}
    return {
        "name": grid.name,
        "about": grid.about,
        "summary": _summary(configurations, runs),
        "columns": names,
        "measures": [name for name, _ in _measures(configurations)],
        "rows": [_row(c, names, _measures(configurations)) for c in configurations],
        "seeds": sorted({spec.seed for spec in specs}),
        "common": {k: v for k, v in common.items() if k in named},
        "defaults": {k: v for k, v in common.items() if k not in named},
        "overfitting": [(c.label, c.overfitting) for c in configurations],
        "verdicts": _verdicts(configurations),
        "ends": _ends(configurations),
        "curves": _curves(configurations, smoothing) if configurations else [],
        "matrices": _matrices(configurations),
        **_matrices_words(configurations),
        "folder": FIGURES,
        "failed": [
            (run.name, failures[run.name], f"runs/{run.name}/{ERRORS}")
            for run in runs
            if run.name in failures
        ],
        "commands": [(run.name, run.spec.shell_line()) for run in runs],
        "machine": _machine(any(spec.library == "pytorch" for spec in specs)),
    }


def _search(trials: Trials | None) -> dict[str, Any]:
    """What the templates show of a search."""
    if trials is None:
        return {"search": None, "trials": []}
    pictures = [Figure(*picture) for picture in trials.pictures()]
    return {"search": trials.facts(), "trials": pictures, "summary": trials.summary}


def _summary(configurations: Sequence[Configuration], runs: Sequence[Run]) -> str:
    done = sum(len(configuration.outcomes) for configuration in configurations)
    said_done = counted(done, "run")
    if done < len(runs):
        said_done = f"{done} of {len(runs)} runs are done"
    if not configurations:
        return f"{said_done}."
    best = configurations[0]
    kinds = counted(len(configurations), "configuration")
    chosen = "" if best.is_function else " on the validation split"
    said = "" if len(configurations) == 1 else f"the best{chosen} is {best.label}, with "
    if best.is_function:
        figure = f"a test error of {best.spread(lambda o: o.figure('test', 'loss')).text('.3g')}"
    else:
        figure = f"{best.spread(lambda o: o.figure('test', 'accuracy')).text()} % test accuracy"
    return f"{said_done}, {kinds}: {said}{figure}."


def _verdicts(configurations: Sequence[Configuration]) -> str:
    counts = Counter(configuration.overfitting.verdict for configuration in configurations)
    return ", ".join(f"{verdict}: {count}" for verdict, count in counts.most_common())


def _measures(configurations: Sequence[Configuration]) -> list[tuple[str, Any]]:
    """The columns of figures: a title, and what makes the cell of a configuration."""

    def cell(form: str, *path: str) -> Any:
        return lambda c: c.spread(lambda outcome: outcome.figure(*path)).text(form)

    def gap(c: Configuration) -> str:
        at_best = c.spread(lambda o: o.figure("train", "accuracy") - o.figure("val", "accuracy"))
        return at_best.text("+.2f")

    def seconds(c: Configuration) -> str:
        return c.spread(lambda o: float(np.median(o.seconds))).text(".3g")

    if configurations and configurations[0].is_function:
        accuracies = [
            ("test error", cell(".3g", "test", "loss")),
            ("largest error", cell(".3g", "test", "max_error")),
        ]
    else:
        accuracies = [
            ("test %", cell(".2f", "test", "accuracy")),
            ("validation %", cell(".2f", "val", "accuracy")),
            ("test loss", cell(".3g", "test", "loss")),
            ("gap", gap),
        ]
    return [
        *accuracies,
        ("best epoch", cell(".1f", "best_epoch")),
        ("s/epoch", seconds),
        ("parameters", cell(",.0f", "parameters")),
        ("seeds", lambda c: str(len(c.outcomes))),
    ]


def _row(
    configuration: Configuration, names: Sequence[str], measures: Sequence[tuple[str, Any]]
) -> dict[str, list[str]]:
    return {
        "settings": [shown(configuration.settings[name]) for name in names],
        "figures": [cell(configuration) for _, cell in measures],
    }


def _curves(configurations: Sequence[Configuration], smoothing: float) -> list[Figure]:
    smooth = "no smoothing"
    if smoothing:
        smooth = (
            f"smoothed: a mean over the epochs on both sides, each {smoothing:g} times the weight "
            "of the one before, over fewer towards both ends, so that a line begins and ends with "
            "the runs' own values, as in the table below (the raw curves are faint)"
        )
    spread = "mean over the seeds, and a band of one standard deviation where there are several"
    return [
        Figure(
            "curves.svg",
            figures.curves(configurations, smoothing),
            f"Curves; {smooth}; {spread}. A seed that stopped early stays at its last value.",
        ),
        Figure(
            "splits.svg",
            figures.splits(configurations, smoothing),
            "Training against validation: where the curves part, the network learns by heart.",
        ),
        Figure(
            "learning-rates.svg",
            figures.learning_rates(configurations),
            "The learning rate of each epoch's first step.",
        ),
        Figure(
            "times.svg",
            figures.times(configurations),
            "Wall time per epoch: median, and quartiles over all epochs. Runs made at once "
            "share the machine.",
        ),
    ]


def _ends(configurations: Sequence[Configuration]) -> dict[str, Any]:
    """What the last epoch came to: the table in which the curves end."""
    known = {
        column: title
        for column, title in figures.TITLES.items()
        if any(not math.isnan(c.last(column).mean) for c in configurations)
    }
    return {
        "columns": list(known.values()),
        "rows": [
            (c.label, [c.last(n).text(".4f" if "loss" in n else ".2f") for n in known])
            for c in configurations
        ],
    }


def _matrices(configurations: Sequence[Configuration]) -> list[Figure]:
    """A confusion matrix for each configuration; of a function, the fit of its best seed."""
    pictures = []
    for i, configuration in enumerate(configurations, 1):
        if configuration.is_function:
            data = configuration.best.fit_png()
            pictures.append(Figure(f"fit-{i}.png", data, configuration.label))
        else:
            data = figures.confusion(configuration)
            pictures.append(Figure(f"confusion-{i}.png", data, configuration.label))
    return pictures


def _matrices_words(configurations: Sequence[Configuration]) -> dict[str, str]:
    if configurations and configurations[0].is_function:
        title = "Fits"
        note = "Of the seed that came closest to its samples, the best configuration first."
    else:
        title = "Confusion matrices"
        note = "On the test split, summed over the seeds, the best configuration first."
    return {"matrices_title": title, "matrices_note": note}


def _machine(with_torch: bool) -> str:
    """Versions and processor, in a line."""
    libraries = ["numpy", "numba", *(["torch"] if with_torch else [])]
    versions = [f"{name} {version(name)}" for name in libraries]
    python = ".".join(map(str, sys.version_info[:3]))
    return ", ".join([f"npnet {__version__}", *versions, f"Python {python}", _processor()])


def _processor() -> str:
    """The processor's name, as Linux or else Python says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
