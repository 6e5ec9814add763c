"""How all figures look: colours that colour-blind readers tell apart, in a light and a dark form.

Figures are made without pyplot, and coloured one by one: no window, no state that is shared.
"""

from __future__ import annotations

import functools
import io
import os
import re
import textwrap
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npnet.base.checks import unknown_name
from npnet.base.extras import require
from npnet.base.files import atomic_write

__all__ = [
    "FORMATS",
    "STYLES",
    "Style",
    "colour_map",
    "dashes",
    "dress",
    "encode",
    "head",
    "legend",
    "line_style",
    "matplotlib",
    "new_axes",
    "new_figure",
    "save",
    "set_title",
    "style_of",
    "whole_epochs",
    "wrapped",
]

FORMATS = ("png", "svg")
_DPI = 120
_LETTER = 0.56 / 72  # inches of a letter of one point, on the average
_PAD = 0.07  # inches around axes and titles
_LOCK = threading.RLock()  # of what matplotlib and warnings keep once for all threads


@dataclass(frozen=True)
class Style:
    """The colours of a form.

    Attributes:
        paper, ink: the ground, and text and frames on it.
        pale: grids, and lines that only help to read.
        colours: of lines and bars, one after the other.
        counts: from nothing, which is the paper, to the most.
        signs: from the least, below 0, over 0, the paper, to the most.
    """

    paper: str
    ink: str
    pale: str
    colours: tuple[str, ...]
    counts: tuple[str, ...]
    signs: tuple[str, ...]


# Okabe, Ito (2008), "Color Universal Design", in the order in which neighbours differ most; its
# yellow is too pale on white paper, and its black is the ink.
_BLUE, _ORANGE, _GREEN, _RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
_PURPLE, _SKY, _YELLOW = "#CC79A7", "#56B4E9", "#F0E442"
STYLES = {
    "light": Style(
        *("#ffffff", "#1a1a1a", "#8c8c8c"),
        (_BLUE, _RED, _GREEN, _ORANGE, _PURPLE, _SKY, "#1a1a1a"),
        ("#ffffff", "#9ecae9", _BLUE, "#00273f"),
        ("#003a5c", _BLUE, "#ffffff", _RED, "#6b2f00"),
    ),
    "dark": Style(
        *("#16181d", "#e6e6e6", "#8c8c8c"),
        (_SKY, _ORANGE, _GREEN, _YELLOW, _PURPLE, _RED, "#e6e6e6"),
        ("#16181d", "#0b4f78", _SKY, "#e8f5fd"),
        ("#d8effc", _SKY, "#16181d", _ORANGE, "#ffefc9"),
    ),
}
_DASHES = ("-", "--", ":", "-.")
_MARKS = ("o", "s", "^", "D", "v", "P", "X")


def colour_map(colours: Sequence[str]) -> Any:
    """The map of matplotlib that goes evenly from colour to colour."""
    return matplotlib("colors").LinearSegmentedColormap.from_list("npnet", list(colours))


def matplotlib(module: str) -> Any:
    """A module of matplotlib, which is imported where a figure is made."""
    return require(f"matplotlib.{module}", "train", "a picture")


def style_of(style: str | Style) -> Style:
    """The style of this name, "light" or "dark". ValueError for another."""
    if isinstance(style, Style):
        return style
    if style not in STYLES:
        raise ValueError(unknown_name("style", style, STYLES))
    return STYLES[style]


def dashes(i: int, style: Style) -> str:
    """Of line i: they go on with the colours, and begin elsewhere when these begin anew."""
    return _DASHES[sum(divmod(i, len(style.colours))) % len(_DASHES)]


def line_style(i: int, style: Style) -> dict[str, Any]:
    """Of line i: colours and dashes go on together, so that either tells neighbours apart."""
    colours = len(style.colours)
    return {
        "color": style.colours[i % colours],
        "linestyle": dashes(i, style),
        "marker": _MARKS[sum(divmod(i, colours)) % len(_MARKS)],
        "markersize": 4,
        "linewidth": 1.5,
    }


def new_figure(width: float, height: float, style: str | Style = "light") -> Any:
    """A figure of matplotlib, in inches, on the paper of the style."""
    figure = matplotlib("figure").Figure(
        figsize=(width, height), facecolor=style_of(style).paper, layout="constrained"
    )
    figure.get_layout_engine().set(w_pad=_PAD, h_pad=_PAD)
    figure._repr_png_ = functools.partial(encode, figure)  # what a notebook shows of it
    return figure


def new_axes(width: float, height: float, style: str | Style = "light") -> Any:
    """The only axes of a new figure."""
    return new_figure(width, height, style).subplots()


