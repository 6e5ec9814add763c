"""`npnet plot`: pictures of runs, out of what they left on the disk."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from npnet.base.checks import unknown_name
from npnet.base.files import user_path
from npnet.runs.commands import run_command
from npnet.runs.errors import ConfigError
from npnet.runs.flags import positional, read_flags

if TYPE_CHECKING:
    from npnet.comparison.recorded import Recorded

__all__ = ["SETTINGS", "Options", "main"]

KINDS = ("curves", "confusion", "errors", "filters", "features", "saliency", "histograms")
ALL = "all"
_FORMATS, _STYLES = ("png", "svg"), ("light", "dark")
_MOST_IMAGES = 10  # side by side


@dataclass(frozen=True)
class Options:
    """Draw pictures of runs, each RUN a --log_dir of npnet train.

    curves: loss and accuracy by epoch, of several runs in one picture. confusion: how often each
    class was taken for each other. errors: the worst ones, each with the reason of its place.
    filters: the weights of the first layer. features: what each layer makes of a test image.
    saliency: where the network looks, by input gradient and by occlusion. histograms: of weights
    and gradients by epoch, where the run was trained with --log_images.
    """

    GROUPS: ClassVar[dict[str, str]] = {"pictures": "kind", "output": "format"}
    PATHS: ClassVar[tuple[str, ...]] = ("run", "output", "checkpoint")
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {
        "kind": (*KINDS, ALL),
        "format": _FORMATS,
        "style": _STYLES,
    }
    EXAMPLES: ClassVar[dict[str, str]] = {
        "all that there is of a run": "runs/lenet5",
        "two runs in one picture": "runs/sgd runs/adam --kind curves --style dark",
        "where it looked in two test images": "runs/lenet5 --kind saliency --index 115 247",
    }

    run: tuple[str, ...] = positional(())
    """folders of runs: where their logs are, or their checkpoints"""
    kind: tuple[str, ...] = (ALL,)
    """what to draw; all is whatever there is of the run"""
    index: tuple[int, ...] = ()
    """test images, from 0, for saliency, and the first of them for features; default: the first
    image of each class"""
    checkpoint: str | None = None
    """the network of the run, where it is no longer in the run's --checkpoint_dir"""
    model: str | None = None
    """my_file.py:Net of a network of your own, which is executed"""
    format: str = "png"
    """png or svg, in which text is text"""
    style: str = "light"
    """light or dark"""
    output: str | None = None
    """folder to write; default: plots in the folder of the run, or of several here; pictures of the
    same names are replaced"""
    json: bool = False
    """print what was drawn as JSON"""

    def __post_init__(self) -> None:
        """Check every setting. Raises ConfigError."""
        for name, known in self.CHOICES.items():
            value = getattr(self, name)
            for each in (value,) if isinstance(value, str) else value:
                if each not in known:
                    raise ConfigError(unknown_name(name, each, known))
        if not self.kind:
            raise ConfigError(f"kind: name one of {', '.join(KINDS)}, or {ALL}")
        if len(self.index) > _MOST_IMAGES:
            raise ConfigError(f"index: at most {_MOST_IMAGES} images, got {len(self.index)}")
        if len(self.run) > 1 and (self.checkpoint or self.model):
            raise ConfigError("checkpoint and model are of one run; name a single RUN")


SETTINGS = Options


def main(argv: Sequence[str]) -> int:
    """Draw what the command line asks for. Returns the exit code."""
    return run_command(
        lambda: _plot(read_flags(argv, Options(), "npnet plot")), "npnet plot", "stopped"
    )


def _plot(options: Options) -> None:
    from npnet.comparison.recorded import find

    if not options.run:
        raise ConfigError("name the folder of a run, such as runs/<time>-lenet5")
    runs = find(options.run, options.checkpoint, options.model)
    everything = ALL in options.kind
    kinds = KINDS if everything else tuple(dict.fromkeys(options.kind))
    folder = _output(options, runs)
    made: list[dict[str, Any]] = []
    left: list[dict[str, str]] = []
    for kind in kinds:
        for name, of, draw in _pictures(kind, runs, options):
            try:
                figure = draw()
            except ConfigError as error:
                if not everything:
                    raise
                left.append({"kind": kind, "why": str(error)})
                continue
            made.append({"kind": kind, "runs": of, "path": _save(figure, folder, name, options)})
            if not options.json:
                print(made[-1]["path"], flush=True)
    if options.json:
        print(json.dumps({"pictures": made, "left_out": left}, indent=1))
        return
    for each in left:
        print(f"no {each['kind']}: {each['why']}")


