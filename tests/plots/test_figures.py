"""The figures: on whose axes they are, that nothing is cut or hidden, and that bytes repeat."""

from __future__ import annotations

import functools
import itertools
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

import npnet
from npnet import nn, plots
from npnet.base.arrays import Array
from npnet.base.checks import ShapeError
from npnet.plots import Curves, style
from npnet.plots.errors import ORDER

pytestmark = pytest.mark.pictures

SVG = "{http://www.w3.org/2000/svg}"
FORMS = ["light", "dark"]
DIGITS = tuple("0123456789")
CLASSES = {
    "two": ("no", "yes"),
    "digits": DIGITS,
    "long": tuple(f"a class of things with $number_{i}$ of ten" for i in range(10)),
    "characters": tuple(chr(48 + i) for i in range(47)),
    "hundred": tuple(f"class_with_a_long_name_{i}" for i in range(100)),
}


def history(epochs: int, **columns: float) -> dict[str, Array]:
    rng = np.random.default_rng(epochs)
    names = ("train_loss", "val_loss", "train_accuracy", "val_accuracy")
    values = {name: rng.random(epochs) for name in names}
    return {"epoch": np.arange(1.0, epochs + 1), **values, **columns}


def counts(classes: int, accuracy: float = 0.98) -> Array:
    """A thousand images of each class, of which each other class has some."""
    rng = np.random.default_rng(classes)
    wrong = round(1000 * (1 - accuracy))
    out = np.array([rng.multinomial(wrong, np.full(classes, 1 / classes)) for _ in range(classes)])
    np.fill_diagonal(out, 1000 - wrong)
    return out


def mistakes(count: int) -> list[Any]:
    return [
        SimpleNamespace(
            index=7 + i, true=i % 10, predicted=(i + 3) % 10, probability=0.9999 - i / 100, loss=9.3
        )
        for i in range(count)
    ]


@functools.cache
def network() -> nn.Module:
    """In evaluation, so that threads may share it."""
    npnet.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(5 * 25, 10)
    )
    return model.eval()


def image(seed: int = 0) -> Array:
    return np.random.default_rng(seed).random((3, 12, 12), dtype=np.float32)


def histograms() -> dict[int, tuple[Array, Array]]:
    rng = np.random.default_rng(0)
    made = (np.histogram(rng.normal(size=500), 30) for _ in range(14))
    return {epoch: (edges, found) for epoch, (found, edges) in enumerate(made, 1)}


