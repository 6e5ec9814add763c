"""Fine-tuning: weights of a checkpoint as the beginning of a new run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from npnet import serialization
from npnet.base.bfloat16 import FLOATS
from npnet.base.files import printable
from npnet.runs.errors import ConfigError
from npnet.training.checkpoint import Weights, read_weights
from npnet.training.learner import Learner

__all__ = ["load_initial"]

SHOWN = 3  # names in an error


def load_initial(learner: Learner, path: Path, classes: int) -> None:
    """Take the weights of a safetensors file: npnet's, of any run, or another program's.

    Raises:
        ConfigError: there is no such file, or it is another network's, or holds what no network
            can begin with.
        serialization.CheckpointError: the file is damaged.
    """
    given, own = _read(path), learner.weights()
    why = _other_names(given, own) or _other_shapes(given, own, classes)
    if why:
        model = serialization.load_with_metadata(path)[1].get("model")
        whose = f" (a {printable(model)})" if model else ""
        raise ConfigError(f"init_from: {printable(path)}{whose} does not fit the network: {why}")
    why = _other_values(given, own)
    if why:
        raise ConfigError(f"init_from: {printable(path)}: {why}")
    learner.load_weights(given)


def _read(path: Path) -> Weights:
    if not path.exists():
        raise ConfigError(f"init_from: there is no file {printable(path)}")
    try:
        return read_weights(path)
    except OSError as error:
        raise ConfigError(
            f"init_from: can't read {printable(path)}: {error.strerror or error}"
        ) from None


def _other_names(given: Weights, own: Weights) -> str | None:
    wrong = [f"{name} is missing" for name in own if name not in given]
    wrong += [f"{printable(name)} is not known" for name in given if name not in own]
    if not wrong:
        return None
    return f"{_some(wrong)}; --model must name the network that was saved"


def _other_shapes(given: Weights, own: Weights, classes: int) -> str | None:
    wrong = [name for name in own if given[name].shape != own[name].shape]
    if not wrong:
        return None
    # Of a last layer, the first axis alone differs: it is the classes.
    counts = {given[name].shape[:1] for name in wrong}
    last_alone = all(own[n].shape == (classes, *given[n].shape[1:]) for n in wrong)
    if len(counts) == 1 and last_alone and () not in counts:
        ((count,),) = counts
        return (
            f"it tells {count} classes apart and the data have {classes} ({_some(wrong)}); "
            "take data of as many classes, or start without --init_from"
        )
    shapes = [f"{n} is {given[n].shape} there and {own[n].shape} here" for n in wrong]
    return f"{_some(shapes)}; --model and the images' channels must be those of the saved run"


def _other_values(given: Weights, own: Weights) -> str | None:
    """Weights that a network can't begin with: whole numbers for real ones, and infinite ones."""
    kinds = [
        f"{name} is {given[name].dtype}"
        for name in own
        if (given[name].dtype.kind in FLOATS) != (own[name].dtype.kind in FLOATS)
    ]
    if kinds:
        return (
            f"{_some(kinds)}, where the network has floats or counts; if they were quantised, save "
            "the weights as they were before"
        )
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite
        bad = [n for n in own if not np.isfinite(given[n].astype(own[n].dtype)).all()]
    if bad:
        return (
            f"{_some(bad)} has values that are NaN, or infinite in {own[bad[0]].dtype}; take a "
            "checkpoint from before the run diverged"
        )
    return None


def _some(texts: list[str]) -> str:
    more = len(texts) - SHOWN
    return ", ".join(texts[:SHOWN]) + (f" and {more} more" if more > 0 else "")