def _output(options: Options, runs: Sequence[Recorded]) -> Path:
    if options.output is not None:
        return user_path(options.output)
    return runs[0].folder / "plots" if len(runs) == 1 else Path("plots")


def _save(figure: Any, folder: Path, name: str, options: Options) -> str:
    from npnet import plots
    from npnet.runs.folders import make_folder

    make_folder(str(folder), "output")
    return str(plots.save(figure, folder / f"{name}.{options.format}"))


def _pictures(
    kind: str, runs: Sequence[Recorded], options: Options
) -> Iterator[tuple[str, list[str], Callable[[], Any]]]:
    """The name of each picture, whose it is, and what draws it."""
    if kind == "curves":
        yield kind, [run.label for run in runs], lambda: _curves(runs, options)
        return
    for run in runs:
        suffix = "" if len(runs) == 1 else "-" + re.sub(r"[^\w.=+-]+", "_", run.label)
        yield f"{kind}{suffix}", [run.label], lambda run=run: _DRAW[kind](run, options)  # type: ignore[misc]  # mypy knows no type of it


# ---- kinds ---------------------------------------------------------------------------------------


def _curves(runs: Sequence[Recorded], options: Options) -> Any:
    from npnet import plots

    lines = [
        plots.Curves(
            run.label,
            run.history,
            _criterion(run),
            run.result["best_epoch"] if run.result else None,
        )
        for run in runs
    ]
    title = ", ".join(dict.fromkeys(run.title for run in runs))
    return plots.curves(lines, title, options.style)


def _criterion(run: Recorded) -> str:
    return "mse" if run.is_function else run.setting("criterion")


def _confusion(run: Recorded, options: Options) -> Any:
    import numpy as np

    from npnet import plots

    result = run.classification
    counts = np.array(result["confusion"])
    total = counts.sum()
    title = f"{run.title}: {100 * np.trace(counts) / max(total, 1):.2f} % of {total} test images"
    return plots.plot_confusion(counts, result["classes"], title=title, style=options.style)


def _errors(run: Recorded, options: Options) -> Any:
    from npnet import plots

    mistakes = run.mistakes
    images = run.pictures([mistake.index for mistake in mistakes])
    test = run.classification["test"]
    wrong = test.get("total", 0) - test.get("correct", 0)
    title = f"{run.title}: {wrong} errors" if wrong else run.title
    if len(mistakes) < wrong:
        title += f", the {len(mistakes)} worst"
    return plots.plot_errors(images, mistakes, title=title, style=options.style)


def _filters(run: Recorded, options: Options) -> Any:
    from npnet import plots

    model = run.model
    try:
        name, weight = plots.first_filters(model, model.checkpoint.image_shape)
    except ValueError as error:
        raise ConfigError(f"{run.folder}: {error}") from None
    return plots.plot_filters(weight, title=f"{run.title}, {name}", style=options.style)


def _features(run: Recorded, options: Options) -> Any:
    from npnet import plots

    index = options.index[0] if options.index else 0
    (picture,) = run.pictures([index])
    model = run.model
    title = f"{run.title}: test image {index}, {model.classes[run.images.y_test[index]]}"
    try:
        return plots.layers(model, model.preprocess(picture), title, options.style)
    except ValueError as error:
        raise ConfigError(f"{run.folder}: {error}") from None


def _saliency(run: Recorded, options: Options) -> Any:
    from npnet import plots

    indices = list(options.index) or run.first_of_each_class(_MOST_IMAGES)
    pictures, model = run.pictures(indices), run.model
    images = [model.preprocess(picture).array[0] for picture in pictures]
    which = "the first test image of each class"
    if options.index:
        which = f"test image{'s' * (len(indices) > 1)} {', '.join(map(str, indices))}"
    title = f"{run.title}: {which}"
    return plots.saliencies(model, images, pictures, model.classes, title, options.style)


def _histograms(run: Recorded, options: Options) -> Any:
    from npnet import plots

    return plots.histograms(run.histograms(), run.title, options.style)


_DRAW: dict[str, Callable[[Recorded, Options], Any]] = {
    "confusion": _confusion,
    "errors": _errors,
    "filters": _filters,
    "features": _features,
    "saliency": _saliency,
    "histograms": _histograms,
}