ON_AXES: dict[str, Callable[..., Any]] = {
    "curves": lambda **o: plots.plot_curves([Curves("a", history(3), "mse", 2)], **o),
    "confusion": lambda **o: plots.plot_confusion(counts(10), DIGITS, **o),
    "errors": lambda **o: plots.plot_errors([image(i) for i in range(8)], mistakes(8), DIGITS, **o),
    "feature maps": lambda **o: plots.plot_feature_maps(image().repeat(8, 0), **o),
    "filters": lambda **o: plots.plot_filters(network()[0].weight, **o),
    "histograms": lambda **o: plots.plot_histograms(histograms(), **o),
    "occlusion": lambda **o: plots.plot_occlusion(image()[0] - 0.5, image(), **o),
    "picture": lambda **o: plots.plot_picture(image(), **o),
    "probabilities": lambda **o: plots.plot_probabilities(np.arange(10) / 45, DIGITS, **o),
    "saliency": lambda **o: plots.plot_saliency(image() - 0.5, image(), **o),
}
WHOLE: dict[str, Callable[..., Any]] = {
    "curves": lambda **o: plots.curves(
        [Curves(f"run {i}", history(3 + i), c) for i, c in enumerate(("mse", "cross_entropy") * 5)],
        "ten runs", **o
    ),
    "curves of one": lambda **o: plots.curves([Curves("a", history(9), "mse", 2)], "one", **o),
    "explanation": lambda **o: plots.explanation(
        network(), image(), CLASSES["long"], image(), title="a picture", **o
    ),
    "layers": lambda **o: plots.layers(network(), image(), "maps", **o),
    "saliencies": lambda **o: plots.saliencies(
        network(), [image(i) for i in range(10)], [image(i) for i in range(10)], CLASSES["long"],
        "where it looks", **o
    ),
    "saliency of one": lambda **o: plots.saliencies(network(), [image()], [image()], **o),
    "histograms": lambda **o: plots.histograms(
        {"weights": {"a": histograms()}, "gradients": {"a": histograms(), "b": histograms()}},
        "spread", **o
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ON_AXES)
def test_axes_are_taken_and_returned(name: str) -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert ON_AXES[name](ax=right) is right
    assert right.has_data() or right.texts
    assert not left.has_data()
    own = ON_AXES[name]()
    assert own.figure is not figure
    assert own.figure.axes == [own]


def drawn_text(figure: Any) -> list[tuple[str, Any]]:
    """The words that are drawn, with the boxes that they fill."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    found: dict[int, Any] = {}
    draw = Text.draw

    def listen(text: Text, *args: Any, **options: Any) -> None:
        if text.get_visible() and text.get_text().strip():
            found[id(text)] = text
        draw(text, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        figure.draw(renderer)  # makes the layout
        patch.setattr(Text, "draw", listen)
        figure.draw(renderer)
    return [(text.get_text(), text.get_window_extent(renderer)) for text in found.values()]


def assert_whole(figure: Any) -> list[tuple[str, Any]]:
    """No text is cut by the edge of the figure. Returns it with its boxes."""
    found, page = drawn_text(figure), figure.bbox
    assert found
    for text, box in found:
        inside = box.x0 >= -0.5 and box.y0 >= -0.5
        inside &= box.x1 <= page.x1 + 0.5 and box.y1 <= page.y1 + 0.5
        assert inside, f"{text!r} is cut: {box.extents} of {page.extents}"
    return found


def overlap(a: Any, b: Any) -> float:
    """Share of the smaller box that the other covers."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / min(a.width * a.height, b.width * b.height)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", [*ON_AXES, *(f"whole {name}" for name in WHOLE)])
def test_nothing_is_cut_or_covered(name: str, form: str) -> None:
    long = "a network with a long name on a_data_set_with_a_long_name.npz, $how$ it was trained"
    whole = name.startswith("whole ")
    if whole:
        figure = WHOLE[name.removeprefix("whole ")](style=form)
    else:
        figure = ON_AXES[name](title=long, style=form).figure
    found = assert_whole(figure)
    for i, (text, box) in enumerate(found):
        for other, of_other in found[:i]:
            assert overlap(box, of_other) < 0.12, (text, other)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("classes", CLASSES.values(), ids=CLASSES)
def test_names_of_classes_are_whole_and_apart(classes: tuple[str, ...], form: str) -> None:
    title = "a network on a data set, with a title that is as long as it can well be"
    axes = plots.plot_confusion(counts(len(classes)), classes, title=title, style=form)
    assert_whole(axes.figure)
    renderer = axes.figure.canvas.get_renderer()
    for axis, low, high in ((axes.xaxis, "x0", "x1"), (axes.yaxis, "y0", "y1")):
        labels = axis.get_ticklabels()
        assert len(labels) == len(classes)
        assert not any(label.get_parse_math() for label in labels)
        if {label.get_rotation() for label in labels} == {45.0}:
            continue  # whose boxes lie over one another, and whose letters do not
        boxes = [label.get_window_extent(renderer) for label in labels]
        boxes.sort(key=lambda box: getattr(box, low))
        for a, b in itertools.pairwise(boxes):
            assert getattr(b, low) >= getattr(a, high) - 1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("accuracy", [0.98, 0.999])
def test_rare_errors_are_seen(form: str, accuracy: float) -> None:
    found = counts(10, accuracy)
    axes = plots.plot_confusion(found, DIGITS, style=form)
    (cells,) = axes.images
    paper = np.array(to_rgb(style.STYLES[form].paper))
    for (i, j), count in np.ndenumerate(found):
        distance = np.abs(cells.get_array()[i, j, :3] - paper).max()
        assert (distance > 0.15) == (count > 0), (i, j, count)
    written = {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text()
               for t in axes.texts}  # fmt: skip
    assert written == {at: str(count) for at, count in np.ndenumerate(found) if count}


