"""What a trained network says of pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np

import npnet
from npnet.base.arrays import Array
from npnet.models.checkpoint import Facts
from npnet.prediction.digits import PLACEMENTS, NothingToRead, Placement, prepare_digit
from npnet.prediction.sources import Source

__all__ = ["AUTO", "Guess", "Prediction", "Predictor", "placement_for"]

AUTO = "auto"
NOTHING = "nothing to read"
_BATCH = 64  # pictures that the network is given at once
_STRETCHED = 1.05  # times longer than wide, compared with the network's images: that is told


class Guess(NamedTuple):
    """A class that a picture may be of.

    Example:
        >>> from npnet.prediction import Guess
        >>> Guess("seven", 7, 0.75).probability
        0.75
    """

    name: str
    label: int
    probability: float


@dataclass(frozen=True)
class Prediction:
    """What there is to say of a picture.

    Attributes:
        picture: its name.
        top: the likeliest classes, the likeliest first; none where there is nothing to read.
        inverted: whether it was dark on light, and was inverted.
        note: what the reader should know; "" is nothing.
        error: why it could not be read; "" if it could.
        image: (1, C, H, W), what the network saw.
        picture_array: (1 or 3, H, W), what it was made of.

    Example:
        >>> from npnet.prediction import Guess, Prediction
        >>> Prediction("seven.png", (Guess("7", 7, 0.75),)).top[0].name
        '7'
    """

    picture: str
    top: tuple[Guess, ...] = ()
    inverted: bool = False
    note: str = ""
    error: str = ""
    image: npnet.Tensor | None = field(default=None, compare=False, repr=False)
    picture_array: Array | None = field(default=None, compare=False, repr=False)


def placement_for(facts: Facts) -> Placement | None:
    """How digits lie in the images that a network was trained on; None if these were no digits.

    The name of the data tells, also that of a `.npz` file such as my-mnist.npz, if they were grey
    on a dark ground.
    """
    if facts.image_shape[0] != 1 or facts.mean[0] > 0.5 or facts.pixels.least < 0:
        return None
    name = PurePath(facts.dataset).name.lower()
    if "fashion" in name:
        return None
    return next((place for known, place in PLACEMENTS.items() if known in name), None)


class Predictor:
    """Say of pictures what they show.

    Args:
        model: a network of `models.from_checkpoint`.
        prepare: "digits" makes of each what MNIST has, "none" takes it as it is, "auto" does the
            one for networks that were trained on digits, the other for all others.
        top: how many classes are told of each, at most.
        keep: whether predictions hold the pictures too.

    Example:
        >>> import tempfile
        >>> from npnet.prediction import Predictor
        >>> x, y = np.zeros((6, 28, 28), np.uint8), np.arange(6) % 2
        >>> options = {"val": (x, y), "epochs": 1, "batch_size": 6, "verbose": False}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     history = npnet.training.fit("mlp", (x, y), checkpoint_dir=folder, **options)
        ...     predict = Predictor(npnet.models.from_checkpoint(folder))
        >>> predict.prepared
        'none'
    """

    def __init__(self, model: Any, prepare: str = AUTO, top: int = 3, keep: bool = False) -> None:
        self.model, self.top, self.keep = model, top, keep
        found = placement_for(model.checkpoint)
        self.placement = {
            AUTO: found,
            "digits": found or PLACEMENTS["mnist"],
            "none": None,
        }[prepare]

    @property
    def prepared(self) -> str:
        """The preparation in force: "digits" or "none"."""
        return "none" if self.placement is None else "digits"

    def __call__(self, sources: Iterable[Source]) -> Iterator[Prediction]:
        """Predict, a batch at a time and in order; what can't be read is told in its place."""
        batch: list[Prediction] = []
        for source in sources:
            batch.append(self._seen(source))
            if len(batch) == _BATCH:
                yield from self._decided(batch)
                batch = []
        yield from self._decided(batch)

    def _seen(self, source: Source) -> Prediction:
        """The picture as the network sees it, without what it says of it."""
        try:
            picture, note = source.read()
            kept = picture if self.keep else None
            if picture.min() == picture.max():
                return Prediction(source.name, note=NOTHING)
            if self.placement is None:
                notes = [note, self._stretched(picture)]
                image = self.model.preprocess(picture[None])  # (3, H, W) may be three grey ones
                return Prediction(source.name, note=_joined(notes), image=image, picture_array=kept)
            digit = prepare_digit(picture, self.placement)
            image = self.model.preprocess(digit.image)
            note = _joined([note, digit.note])
            return Prediction(
                source.name, (), digit.inverted, note, image=image, picture_array=kept
            )
        except NothingToRead:
            return Prediction(source.name, note=NOTHING)
        except OSError as error:
            return Prediction(source.name, error=f"{source.name}: {error.strerror or error}")
        except ImportError as error:
            return Prediction(source.name, error=str(error))
        except (ValueError, TypeError) as error:
            why = str(error).removeprefix("preprocess: ")
            is_named = source.name in why
            return Prediction(source.name, error=why if is_named else f"{source.name}: {why}")

    def _stretched(self, picture: Array) -> str:
        height, width = self.model.preprocess.size
        ratio = picture.shape[1] * width / (picture.shape[2] * height)
        if max(ratio, 1 / ratio) <= _STRETCHED:
            return ""
        return f"stretched from {picture.shape[2]} x {picture.shape[1]}"

    def _decided(self, batch: list[Prediction]) -> Iterator[Prediction]:
        images = [each.image for each in batch if each.image is not None]
        said = iter(self._probabilities(images)) if images else iter(())
        for each in batch:
            if each.image is None:
                yield each
            else:
                top = self._top(next(said))
                yield dataclasses.replace(each, top=top)

    def _probabilities(self, images: list[npnet.Tensor]) -> Array:
        with npnet.no_grad():
            logits = self.model(npnet.cat(images)).numpy().astype(np.float64)
        shares = np.exp(logits - logits.max(1, keepdims=True))
        return shares / shares.sum(1, keepdims=True)

    def _top(self, probabilities: Array) -> tuple[Guess, ...]:
        order = np.argsort(-probabilities, kind="stable")[: self.top]
        classes = self.model.classes
        return tuple(Guess(classes[k], int(k), float(probabilities[k])) for k in order)


def _joined(notes: list[str]) -> str:
    return "; ".join(note for note in notes if note)
