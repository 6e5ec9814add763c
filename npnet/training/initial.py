"""Fine-tuning: weights of a checkpoint as the beginning of a new run."""

from __future__ import annotations

from pathlib import Path

from npnet.training.checkpoint import Weights, read_weights
from npnet.training.config import ConfigError
from npnet.training.learner import Learner

__all__ = ["load_initial"]

SHOWN = 3  # names in an error


def load_initial(learner: Learner, path: Path, classes: int) -> None:
    """Take the weights of a safetensors file: npnet's, of any run, or another program's.

    Raises:
        ConfigError: there is no such file, or it is another network's.
        serialization.CheckpointError: the file is damaged.
    """
    if not path.is_file():
        raise ConfigError(f"init_from: there is no file {path}")
    given, own = read_weights(path), learner.weights()
    why = _other_names(given, own) or _other_shapes(given, own, classes)
    if why:
        from safetensors import safe_open  # here: only an error needs it

        with safe_open(path, "numpy") as file:
            model = (file.metadata() or {}).get("model")
        whose = f" (a {model})" if model else ""
        raise ConfigError(f"init_from: {path}{whose} does not fit the network: {why}")
    learner.load_weights(given)


def _other_names(given: Weights, own: Weights) -> str | None:
    wrong = [f"{name} is missing" for name in own if name not in given]
    wrong += [f"{name} is not known" for name in given if name not in own]
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
    if len(counts) == 1 and last_alone:
        (count,) = counts.pop()
        return (
            f"it tells {count} classes apart and the data have {classes} ({_some(wrong)}); "
            "take data of as many classes, or start without --init_from"
        )
    shapes = [f"{n} is {given[n].shape} there and {own[n].shape} here" for n in wrong]
    return f"{_some(shapes)}; --model and the images' channels must be those of the saved run"


def _some(texts: list[str]) -> str:
    more = len(texts) - SHOWN
    return ", ".join(texts[:SHOWN]) + (f" and {more} more" if more > 0 else "")
