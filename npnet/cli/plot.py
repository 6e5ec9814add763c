"""`npnet plot`: pictures of runs, out of what they left on the disk."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from npnet.base.checks import nearest
from npnet.runs.commands import run_command
from npnet.runs.errors import ConfigError

if TYPE_CHECKING:
    from npnet.comparison.recorded import Recorded

__all__ = ["main"]

_DESCRIPTION = """\
Draw pictures of runs: RUN is the --log_dir of npnet train (or its --checkpoint_dir).

  curves      loss and accuracy by epoch; of several runs in one picture
  confusion   how often each class was taken for each other
  errors      the worst errors, each with the reason of its place
  filters     the weights of the first layer
  features    what each layer makes of a test image
  saliency    where the network looks: input gradient and occlusion
  histograms  weights and gradients by epoch, of a run that was trained with --log_images

Pictures of the same names in the output folder are replaced."""

_EXAMPLES = """\
examples:
  npnet plot runs/lenet5
  npnet plot runs/sgd runs/adam --kind curves --format svg --style dark
  npnet plot runs/lenet5 --kind features saliency --index 115 247"""

_MOST_IMAGES = 10  # side by side


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"plot: {message} (see npnet plot --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        "npnet plot",
        usage="npnet plot RUN [RUN ...] [--kind KIND [KIND ...]] [options]",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run's logs")
    parser.add_argument(
        "--kind",
        nargs="+",
        default=["all"],
        choices=[*_KINDS, "all"],
        metavar="KIND",
        help=f"{', '.join(_KINDS)}, or all (default): all that there is",
    )
    parser.add_argument(
        "--format", choices=("png", "svg"), default="png", help="png (default) or svg"
    )
    parser.add_argument(
        "--style", choices=("light", "dark"), default="light", help="light (default) or dark"
    )
    parser.add_argument(
        "--output", metavar="FOLDER", help="default: plots in the folder of the run, or here"
    )
    parser.add_argument(
        "--index",
        nargs="+",
        type=int,
        metavar="N",
        help="test images for features (the first of these) and saliency, from 0; default: one of "
        "each class",
    )
    parser.add_argument(
        "--checkpoint", metavar="PATH", help="the network of the run, if it was moved"
    )
    parser.add_argument("--json", action="store_true", help="list the pictures as JSON")
    return parser


def main(argv: Sequence[str]) -> int:
    """Draw what the command line asks for. Returns the exit code."""
    return run_command(lambda: _plot(argv), "npnet plot", "stopped")


def _plot(argv: Sequence[str]) -> None:
    options = _read(argv)
    from npnet.comparison.recorded import find

    runs = find(options.runs, options.checkpoint)
    if options.checkpoint is not None and len(runs) > 1:
        raise ConfigError("plot: --checkpoint is of one run; name a single RUN")
    everything = "all" in options.kind
    kinds = list(_KINDS) if everything else list(dict.fromkeys(options.kind))
    folder = _output(options.output, runs)
    made, left = [], []
    for kind in kinds:
        for name, of, draw in _pictures(kind, runs, options):
            try:
                figure = draw()
            except ConfigError as error:
                if not everything:
                    raise
                left.append((kind, str(error)))
                continue
            made.append({"kind": kind, "runs": of, "path": _save(figure, folder, name, options)})
            if not options.json:
                print(made[-1]["path"], flush=True)
    if options.json:
        skipped = [{"kind": kind, "why": why} for kind, why in left]
        print(json.dumps({"pictures": made, "left_out": skipped}, indent=1, ensure_ascii=False))
        return
    for kind, why in left:
        print(f"no {kind}: {why}")


def _read(argv: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    options, rest = parser.parse_known_args(list(argv))
    if rest:
        near = nearest(rest[0].lstrip("-"), [action.dest for action in parser._actions])
        hint = f"; did you mean --{near}?" if near and rest[0].startswith("-") else ""
        raise ConfigError(f"plot: unrecognized: {' '.join(rest)}{hint} (see npnet plot --help)")
    if options.index is not None and len(options.index) > _MOST_IMAGES:
        raise ConfigError(f"plot: --index: at most {_MOST_IMAGES} images, got {len(options.index)}")
    return options


def _output(named: str | None, runs: Sequence[Recorded]) -> Path:
    from npnet.base.files import user_path

    if named is not None:
        return user_path(named)
    return runs[0].folder / "plots" if len(runs) == 1 else Path("plots")


def _save(figure: Any, folder: Path, name: str, options: argparse.Namespace) -> str:
    from npnet import plots
    from npnet.runs.folders import make_folder

    make_folder(str(folder), "output")
    return str(plots.save(figure, folder / f"{name}.{options.format}"))


def _pictures(
    kind: str, runs: Sequence[Recorded], options: argparse.Namespace
) -> Iterator[tuple[str, list[str], Callable[[], Any]]]:
    """The name of each picture, whose it is, and what draws it."""
    if kind == "curves":
        yield kind, [run.label for run in runs], lambda: _curves(runs, options)
        return
    for run in runs:
        suffix = "" if len(runs) == 1 else "-" + re.sub(r"[^\w.=+-]+", "_", run.label)
        yield f"{kind}{suffix}", [run.label], lambda run=run: _KINDS[kind](run, options)  # type: ignore[misc]  # mypy knows no type of it


# ---- kinds ---------------------------------------------------------------------------------------


def _curves(runs: Sequence[Recorded], options: argparse.Namespace) -> Any:
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
    is_function = run.result is not None and run.result["kind"] == "function"
    return "mse" if is_function else run.setting("criterion")


def _confusion(run: Recorded, options: argparse.Namespace) -> Any:
    import numpy as np

    from npnet import plots

    result = run.classification
    counts = np.array(result["confusion"])
    total = counts.sum()
    title = f"{run.title}: {100 * np.trace(counts) / max(total, 1):.2f} % of {total} test images"
    return plots.plot_confusion(counts, result["classes"], title=title, style=options.style)


def _errors(run: Recorded, options: argparse.Namespace) -> Any:
    from npnet import plots

    mistakes = run.mistakes
    images = run.pictures([mistake.index for mistake in mistakes])
    test = run.classification["test"]
    wrong = test.get("total", 0) - test.get("correct", 0)
    title = f"{run.title}: {wrong} errors" if wrong else run.title
    if len(mistakes) < wrong:
        title += f", the {len(mistakes)} worst"
    return plots.plot_errors(images, mistakes, title=title, style=options.style)


def _filters(run: Recorded, options: argparse.Namespace) -> Any:
    from npnet import plots

    model = run.model
    try:
        name, weight = plots.first_filters(model, model.checkpoint.image_shape)
    except ValueError as error:
        raise ConfigError(f"{run.folder}: {error}") from None
    return plots.plot_filters(weight, title=f"{run.title}, {name}", style=options.style)


def _features(run: Recorded, options: argparse.Namespace) -> Any:
    from npnet import plots

    index = options.index[0] if options.index else 0
    (picture,) = run.pictures([index])
    model = run.model
    title = f"{run.title}: test image {index}, {model.classes[run.images.y_test[index]]}"
    try:
        return plots.layers(model, model.preprocess(picture), title, options.style)
    except ValueError as error:
        raise ConfigError(f"{run.folder}: {error}") from None


def _saliency(run: Recorded, options: argparse.Namespace) -> Any:
    from npnet import plots

    indices = options.index or run.first_of_each_class(_MOST_IMAGES)
    pictures, model = run.pictures(indices), run.model
    images = [model.preprocess(picture).array[0] for picture in pictures]
    which = "the first test image of each class"
    if options.index:
        which = f"test image{'s' * (len(indices) > 1)} {', '.join(map(str, indices))}"
    title = f"{run.title}: {which}"
    return plots.saliencies(model, images, pictures, model.classes, title, options.style)


def _histograms(run: Recorded, options: argparse.Namespace) -> Any:
    from npnet import plots

    return plots.histograms(run.histograms(), run.title, options.style)


_KINDS: dict[str, Callable[[Any, argparse.Namespace], Any]] = {
    "curves": _curves,
    "confusion": _confusion,
    "errors": _errors,
    "filters": _filters,
    "features": _features,
    "saliency": _saliency,
    "histograms": _histograms,
}
