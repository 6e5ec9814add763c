"""The page in a real browser: drawn in by events, read as people and screen readers read it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image

import npnet
from npnet import cli, datasets, models
from npnet.backend import by_numpy
from npnet.base.arrays import Array
from npnet.datasets import ImageData
from npnet.plots.explain import input_gradient
from npnet.prediction.digits import prepare_digit
from npnet.runs.files import SNAPSHOTS
from npnet.serialization import to_bytes
from tests.web.browser import (
    SEVEN,
    THREE,
    ZERO,
    browser,
    click,
    draw,
    needs_browser,
    opened,
    settle,
    touch,
)
from tests.web.checkpoints import DIGITS, checkpoint
from tests.web.node import traced

pytestmark = [needs_browser, pytest.mark.slow]

TOLERANCE = 1e-4  # of each layer's largest value, as in Node
TENTH = 0.0005001  # of a percent: as shares are written

PAD = """
const context = document.getElementById("pad").getContext("2d");
const { data } = context.getImageData(0, 0, 280, 280);
return Array.from({ length: 280 * 280 }, (_, k) => data[4 * k]);
"""
VALUES = "return explorer.shown[arguments[0]].values.map((v) => Array.from(v))"
OVERFLOW = "return document.documentElement.scrollWidth - window.innerWidth"


def _test_images(name: str, data_dir: Any = None, *, download: bool = True) -> ImageData:
    rng = np.random.default_rng(0)
    shape, classes = ((1, 28, 28), DIGITS) if name == "mnist" else ((3, 32, 32), ())
    x: Array = rng.integers(0, 256, (20, *shape), np.uint8)
    return ImageData(name, x, np.arange(20) % 10, x, np.arange(20) % 10, classes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def page(folder: Path) -> Path:
    """A LeNet-5 that was never trained: what it says of a 7 is what npnet says."""
    checkpoint(folder / "one")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "load", _test_images)
        assert cli.main(["export", str(folder / "one"), "--output", str(folder / "one.html")]) == 0
    return folder / "one.html"


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with browser(1000, 900) as found:
        yield found


def _model(place: Path) -> Any:
    return models.from_checkpoint(place)


def _drawn(driver: Any) -> Array:
    """What is on the pad."""
    return np.array(driver.execute_script(PAD), np.uint8).reshape(1, 280, 280)


def _answer(driver: Any) -> str:
    return str(driver.find_element("id", "answer").text)


def _shares(driver: Any) -> list[float]:
    """The shares of the classes, as the bars tell them."""
    nodes = driver.find_elements("css selector", ".bars .share div")
    return [float(node.text.rstrip("%")) / 100 for node in nodes]


def _probabilities(model: Any, given: npnet.Tensor) -> Array:
    with npnet.no_grad(), by_numpy():
        return np.asarray(model(given).softmax(1).numpy()[0])


# ---- drawing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["mouse", "touch", "pen"])
def test_a_drawing_is_answered_as_by_npnet(kind: str, page: Path, driver: Any) -> None:
    model = _model(page.parent / "one")
    opened(driver, page)
    assert _answer(driver) == "draw something"
    draw(driver, SEVEN, kind)
    given = model.preprocess(prepare_digit(_drawn(driver)).image)
    wanted = _probabilities(model, given)
    assert_allclose(_shares(driver), wanted, rtol=0, atol=TENTH)
    best = int(wanted.argmax())
    assert _answer(driver) == f"{best} {100 * wanted[best]:.1f} %"


def test_every_layer_has_npnets_numbers(page: Path, driver: Any) -> None:
    from npnet.plots.explain import feature_maps

    model = _model(page.parent / "one")
    opened(driver, page)
    draw(driver, THREE)
    given = model.preprocess(prepare_digit(_drawn(driver)).image)
    graph, _ = traced(model, (1, 32, 32))
    values = driver.execute_script(VALUES, 0)
    with npnet.no_grad(), by_numpy():
        maps = feature_maps(model, given)
        logits = model(given).numpy()
    named = {
        layer["path"]: np.reshape(value, layer["shape"])
        for layer, value in zip(graph.layers, values, strict=True)
        if layer["path"]
    }
    assert maps.keys() <= named.keys()
    for name, wanted in maps.items():
        scale = max(1.0, float(np.abs(wanted).max()))
        found = named[name].reshape(wanted.shape)
        assert_allclose(found, wanted, rtol=0, atol=TOLERANCE * scale, err_msg=name)
    assert_allclose(np.reshape(values[-1], (1, 10)), logits, rtol=0, atol=TOLERANCE)


def test_undo_and_clear(page: Path, driver: Any) -> None:
    opened(driver, page)
    draw(driver, [*SEVEN, *ZERO])
    both = _drawn(driver)
    click(driver, "#undo")
    draw(driver, [])
    assert 0 < np.count_nonzero(_drawn(driver)) < np.count_nonzero(both)
    click(driver, "#clear")
    assert not _drawn(driver).any()
    assert _answer(driver) == "draw something"
    assert driver.find_elements("css selector", ".bars") == []


def test_a_point_is_answered_too(page: Path, driver: Any) -> None:
    """Not by a word of NaN; a click is a dot."""
    opened(driver, page)
    click(driver, "#pad")
    assert _drawn(driver).max() == 255
    assert "%" in _answer(driver)


def test_a_finger_draws_and_does_not_scroll(page: Path) -> None:
    with browser(360, 700) as driver:
        opened(driver, page)
        before = driver.execute_script("return window.scrollY")
        draw(driver, [[(0.5, 0.1), (0.5, 0.5), (0.5, 0.95)]], "touch")
        assert _drawn(driver).any()
        assert abs(driver.execute_script("return window.scrollY") - before) < 200
        assert driver.execute_script("return getComputedStyle(pad).touchAction") == "none"
        assert driver.execute_script(OVERFLOW) <= 0


@pytest.mark.parametrize("width", [800, 1400])
def test_nothing_is_wider_than_the_window(width: int, page: Path) -> None:
    with browser(width, 900, dark=True) as driver:
        opened(driver, page)
        draw(driver, THREE)
        assert driver.execute_script(OVERFLOW) <= 0
        assert driver.execute_script("return document.documentElement.dataset.theme") == "dark"
        click(driver, "#theme")
        assert driver.execute_script("return document.documentElement.dataset.theme") == "light"


# ---- a unit --------------------------------------------------------------------------------------


def test_a_unit_tells_its_sum(page: Path, driver: Any) -> None:
    opened(driver, page)
    draw(driver, THREE)
    conv2 = driver.find_elements("css selector", "canvas[data-layer]")[3]
    touch(driver, conv2, 20, 20)
    why = driver.find_element("id", "why").text
    assert why.startswith("conv2 · map ")
    assert "150 terms add up to " in why
    assert "it sees 14 \u00d7 14 pixels" in why
    rows = driver.find_elements("css selector", "#why tbody tr")
    assert len(rows) == 60
    driver.find_element("css selector", "body").send_keys("\ue00c")  # Escape
    settle(driver)
    assert not driver.find_element("id", "inspector").is_displayed()


TERMS = """
const { net, values, picture } = explorer.shown[0], all = [];
net.layers.forEach((layer, k) => {
  const unit = Math.floor(values[k].length / 2), why = Terms.of(net, values, picture, k, unit);
  const terms = why.groups.flatMap((g) => g.terms).filter(Boolean);
  const total = terms.reduce((sum, t) => sum + t.product, why.start || 0);
  all.push([layer.op, why.kind, why.value, total, Math.max(...terms.map((t) => t.x))]);
});
return all;
"""


def test_maps_do_not_move_under_the_pointer(page: Path, driver: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    opened(driver, page)
    draw(driver, THREE)

    conv2 = driver.find_elements("css selector", "canvas[data-layer]")[3]
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", conv2)
    settle(driver)
    where = "return arguments[0].getBoundingClientRect().top"
    before = driver.execute_script(where, conv2)
    ActionChains(driver).move_to_element(conv2).move_by_offset(7, 7).perform()
    settle(driver)
    assert driver.execute_script(where, conv2) == before


def test_terms_add_up(page: Path, driver: Any) -> None:
    opened(driver, page)
    draw(driver, THREE)
    kinds = set()
    for op, kind, value, total, _ in driver.execute_script(TERMS):
        kinds.add(kind)
        if kind == "sum":
            assert value == pytest.approx(total, abs=TOLERANCE), op
    assert kinds == {"sum", "function", "copy"}


def test_keys_choose_a_unit(page: Path, driver: Any) -> None:
    opened(driver, page)
    draw(driver, THREE)
    conv1 = driver.find_elements("css selector", "canvas[data-layer]")[0]
    driver.execute_script("arguments[0].focus()", conv1)
    right, down, next_map = "\ue014", "\ue015", "\ue00f"
    conv1.send_keys(right, right, down, next_map)
    settle(driver)
    why = driver.find_element("id", "why").text
    assert why.startswith("conv1 · map 2, row 2, column 3")


# ---- what matters --------------------------------------------------------------------------------


def test_what_matters_is_npnets_gradient(page: Path, driver: Any) -> None:
    model = _model(page.parent / "one")
    opened(driver, page)
    draw(driver, THREE)
    click(driver, "[data-mode=slope]")
    given = model.preprocess(prepare_digit(_drawn(driver)).image)
    best = int(_probabilities(model, given).argmax())
    found = driver.execute_script(
        "const { net, values, picture } = explorer.shown[0];"
        "return Array.from(Backward.ofUnit(net, values, picture, net.output, arguments[0]))",
        best,
    )
    with by_numpy():
        wanted = input_gradient(model, given, best)
    scale = float(np.abs(wanted).max())
    assert_allclose(np.reshape(found, wanted.shape), wanted, rtol=0, atol=TOLERANCE * scale)
    assert "by a backward pass" in driver.find_element("id", "cover").text


def test_a_part_can_be_covered(page: Path, driver: Any) -> None:
    model = _model(page.parent / "one")
    opened(driver, page)
    draw(driver, THREE)
    before = _shares(driver)
    click(driver, "[data-mode=cover]")
    canvas = driver.find_element("css selector", "canvas.given")
    driver.execute_script("arguments[0].focus()", canvas)
    canvas.send_keys("\ue012", "\ue013", "\ue013")  # left once, up twice, from (12, 12)
    settle(driver)
    given = model.preprocess(prepare_digit(_drawn(driver)).image)
    covered = npnet.tensor(given.numpy().copy())
    covered[:, :, 10:15, 11:16] = 0
    assert_allclose(_shares(driver), _probabilities(model, covered), rtol=0, atol=TENTH)
    assert "without the patch" in driver.find_element("id", "cover").text
    click(driver, "[data-mode=picture]")
    assert _shares(driver) == before


# ---- other pictures, two networks ----------------------------------------------------------------


def test_a_test_image_by_its_number(page: Path, driver: Any) -> None:
    model, data = _model(page.parent / "one"), _test_images("mnist")
    opened(driver, page)
    driver.execute_script(
        "const n = document.getElementById('number'); n.value = 13;"
        "n.dispatchEvent(new Event('change'))"
    )
    settle(driver)
    assert "test image 13 is: 3" in driver.find_element("id", "true").text
    wanted = _probabilities(model, model.preprocess(data.x_test[13]))
    assert_allclose(_shares(driver), wanted, rtol=0, atol=TENTH)


def test_two_networks(folder: Path, page: Path, driver: Any) -> None:
    checkpoint(folder / "two", seed=9, epoch=7)
    place = folder / "both.html"
    flags = ["--output", str(place), "--no_open", "--overwrite"]
    assert cli.main(["explore", str(folder / "one"), str(folder / "two"), *flags]) == 0
    opened(driver, place)
    draw(driver, SEVEN)
    given = prepare_digit(_drawn(driver)).image
    both = [_model(folder / name) for name in ("one", "two")]
    wanted = np.stack([_probabilities(m, m.preprocess(given)) for m in both], 1)
    assert_allclose(np.reshape(_shares(driver), (10, 2)), wanted, rtol=0, atol=TENTH)
    assert _answer(driver).startswith("lenet5, epoch 3: ")
    assert "; lenet5, epoch 7: " in _answer(driver)
    cards = driver.find_elements("css selector", ".layer .panes")
    assert len(cards[0].find_elements("css selector", ".pane canvas")) == 2


def test_a_picture_from_a_file(folder: Path, driver: Any) -> None:
    checkpoint(folder / "planes", "resnet20")
    place = folder / "planes.html"
    flags = ["--output", str(place), "--overwrite"]
    assert cli.main(["export", str(folder / "planes"), *flags]) == 0
    rng = np.random.default_rng(3)
    picture = Image.fromarray(rng.integers(0, 256, (40, 64, 3), np.uint8))
    picture.save(folder / "picture.png")
    opened(driver, place)
    assert _answer(driver) == "choose a picture"
    driver.find_element("css selector", "input[type=file]").send_keys(str(folder / "picture.png"))
    for _ in range(100):
        settle(driver)
        if "%" in _answer(driver):
            break
    model = _model(folder / "planes")
    wanted = _probabilities(model, model.preprocess(np.asarray(picture)))
    # A pixel may be rounded to the level beside: a picture's share of the answer is this small.
    assert_allclose(_shares(driver), wanted, rtol=0, atol=10 * TENTH)
    assert driver.execute_script(OVERFLOW) <= 0


# ---- the story -----------------------------------------------------------------------------------

HALF = 0.002  # of a share: float16 weights are right to 0.05 %, through seven layers


def test_the_story_is_played(folder: Path, driver: Any) -> None:
    checkpoint(folder / "told")
    (folder / "told" / SNAPSHOTS).mkdir()
    figures = {"learning_rate": 0.1, "train_accuracy": 50.0, "val_accuracy": None}
    for epoch in range(3):
        other = _model(checkpoint(folder / f"told-{epoch}", seed=20 + epoch))
        halves = {
            name: npnet.tensor(weight.array.astype(np.float16))
            for name, weight in other.state_dict().items()
        }
        history = [
            {"epoch": k, "train_loss": 1 / k, "val_loss": None, **figures}
            for k in range(1, epoch + 1)
        ]
        facts = {"epoch": str(epoch), "history": json.dumps(history)}
        place = folder / "told" / SNAPSHOTS / f"epoch-{epoch:04d}.safetensors"
        place.write_bytes(to_bytes(halves, facts))
    place = folder / "told.html"
    assert cli.main(["export", str(folder / "told"), "--output", str(place), "--overwrite"]) == 0
    opened(driver, place)
    draw(driver, THREE)
    given = prepare_digit(_drawn(driver)).image
    best, first = (_model(folder / name) for name in ("told", "told-1"))
    wanted = _probabilities(best, best.preprocess(given))
    assert_allclose(_shares(driver), wanted, rtol=0, atol=TENTH)
    slider = driver.find_element("id", "epoch")
    driver.execute_script("arguments[0].focus()", slider)
    slider.send_keys("\ue012")  # left, from the last one
    settle(driver)
    said = driver.find_element("id", "figures").text
    assert said.startswith(
        "epoch 1: training loss 1.0000, accuracy 50.00 %, validation loss \u2013"
    )
    epoch = _probabilities(first, first.preprocess(given))
    assert_allclose(_shares(driver), epoch, rtol=0, atol=HALF)
    assert np.abs(epoch - wanted).max() > 2 * HALF
    click(driver, "#play")
    assert "Pause" in driver.find_element("id", "play").text
    click(driver, "#best")
    assert "Play" in driver.find_element("id", "play").text
    assert_allclose(_shares(driver), wanted, rtol=0, atol=TENTH)


# ---- for everybody -------------------------------------------------------------------------------

NAMELESS = """
const all = "button, input:not([hidden]), select, canvas[tabindex], svg[role=img]";
const name = (e) => e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.length;
return [...document.querySelectorAll(all)].filter((e) => !name(e))
  .map((e) => e.outerHTML.slice(0, 120));
"""


def test_everything_that_can_be_used_has_a_name(page: Path, driver: Any) -> None:
    opened(driver, page)
    draw(driver, SEVEN)
    assert driver.execute_script(NAMELESS) == []
    assert driver.find_element("id", "answer").get_attribute("aria-live") == "polite"
    assert driver.execute_script("return document.documentElement.lang") == "en"
    heads = [h.text for h in driver.find_elements("css selector", "h1, h2") if h.is_displayed()]
    assert heads[:3] == ["lenet5", "Give it a picture", "It says"]
