"""A photographed digit becomes what the network was trained on, or there is nothing to read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from npnet.prediction.digits import PLACEMENTS, NothingToRead, Placement, prepare_digit
from npnet.prediction.marks import find_marks
from npnet.prediction.paper import find_ink, reduced
from tests.campaign import trials
from tests.prediction import Trained, trained
from tests.prediction.photos import SHADES, blank, on_sheet, photograph, shaded, two_colours

__all__ = ["trained"]  # a fixture

Array = np.ndarray[Any, Any]
CLEARLY = 2  # times as far from any other class, in squares


def says(trained: Trained, images: list[Array]) -> Array:
    """The classes of the nearest training images.

    A judge that every CPU computes alike, in whole numbers: what a network says of a picture at the
    limit of what can be read hangs on the last bits of its training.
    """
    return trained.labels_train[distances(trained, images).argmin(1)]


def distances(trained: Trained, images: list[Array]) -> Array:
    """Sums of squares from each image to each training image."""
    x, y = (np.stack(i).reshape(len(i), -1).astype(int) for i in (images, trained.images_train))
    return (x * x).sum(1)[:, None] - 2 * x @ y.T + (y * y).sum(1)


def sure(trained: Trained, count: int) -> list[Array]:
    """Images that lie clearly nearer to one class than to any other."""
    near = distances(trained, list(trained.images))
    nearest = np.stack([near[:, trained.labels_train == k].min(1) for k in range(10)], 1)
    first, second = np.sort(nearest, 1)[:, :2].T
    return list(trained.images[second > CLEARLY * first][:count])


# ---- what comes out ------------------------------------------------------------------------------


def bar(height: int, width: int, side: int = 200) -> Array:
    """A dark bar on white paper, off the middle."""
    picture = np.full((1, side, side), 255, np.uint8)
    picture[0, 20 : 20 + height, 30 : 30 + width] = 10
    return picture


@pytest.mark.parametrize(("height", "width"), [(120, 20), (30, 140), (100, 100)])
def test_longer_side_is_twenty_pixels_and_the_proportion_is_kept(height: int, width: int) -> None:
    prepared = prepare_digit(bar(height, width))
    image = prepared.image[0]
    assert (image.shape, image.dtype, prepared.inverted) == ((28, 28), np.uint8, True)
    rows, columns = np.nonzero(image > 127)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20)
    ratio = (np.ptp(rows) + 1) / (np.ptp(columns) + 1)
    assert ratio == pytest.approx(height / width, rel=0.35)  # of a bar 3 pixels wide


def test_centre_of_mass_is_in_the_middle(trained: Trained) -> None:
    rng = np.random.default_rng(0)
    for digit in trained.images[:10, 0]:
        sheet = 255 - (200 * on_sheet(digit, 300, 150, rng)).astype(np.uint8)
        image = prepare_digit(sheet[None]).image[0].astype(float)
        for axis in (0, 1):
            centre = image.sum(1 - axis) @ np.arange(28) / image.sum()
            assert 13.45 <= centre <= 14.55


def test_other_data_sets_lie_otherwise() -> None:
    wide = prepare_digit(bar(120, 60), Placement(26, by_mass=False)).image[0]
    rows, columns = np.nonzero(wide > 127)
    assert (rows.min(), rows.max()) == (1, 26)
    assert columns.min() + columns.max() == 27
    assert PLACEMENTS["emnist"].box == 24


@pytest.mark.parametrize("invert", [False, True])
def test_an_image_that_is_one_already_stays_itself(trained: Trained, invert: bool) -> None:
    for image in trained.images[:50]:
        prepared = prepare_digit(255 - image if invert else image)
        np.testing.assert_array_equal(prepared.image, image)
        assert prepared.inverted == invert


def test_an_image_of_its_size_that_is_not_centred_is_prepared(trained: Trained) -> None:
    image = np.roll(trained.images[0], (-3, 3), (1, 2))
    moved = prepare_digit(image).image[0].astype(float)
    assert not np.array_equal(moved, image[0])
    assert 13.45 <= moved.sum(1) @ np.arange(28) / moved.sum() <= 14.55


def test_picture_is_not_written_to(trained: Trained) -> None:
    for dtype in (np.uint8, np.float32):
        picture = (255 - on_sheet(trained.images[0, 0], 80, 60, np.random.default_rng(0)) * 200)[
            None
        ]
        picture = picture.astype(dtype)
        before = picture.copy()
        prepare_digit(picture)
        np.testing.assert_array_equal(picture, before)


def test_units_of_floats_do_not_matter(trained: Trained) -> None:
    picture = 255 - on_sheet(trained.images[0, 0], 80, 60, np.random.default_rng(0))[None] * 200
    images = [prepare_digit(np.float32(scale * picture + shift)).image
              for scale, shift in ((1, 0), (1 / 255, 0), (1e4, -7e5))]  # fmt: skip
    for image in images[1:]:
        np.testing.assert_allclose(image.astype(int), images[0], atol=1)


# ---- whatever the paper, the pen and the light ---------------------------------------------------

GREY: Any = (40,), (240,)


def stroke(change: Callable[[Image.Image], Image.Image]) -> Callable[[Array, Any], Array]:
    def draw(digit: Array, rng: np.random.Generator) -> Array:
        ink = Image.fromarray(np.uint8(255 * (on_sheet(digit, 400, 280, rng) > 0.5)))
        return two_colours(np.asarray(change(ink), np.float32) / 255, *GREY, rng)

    return draw


def pen(ink: Any, paper: Any, side: int = 300, size: int = 150) -> Callable[[Array, Any], Array]:
    def draw(digit: Array, rng: np.random.Generator) -> Array:
        return two_colours(on_sheet(digit, side, size, rng), ink, paper, rng)

    return draw


def lit(light: Callable[[Array, Array], Array]) -> Callable[[Array, Any], Array]:
    def draw(digit: Array, rng: np.random.Generator) -> Array:
        y, x = np.mgrid[:300, :300] / 300
        picture = (235 - 190 * on_sheet(digit, 300, 150, rng)) * light(y, x)
        return np.clip(picture + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)[None]

    return draw


def ruled(squared: bool) -> Callable[[Array, Any], Array]:
    def draw(digit: Array, rng: np.random.Generator) -> Array:
        picture = 245 - 205 * on_sheet(digit, 400, 180, rng)
        for start in range(int(rng.integers(0, 50)), 400, 50):
            lines = [(slice(start, start + 2), slice(None))]
            lines += [(slice(None), slice(start, start + 2))] if squared else []
            for where in lines:
                picture[where] = np.minimum(picture[where], 175)
        return np.clip(picture + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)[None]

    return draw


def cut(picture: Array) -> Array:
    return picture[:, :, 30:]  # the digit begins where the picture does


KINDS: dict[str, Callable[[Array, Any], Array]] = {
    "grey paper": pen((50,), (150,)),
    "chalk on a board": pen((200,), (50,)),
    "faint pencil": pen((185,), (230,)),
    "small on a large sheet": pen((40,), (240,), 1000, 60),
    "blue ink": pen((40, 60, 200), (250, 250, 245)),
    "yellow ink": pen((235, 210, 30), (250, 250, 245)),
    "red on green": pen((200, 40, 40), (90, 180, 90)),
    "white on red": pen((250, 250, 250), (200, 40, 40)),
    "thin pen": stroke(lambda ink: ink.filter(ImageFilter.MinFilter(5))),
    "felt pen": stroke(lambda ink: ink.filter(ImageFilter.MaxFilter(15))),
    "a lamp at the side": lit(lambda y, x: 1 - 0.6 * x),
    "a shadow": lit(lambda y, x: 0.6 + 0.4 / (1 + np.exp(40 * (x + y - 1)))),
    "a bright middle": lit(lambda y, x: 1.1 - 1.4 * ((y - 0.5) ** 2 + (x - 0.5) ** 2)),
    "ruled paper": ruled(squared=False),
    "squared paper": ruled(squared=True),
    "touching the edge": lambda digit, rng: cut(pen(*GREY, 210, 210)(digit, rng)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_pictures(trained: Trained, kind: str) -> None:
    rng = np.random.default_rng(3)
    count = 20
    clean = sure(trained, count)
    assert len(clean) == count
    seen = [prepare_digit(KINDS[kind](image[0], rng)) for image in clean]
    agree = says(trained, [each.image for each in seen]) == says(trained, clean)
    assert agree.sum() >= count - 1
    assert {each.inverted for each in seen} == {kind not in ("chalk on a board", "white on red")}


@pytest.mark.campaign
def test_photographs_are_what_the_clean_digits_are(trained: Trained) -> None:
    most = trials(600, 2000)
    rng = np.random.default_rng(1)
    clean = sure(trained, trials(20, 299))
    seen = [prepare_digit(photograph(image[0], rng, most)).image for image in clean]
    agree = says(trained, seen) == says(trained, clean)
    assert agree.mean() >= 0.95


@pytest.mark.campaign
def test_blank_paper_is_nothing_to_read() -> None:
    rng = np.random.default_rng(2)
    for _ in range(trials(15, 500)):
        with pytest.raises(NothingToRead):
            prepare_digit(blank(rng, 600))


@pytest.mark.parametrize("kind", list(SHADES))
def test_shades_of_empty_paper_are_nothing_to_read(kind: str) -> None:
    with pytest.raises(NothingToRead):
        prepare_digit(shaded(kind))


@pytest.mark.parametrize("kind", ["shadow", "round shadow", "crease"])
def test_a_digit_beside_a_shade_is_read(kind: str, trained: Trained) -> None:
    picture, clean = shaded(kind).copy(), sure(trained, 1)[0]
    digit = np.kron(clean[0], np.ones((5, 5), np.uint8))
    picture[0, 30:170, 220:360][digit > 127] = 40
    assert (says(trained, [prepare_digit(picture).image]) == says(trained, [clean])).all()


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 5), (1, 28, 28), (1, 1, 400), (3, 500, 3)])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_nothing_on_plain_pictures_of_any_size(shape: tuple[int, ...], value: int) -> None:
    with pytest.raises(NothingToRead):
        prepare_digit(np.full(shape, value, np.uint8))
    with pytest.raises(NothingToRead):
        prepare_digit(np.full(shape, value, np.float32))


def test_noise_of_any_size_is_told_or_read_but_never_fails() -> None:
    rng = np.random.default_rng(4)
    for shape in ((1, 1, 2), (1, 3, 3), (3, 5, 40), (1, 28, 28), (1, 29, 7), (3, 64, 64)):
        for _ in range(5):
            try:
                image = prepare_digit(rng.integers(0, 256, shape, np.uint8)).image
                assert image.shape == (1, 28, 28)
            except NothingToRead:
                pass


def test_two_digits_are_told(trained: Trained) -> None:
    rng = np.random.default_rng(5)
    notes = []
    for left, right in trained.images[:20, 0].reshape(10, 2, 28, 28):
        ink = np.hstack([on_sheet(digit, 200, 160, rng) for digit in (left, right)])
        notes.append(prepare_digit(two_colours(ink, *GREY, rng)).note)
    assert notes.count("more than one digit?") >= 9
    assert (
        prepare_digit(two_colours(on_sheet(trained.images[0, 0], 200, 160, rng), *GREY, rng)).note
        == ""
    )


# ---- the parts -----------------------------------------------------------------------------------


def flooded(mask: Array) -> Array:
    """Labels by the simplest way: each takes the least of its neighbours', until none changes."""
    labels = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        padded = np.pad(
            np.where(labels > 0, labels, mask.size + 1), 1, constant_values=mask.size + 1
        )
        h, w = mask.shape
        least = np.min([padded[i : i + h, j : j + w] for i in range(3) for j in range(3)], 0)
        changed = np.where(mask, least, 0)
        if np.array_equal(changed, labels):
            return labels
        labels = changed


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.8])
def test_marks_are_what_hangs_together(share: float) -> None:
    rng = np.random.default_rng(6)
    for shape in ((1, 1), (1, 9), (9, 1), (13, 17), (30, 30)):
        mask = rng.random(shape) < share
        labels, marks = find_marks(mask)
        expected = flooded(mask)
        assert len(marks) == len(np.unique(expected[mask]))
        assert [m.area for m in marks] == sorted((m.area for m in marks), reverse=True)
        for mark in marks:
            rows, columns = np.nonzero(labels == mark.number)
            assert len(np.unique(expected[labels == mark.number])) == 1
            assert (mark.area, mark.top, mark.bottom) == (len(rows), rows.min(), rows.max())
            assert (mark.left, mark.right) == (columns.min(), columns.max())
            assert mark.at_edge == (
                rows.min() == 0 or columns.min() == 0
                or rows.max() == shape[0] - 1 or columns.max() == shape[1] - 1
            )  # fmt: skip
        assert (labels > 0).sum() == mask.sum()


