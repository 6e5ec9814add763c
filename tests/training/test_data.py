"""The data of a run: split, statistics, order and batches."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npnet
from npnet.datasets import ImageData, cifar10, fashion_mnist, mnist
from npnet.datasets._augmentation import characters, photographs
from npnet.runs.errors import ConfigError
from npnet.runs.streams import epoch_order
from npnet.training.config import Config
from npnet.training.data import Data, Split, prepare, split_up


def prepared(config: Config) -> Data:
    return prepare(config, notice=pytest.fail)


def test_splits_are_disjoint_and_whole(small: Config) -> None:
    data = prepared(small)
    assert (len(data.train), len(data.val), len(data.test)) == (192, 48, 60)
    stored = prepared(dataclasses.replace(small, val_ratio=0.0)).train.x
    together = np.concatenate([data.train.x, data.val.x])
    assert sorted(map(bytes, together)) == sorted(map(bytes, stored))


def test_split_follows_from_the_seed(small: Config) -> None:
    first, again = prepared(small), prepared(small)
    other = prepared(dataclasses.replace(small, seed=1))
    np.testing.assert_array_equal(first.val.x, again.val.x)
    assert not np.array_equal(first.val.x, other.val.x)


def test_images_get_the_size_of_the_network(small: Config) -> None:
    data = prepared(small)
    assert data.image_shape == (1, 32, 32)
    assert data.test.x.shape == (60, 1, 32, 32)
    assert data.train.x.dtype == np.uint8


def test_batches_are_standardised_and_complete(small: Config) -> None:
    data = prepared(small)
    batches = list(data.batches(data.train, 50))
    assert [len(y) for _, y in batches] == [50, 50, 50, 42]
    x = np.concatenate([x for x, _ in batches])
    assert x.dtype == np.float32
    np.testing.assert_allclose([x.mean(), x.std()], [0, 1], atol=1e-4)  # float32 rounding
    np.testing.assert_array_equal(np.concatenate([y for _, y in batches]), data.train.y)


def test_order_follows_from_seed_and_epoch() -> None:
    order = epoch_order(0, 3, 100)
    np.testing.assert_array_equal(np.sort(order), np.arange(100))
    np.testing.assert_array_equal(order, epoch_order(0, 3, 100))
    assert not np.array_equal(order, epoch_order(0, 4, 100))
    assert not np.array_equal(order, epoch_order(1, 3, 100))


def test_batches_of_an_epoch_follow_its_order(small: Config) -> None:
    data = prepared(small)
    y = np.concatenate([y for _, y in data.epoch(0, 1, 32)])
    np.testing.assert_array_equal(y, data.train.y[epoch_order(0, 1, len(data.train))])


@pytest.mark.parametrize("size", [1, 15, 16, 17, 127])
@pytest.mark.parametrize("channels", [1, 3])
def test_batches_have_the_same_bits_in_both_backends(channels: int, size: int) -> None:
    rng = np.random.default_rng(size)
    x = rng.integers(0, 256, (300, channels, 9, 7), dtype=np.uint8)
    split = Split(x, np.arange(300))
    mean, std = rng.uniform(0.1, 1, (2, channels)).tolist()
    data = Data("drawn", ("0", "1"), split, split, split, tuple(mean), tuple(std))
    found = []
    for backend, threads in (("numpy", 1), ("numba", 1), ("numba", 2)):
        npnet.set_backend(backend)
        npnet.set_num_threads(threads)
        found.append([(x.tobytes(), y.tobytes()) for x, y in data.epoch(0, 1, size)])
    assert found[0] == found[1] == found[2]
    floats = Split(x.astype(np.float32) / np.float32(255), split.y)
    expected = next(data.batches(split, size))[0]
    np.testing.assert_array_equal(next(data.batches(floats, size))[0], expected)


def test_images_as_a_view_are_standardised_too() -> None:
    x = np.random.default_rng(0).integers(0, 256, (20, 1, 6, 12), dtype=np.uint8)
    view, copy = (Split(a, np.arange(20)) for a in (x[..., ::2], x[..., ::2].copy()))
    data = Data("drawn", ("0", "1"), view, view, view, (0.5,), (0.3,))
    (ours, _), (theirs, _) = next(data.batches(view, 20)), next(data.batches(copy, 20))
    np.testing.assert_array_equal(ours, theirs)


def test_constant_images_are_not_divided_by_zero(tmp_path: Path) -> None:
    path = tmp_path / "flat.npz"
    np.savez(path, x=np.full((40, 8, 8), 7, np.uint8), y=np.arange(40) % 2)
    data = prepared(Config(dataset=str(path), batch_size=8))
    x, _ = next(data.batches(data.train, 8))
    np.testing.assert_allclose(x, 0, atol=1e-6)  # float32 rounding of 7/255


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 193}, "batch_size: must be at most the 192 training images, got 193"),
        ({"val_ratio": 0.001}, "leaves an empty split"),
        ({"val_ratio": 0.999}, "leaves an empty split"),
    ],
)
def test_impossible_splits_are_refused(
    small: Config, change: dict[str, float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        prepared(dataclasses.replace(small, **change))  # type: ignore[arg-type]


def test_no_validation(small: Config) -> None:
    data = prepared(dataclasses.replace(small, val_ratio=0.0))
    assert (len(data.train), len(data.val)) == (240, 0)


def test_augmented_images_follow_from_seed_epoch_and_batch(small: Config) -> None:
    data = prepared(dataclasses.replace(small, augment=True))

    def epoch(seed: int, number: int, threads: int = 1) -> np.ndarray:
        npnet.set_num_threads(threads)
        return np.concatenate([x for x, _ in data.epoch(seed, number, 32)])

    first = epoch(0, 1)
    np.testing.assert_array_equal(first, epoch(0, 1, threads=2))
    order = epoch_order(0, 1, len(data.train))
    plain = np.concatenate([x for x, _ in data.batches(data.train, 32)])[order]
    changed = (first != plain).any((1, 2, 3))
    assert changed.mean() > 0.9  # a draw may come out as no change
    # An image that comes at the same place in two epochs must be drawn anew.
    second, again = epoch(0, 2), epoch_order(0, 2, len(data.train))
    back, forth = np.argsort(order), np.argsort(again)
    assert (first[back] != second[forth]).any((1, 2, 3)).mean() > 0.9
    for x, y in zip(data.batches(data.val, 32), data.batches(data.val, 32), strict=True):
        np.testing.assert_array_equal(x[0], y[0])


def test_alternating_flips_show_both_sides_in_two_epochs() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (200, 3, 8, 8), dtype=np.uint8)
    split, size, nothing = Split(images, np.arange(200) % 10), (0.5,) * 3, (1.0,) * 3
    data = Data("drawn", tuple("0123456789"), split, split, split, size, nothing, alternates=True)
    plain = np.concatenate([x for x, _ in data.batches(split, 200)])

    def mirrored(seed: int, number: int) -> np.ndarray:
        x = np.concatenate([x for x, _ in data.epoch(seed, number, 32)])
        order = epoch_order(seed, number, 200)
        as_they_are = (x == plain[order]).all((1, 2, 3))
        np.testing.assert_array_equal(x[~as_they_are], plain[order][~as_they_are][..., ::-1])
        return ~as_they_are[np.argsort(order)]

    first = mirrored(0, 1)
    assert 0.3 < first.mean() < 0.7
    np.testing.assert_array_equal(mirrored(0, 2), ~first)
    np.testing.assert_array_equal(mirrored(0, 3), first)
    assert (mirrored(1, 1) != first).any()


def test_alternating_flips_take_the_place_of_the_coins() -> None:
    config = Config(dataset="cifar10", batch_size=16, augment=True, alternating_flip=True)
    images = np.zeros((40, 3, 32, 32), np.uint8)
    labels, names = np.arange(40) % 10, tuple("0123456789")
    source = ImageData("cifar10", images, labels, images, labels, names, photographs)
    data = split_up(config, source)
    assert data.alternates
    assert [type(t).__name__ for t in data.augment.transforms] == ["RandomCrop"]  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match="alternating_flip: --augment mirrors no images of cifar"):
        split_up(config, dataclasses.replace(source, augmentation=characters))


@pytest.mark.parametrize("augment", [False, True])
def test_cutout_hides_a_square_under_the_mean_colour(small: Config, augment: bool) -> None:
    plain = prepared(dataclasses.replace(small, augment=augment))
    data = prepared(dataclasses.replace(small, augment=augment, cutout=9))
    mean, std = np.asarray(data.mean) * 255, np.asarray(data.std) * 255
    colour = ((np.rint(mean) - mean) / std).astype(np.float32)  # what a byte can say of it
    for (x, y), (seen, labels) in zip(data.epoch(0, 1, 32), plain.epoch(0, 1, 32), strict=True):
        np.testing.assert_array_equal(y, labels)
        hidden = x != seen
        assert hidden.any((1, 2, 3)).mean() > 0.9  # a square may fall on pixels of that colour
        assert hidden.sum((1, 2, 3)).max() <= 9 * 9
        np.testing.assert_allclose(x[hidden], colour[0], atol=1e-5)  # float32 rounding
    for x, y in zip(data.batches(data.val, 32), plain.batches(plain.val, 32), strict=True):
        np.testing.assert_array_equal(x[0], y[0])


def test_cutout_of_float_images_has_their_mean(small: Config, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(2.0, 3.0, (60, 32, 32, 3)).astype(np.float32)
    np.savez(tmp_path / "floats.npz", x=x, y=np.arange(60) % 3)
    data = prepared(dataclasses.replace(small, dataset=str(tmp_path / "floats.npz"), cutout=8))
    for x, _ in data.epoch(0, 1, 16):
        hidden = (np.abs(x) < 1e-5).all(1)  # standardised, the mean is 0; noise hardly ever is
        assert (hidden.sum((1, 2)) >= 16).all()  # a quarter of a square is inside at least


def test_cutout_leaves_something_to_see(small: Config) -> None:
    with pytest.raises(ConfigError, match="cutout: must be below the 32 pixels of a side"):
        prepared(dataclasses.replace(small, cutout=32))
    with pytest.raises(ConfigError, match="cutout"):
        dataclasses.replace(small, cutout=0)


def test_large_images_are_resized_batch_by_batch(
    small: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(small, model="resnet18", image_size=40)
    at_once = prepared(config)
    monkeypatch.setattr("npnet.training.data._RESIZED_MOST", 1000)
    later = prepared(config)
    assert at_once.train.x.shape == (192, 1, 40, 40)
    assert later.train.x.shape == (192, 1, 12, 12)
    assert (at_once.mean, at_once.std) == (later.mean, later.std)
    assert at_once.image_shape == later.image_shape == (1, 40, 40)
    for (x, _), (y, _) in zip(at_once.epoch(0, 1, 32), later.epoch(0, 1, 32), strict=True):
        np.testing.assert_array_equal(x, y)


def test_image_size_must_suit_the_network(small: Config) -> None:
    with pytest.raises(ConfigError, match="lenet4 takes images of 32 pixels a side, got 28"):
        prepared(dataclasses.replace(small, image_size=28))
    with pytest.raises(ConfigError, match="resnet18 takes images of 32 or more pixels"):
        prepared(dataclasses.replace(small, model="resnet18", image_size=16))


def own_images(channels: int) -> ImageData:
    x, y = np.zeros((2, channels, 8, 8), np.uint8), np.arange(2)
    return ImageData("mine", x, y, x, y, ("a", "b"))


@pytest.mark.parametrize(
    "source",
    [mnist.SOURCE, fashion_mnist.SOURCE, cifar10.SOURCE, own_images(1), own_images(3)],
    ids=["mnist", "fashion-mnist", "cifar10", "characters.npz", "photographs.npz"],
)
@pytest.mark.parametrize("size", [(28, 28), (32, 40)])
def test_standard_augmentation_keeps_shape_and_bytes(source: Any, size: tuple[int, int]) -> None:
    x = np.random.default_rng(0).integers(0, 256, (9, 3, *size), np.uint8)
    y = source.augmentation(size)(x, np.random.default_rng(0))
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    assert not np.array_equal(x, y)
