"""MixUp and CutMix beside torchvision's, from the same share and the same rectangle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import npnet
from npnet.transforms import v2
from tests.torchvision_import import import_torchvision

FLOAT32 = {"rtol": 1e-6, "atol": 1e-6}  # means of two numbers
LABELS = [2, 0, 1, 2]


@pytest.fixture(scope="module")
def theirs() -> Any:
    import_torchvision()
    import torchvision.transforms.v2

    return torchvision.transforms.v2


def images() -> Any:
    return np.random.default_rng(0).random((4, 3, 6, 8), np.float32)


@pytest.mark.parametrize("probabilities", [False, True])
def test_mixup_is_torchvisions(
    theirs: Any, probabilities: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, t = images(), np.eye(3, dtype=np.float32)[LABELS] if probabilities else np.array(LABELS)
    ours, reference = v2.MixUp(num_classes=3), theirs.MixUp(num_classes=3)
    assert repr(ours) == repr(reference)
    monkeypatch.setattr(ours, "_share", lambda: 0.3)
    monkeypatch.setattr(reference, "make_params", lambda flat: {"lam": 0.3})
    y, labels = ours(npnet.tensor(x), npnet.tensor(t))
    y_ref, labels_ref = reference(torch.tensor(x), torch.tensor(t))
    assert_allclose(y, y_ref, **FLOAT32)
    assert_allclose(labels, labels_ref, **FLOAT32)
    assert labels.dtype == npnet.float32


class Places:
    """A generator that draws these."""

    def __init__(self, drawn: tuple[int, ...]) -> None:
        self._drawn = iter(drawn)

    def integers(self, high: int) -> int:
        return next(self._drawn)


@pytest.mark.parametrize(("share", "middle"), [(0.5, (3, 4)), (0.75, (0, 0)), (0.1, (7, 5))])
def test_cutmix_is_torchvisions(
    theirs: Any, share: float, middle: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, t = images(), np.array(LABELS)
    ours, reference = v2.CutMix(num_classes=3), theirs.CutMix(num_classes=3)
    monkeypatch.setattr(ours, "_share", lambda: share)
    monkeypatch.setattr(reference._dist, "sample", lambda size: torch.tensor(share))
    monkeypatch.setattr("npnet.transforms.mixing.numpy_generator", lambda _: Places(middle))
    places = iter(middle)
    monkeypatch.setattr(torch, "randint", lambda n, size: torch.tensor([next(places)]))
    y, labels = ours(npnet.tensor(x), npnet.tensor(t))
    y_ref, labels_ref = reference(torch.tensor(x), torch.tensor(t))
    assert_allclose(y, y_ref, **FLOAT32)
    assert_allclose(labels, labels_ref, **FLOAT32)


def test_shares_are_drawn() -> None:
    npnet.manual_seed(0)
    x, t = npnet.tensor(images()), npnet.tensor(LABELS)
    assert_allclose(v2.MixUp(num_classes=3)(x, t)[1].sum(1), np.ones(4), **FLOAT32)
    shares = [v2.MixUp(alpha=2.0, num_classes=3)(x, t)[1][1].tolist()[0] for _ in range(400)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.05)
    assert np.var(shares) == pytest.approx(1 / 20, abs=0.015)  # of Beta(2, 2)
    npnet.manual_seed(0)
    first = v2.CutMix(num_classes=3)(x, t)
    npnet.manual_seed(0)
    second = v2.CutMix(num_classes=3)(x, t)
    assert npnet.equal(first[0], second[0])
    assert npnet.equal(first[1], second[1])


def test_one_of_both_is_chosen() -> None:
    npnet.manual_seed(0)
    choose = v2.RandomChoice([v2.CutMix(num_classes=3), v2.MixUp(num_classes=3)])
    x, t = npnet.tensor(images()), npnet.tensor(LABELS)
    kinds = set()
    for _ in range(20):
        y, labels = choose(x, t)
        assert labels.shape == (4, 3)
        kinds.add(bool(np.isin(y.numpy(), x.numpy()).all()))
    assert kinds == {True, False}
    assert v2.RandomChoice([v2.Identity()])(x) is x


def test_places_of_labels() -> None:
    x, t = npnet.tensor(images()), npnet.tensor(LABELS)
    batch = v2.MixUp(num_classes=3)({"picture": x, "Labels": t, "name": "a"})
    assert (batch["name"], batch["Labels"].shape) == ("a", (4, 3))
    first = v2.MixUp(num_classes=3, labels_getter=lambda batch: batch[0])([t, x])
    assert [y.shape for y in first] == [(4, 3), (4, 3, 6, 8)]


REFUSED = [
    lambda ns, place, x, t: place.MixUp()(x, t),
    lambda ns, place, x, t: place.MixUp(num_classes=3)(x[:2], t),
    lambda ns, place, x, t: place.CutMix(num_classes=3)(x[0], t),
    lambda ns, place, x, t: place.CutMix(num_classes=2)(x, ns.zeros(4, 3)),
    lambda ns, place, x, t: place.CutMix(num_classes=2)(x, ns.zeros(4, 3, 1)),
    lambda ns, place, x, t: place.CutMix(num_classes=2)(x, LABELS),
]


@pytest.mark.parametrize("call", REFUSED)
def test_what_is_refused(theirs: Any, call: Any) -> None:
    for ns, place in ((npnet, v2), (torch, theirs)):
        with pytest.raises(ValueError, match=r"labels|batch|num_classes|dim"):
            call(ns, place, ns.tensor(images()), ns.tensor(LABELS))