def dress(axes: Any, style: Style, title: str = "", grid: str = "both") -> Any:
    """Give axes their title and the colours of the style.

    Args:
        grid: which lines there are: "both", "x", "y" or "none".
    """
    axes.set_facecolor(style.paper)
    if title:
        set_title(axes, title, style, 10)
    axes.tick_params(colors=style.ink, labelsize=8, which="both")
    for spine in axes.spines.values():
        spine.set_edgecolor(style.pale)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=style.ink, fontsize=9)
        label.set_parse_math(False)
    axes.set_axisbelow(True)
    if grid == "none":
        axes.grid(False)
    else:
        axes.grid(True, axis=grid, color=style.pale, alpha=0.3, linewidth=0.7)
    return axes


def set_title(axes: Any, title: str, style: Style, size: float, place: str = "center") -> None:
    """Give axes a title, as it is written, in as many lines as it needs above them."""
    # The layout, which is made at last, gives axes more room than they have now.
    width = 1.15 * axes.figure.get_figwidth() * axes.get_position().width
    text = wrapped(title, width, size)
    axes.set_title(text, loc=place, fontsize=size, color=style.ink, parse_math=False)


def wrapped(text: str, inches: float, size: float) -> str:
    """The text in lines that are no wider than so many inches, at this size of type in points.

    Where it has lines of its own, they stay.
    """
    letters = max(8, int(inches / (_LETTER * size)))
    return "\n".join(textwrap.fill(line, letters) for line in text.splitlines())


def head(figure: Any, title: str, style: Style) -> None:
    """Give a figure a title, if it is not empty, in as many lines as it needs."""
    if title:
        text = wrapped(title, figure.get_figwidth() - 0.2, 11)
        figure.suptitle(text, fontsize=11, color=style.ink, parse_math=False)


def legend(owner: Any, style: Style, **options: Any) -> Any:
    """The legend of axes or of a figure, with names as they are written."""
    options.setdefault("handlelength", 3.0)  # of which dashes can be told apart
    made = owner.legend(
        fontsize=8, facecolor=style.paper, edgecolor=style.pale, labelcolor=style.ink, **options
    )
    for text in made.get_texts():
        text.set_parse_math(False)
    return made


def whole_epochs(axes: Any, epochs: Sequence[int]) -> None:
    """Ticks at whole epochs alone, with room around the only one."""
    ticker = matplotlib("ticker")
    axes.set_xlabel("epoch")
    first, last = min(epochs, default=1), max(epochs, default=1)
    room = min(0.5, 0.03 * (last - first)) or 1.0  # never as far as an epoch 0
    axes.set_xlim(first - room, last + room)
    if first == last:
        axes.set_xticks([first])
    else:
        axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, min_n_ticks=1, nbins=8))


# ---- files -------------------------------------------------------------------------------------


def encode(figure: Any, format: str = "png") -> bytes:
    """A figure, or the figure of these axes, as the bytes of a PNG or an SVG.

    The same figure has the same bytes. In an SVG text is text, which can be searched and copied.

    Example:
        >>> from npnet import plots
        >>> ax = plots.plot_confusion(np.eye(2, dtype=int), ["cat", "dog"])
        >>> plots.encode(ax)[1:4]
        b'PNG'
    """
    if format not in FORMATS:
        raise ValueError(unknown_name("format", format, FORMATS))
    figure = getattr(figure, "figure", figure)
    data = io.BytesIO()
    options: dict[str, Any] = {"dpi": _DPI} if format == "png" else {"metadata": {"Date": None}}
    with _drawing():
        figure.savefig(data, format=format, facecolor=figure.get_facecolor(), **options)
    return data.getvalue() if format == "png" else _renamed(data.getvalue())


def _renamed(svg: bytes) -> bytes:
    """The clips of an SVG by their number.

    matplotlib names them after their edges, and the layout leaves the last bits of these to chance.
    """
    names: dict[bytes, bytes] = {}

    def name(found: re.Match[bytes]) -> bytes:
        return found[1] + names.setdefault(found[2], b"clip%d" % len(names))

    return re.sub(rb'(id="|url\(#)(p[0-9a-f]{10})(?=["\)])', name, svg)


def save(figure: Any, path: str | os.PathLike[str]) -> Path:
    """Write a figure, or the figure of these axes, to a .png or .svg file. Returns its path.

    Example:
        >>> import tempfile
        >>> from npnet import plots
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ax = plots.plot_picture(np.ones((8, 8)))
        ...     print(plots.save(ax, f"{folder}/white.png").stat().st_size > 0)
        True
    """
    place = Path(path)
    atomic_write(place, encode(figure, place.suffix.lower().removeprefix(".")))
    return place


@contextmanager
def _drawing() -> Iterator[None]:
    """What can be said to the whole of matplotlib alone, for the time of a drawing."""
    settings = require("matplotlib", "train", "a picture").rcParams
    wanted = {"svg.hashsalt": "npnet", "svg.fonttype": "none"}
    with _LOCK, warnings.catch_warnings():
        # The name of a class may have letters that no font has.
        warnings.filterwarnings("ignore", "Glyph .* missing")
        before = {name: settings[name] for name in wanted}
        settings.update(wanted)  # not rc_context, which sets all others back too
        try:
            yield
        finally:
            settings.update(before)