def luminance(colour: Any) -> float:
    """Source: WCAG 2.2, relative luminance."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


@pytest.mark.parametrize("form", FORMS)
def test_numbers_in_cells_can_be_read(form: str) -> None:
    axes = plots.plot_confusion(counts(10), DIGITS, style=form)
    (cells,) = axes.images
    for text in axes.texts:
        column, row = text.get_position()
        pair = luminance(text.get_color()), luminance(cells.get_array()[row, column, :3])
        assert (max(pair) + 0.05) / (min(pair) + 0.05) > 3.0, text.get_text()


# Machado, Oliveira, Fernandes (2009), severity 1.0, on linear RGB.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}  # fmt: skip


def seen(colour: str, blindness: str) -> Array:
    """CIELAB of a colour as a colour-blind reader sees it."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(BLINDNESS[blindness]) @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ linear / (0.95047, 1.0, 1.08883)
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("blindness", BLINDNESS)
@pytest.mark.parametrize("form", FORMS)
def test_colour_blind_readers_tell_the_first_colours_apart(form: str, blindness: str) -> None:
    """And all of them together with their dashes and marks."""
    look = style.STYLES[form]
    views = [seen(colour, blindness) for colour in look.colours[:4]]
    for i, a in enumerate(views):
        assert np.linalg.norm(a - seen(look.paper, blindness)) > 20
        for b in views[:i]:
            assert np.linalg.norm(a - b) > 15
    lines = [style.line_style(i, look) for i in range(4 * len(look.colours))]
    assert len({(line["color"], line["linestyle"]) for line in lines}) == len(lines)
    assert len({(line["color"], line["marker"]) for line in lines}) == len(lines)


@pytest.mark.parametrize("epochs", [1, 2, 3, 100])
def test_ticks_are_epochs(epochs: int) -> None:
    figure = plots.curves([Curves("a", history(epochs), "mse", 1)], "a run")
    plots.encode(figure)
    for axes in figure.axes:
        low, high = axes.get_xlim()
        ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
        assert ticks
        assert all(tick == round(tick) and 1 <= tick <= epochs for tick in ticks)
        assert axes.get_ylabel() in ("loss: mean squared error", "accuracy (%)")
        drawn = [line for line in axes.lines if len(line.get_xdata()) == epochs]
        assert len(drawn) == 2 + (epochs == 2)  # the line of the best epoch has two points
        for line in drawn[:2]:
            assert line.get_marker() not in ("", "None", None)  # one epoch is a point


def test_a_notebook_shows_them() -> None:
    figure = plots.plot_filters(network()[0].weight).figure
    assert figure._repr_png_() == plots.encode(figure)  # what IPython asks for


def test_losses_of_different_criteria_have_axes_of_their_own() -> None:
    runs = [Curves("a", history(3), "mse"), Curves("b", history(3), "cross_entropy")]
    with pytest.raises(ValueError, match="losses of cross_entropy, mse have no common axis"):
        plots.plot_curves(runs)
    assert len(plots.plot_curves(runs, "accuracy").lines) == 4
    axes = plots.curves(runs).axes
    assert [ax.get_ylabel() for ax in axes if ax.get_ylabel()] == [
        "loss: mean squared error", "loss: cross-entropy", "accuracy (%)",
    ]  # fmt: skip
    assert [len(ax.lines) for ax in axes] == [2, 2, 4, 0]
    colours = [{line.get_color() for line in ax.lines} for ax in axes[:3]]
    assert colours[0] | colours[1] == colours[2]  # a run has one colour everywhere
    assert not colours[0] & colours[1]


def test_a_run_without_validation_has_one_line() -> None:
    nothing = np.full(3, np.nan)
    run = Curves("a", history(3) | {"val_loss": nothing, "val_accuracy": nothing})
    assert [len(ax.lines) for ax in plots.curves([run]).axes] == [1, 1]


def test_errors_say_why_they_are_where_they_are() -> None:
    error = SimpleNamespace(index=115, true=9, predicted=4, probability=0.99994, loss=9.31)
    axes = plots.plot_errors([image()], [error], DIGITS, title="net on data")
    assert axes.get_title() == f"net on data\n{ORDER}"
    assert [text.get_text() for text in axes.texts] == [
        "no. 115: is 9\nloss 9.3: said 4\nwith 99.99 %"
    ]
    error.probability = 0.999999
    (text,) = plots.plot_errors([image()], [error], DIGITS).texts
    assert text.get_text().endswith("with over 99.99 %")  # 100 % is another thing
    error.true, error.predicted = "maple tree", "palm tree"
    (text,) = plots.plot_errors([image()], [error]).texts
    assert text.get_text().startswith("no. 115: is maple tree\nloss 9.3: said palm tree")
    (text,) = plots.plot_errors([], []).texts
    assert text.get_text() == "no image was misclassified"