@pytest.mark.parametrize("shape", [(1, 10, 10), (3, 641, 320), (1, 3, 1000), (2, 320, 320)])
def test_reduced_is_means_of_squares(shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(7).integers(0, 256, shape, np.uint8)
    small = reduced(picture, 320)
    factor = -(-max(shape) // 320)
    rows, columns = min(factor, shape[1]), min(factor, shape[2])
    assert small.shape == (shape[0], shape[1] // rows, shape[2] // columns)
    assert small[0, 0, 0] == pytest.approx(picture[0, :rows, :columns].mean(), rel=1e-6)
    assert small[-1, -1, -1] == pytest.approx(
        picture[-1, : small.shape[1] * rows, : small.shape[2] * columns][-rows:, -columns:].mean(),
        rel=1e-6,
    )


def test_paper_is_none_and_ink_is_all() -> None:
    picture = np.full((3, 100, 100), 0.9, np.float32)
    picture[:, 40:60, 48:52] = [[[0.1]], [[0.2]], [[0.8]]]
    ink = find_ink(picture)
    assert not ink.is_light
    assert np.abs(ink.amount[:30]).max() < ink.least
    assert ink.amount[45:55, 49:51].min() > 0.5
    assert np.abs(ink.axis).sum() == pytest.approx(1)
    assert (ink.axis < 0).all()