@pytest.mark.parametrize("name", [*ON_AXES, *(f"whole {name}" for name in WHOLE)])
@pytest.mark.parametrize("format", style.FORMATS)
def test_the_same_picture_has_the_same_bytes(name: str, format: str) -> None:
    """Also when threads draw at once, and nothing that is set for all figures is other."""
    draw = {**ON_AXES, **{f"whole {name}": figure for name, figure in WHOLE.items()}}[name]
    before = dict(matplotlib.rcParams)
    once = plots.encode(draw(), format)
    with ThreadPoolExecutor(3) as pool:
        again = list(pool.map(lambda _: plots.encode(draw(), format), range(3)))
    assert again == [once] * 3
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("form", FORMS)
def test_text_of_an_svg_is_text(form: str) -> None:
    axes = plots.plot_confusion(counts(2), ("$no$", "yes"), title="a & b on <data>", style=form)
    tree = ET.fromstring(plots.encode(axes, "svg"))
    said = {"".join(node.itertext()) for node in tree.iter(f"{SVG}text")}
    assert {"a & b on <data>", "$no$", "yes", "true"} < said


def test_save_takes_the_format_of_the_name(tmp_path: Path) -> None:
    axes = plots.plot_picture(image())
    assert plots.save(axes, tmp_path / "a.svg").read_bytes().startswith(b"<?xml")
    assert plots.save(axes.figure, tmp_path / "a.PNG").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="format must be one of png, svg; got 'jpg'"):
        plots.save(axes, tmp_path / "a.jpg")
    assert not (tmp_path / "a.jpg").exists()


def test_wrong_shapes_are_told() -> None:
    with pytest.raises(ShapeError, match=r"3 classes have counts of \(3, 3\), got \(2, 2\)"):
        plots.plot_confusion(counts(2), "abc")
    with pytest.raises(ShapeError, match=r"weight must be \(out, in, KH, KW\), got \(2, 3\)"):
        plots.plot_filters(np.zeros((2, 3)))
    with pytest.raises(ShapeError, match=r"a picture must be .* got \(4, 5, 6\)"):
        plots.plot_picture(np.zeros((4, 5, 6)))
    with pytest.raises(ValueError, match="style must be one of light, dark; got 'drak'"):
        plots.plot_picture(image(), style="drak")
    with pytest.raises(ValueError, match="no layer of the network gives maps"):
        plots.layers(nn.Sequential(nn.Flatten(), nn.Linear(432, 2)), image())


def test_pictures_are_read_as_they_are() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
    np.testing.assert_allclose(plots.as_picture(grey), grey[0] / 255)
    colour = np.random.default_rng(0).random((3, 4, 5))
    np.testing.assert_array_equal(plots.as_picture(colour), colour.transpose(1, 2, 0))
    wide = np.array([[-1.0, 3.0]])
    np.testing.assert_array_equal(plots.as_picture(wide), [[0, 1]])
    np.testing.assert_array_equal(plots.as_picture(np.full((2, 2), 7.0)), np.zeros((2, 2)))


def test_first_filters() -> None:
    name, weight = plots.first_filters(network(), (3, 12, 12))
    assert (name, weight.shape) == ("0.weight", (5, 3, 3, 3))
    dense = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    name, weight = plots.first_filters(dense, (3, 2, 2))
    np.testing.assert_array_equal(weight, dense[1].weight.detach().numpy().reshape(5, 3, 2, 2))
    with pytest.raises(ValueError, match="no layer whose weights look like images"):
        plots.first_filters(dense, (1, 2, 2))


def test_pyplot_is_left_alone() -> None:
    code = (
        "import sys, numpy as np\n"
        "from npnet import plots\n"
        "assert 'matplotlib' not in sys.modules\n"
        "plots.encode(plots.plot_picture(np.zeros((2, 2))))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
