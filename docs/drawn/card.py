"""A card to draw on: white on any page, measured in pixels from its upper left corner, as SVG."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, PathPatch, Rectangle
from matplotlib.path import Path

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "INK",
    "LIGHT",
    "ORANGE",
    "PALE",
    "WHITE",
    "WIDTH",
    "Card",
    "facts_of",
]

WIDTH, PIXELS = 700, 96  # of a card, and of an inch as browsers have it
POINT = 72 / PIXELS  # of a pixel

INK, GREY, PALE, WHITE = "#1f2328", "#6e7781", "#eaeef2", "#ffffff"
BLUE, ORANGE, GREEN = "#2f6f9f", "#c2620e", "#3f8455"
LIGHT = {BLUE: "#cfe3f2", ORANGE: "#f9dcc0", GREEN: "#d2ead9", GREY: PALE}

# Text becomes paths: a page that shows the file needs no font of ours.
STYLE = {
    "svg.fonttype": "path",
    "svg.hashsalt": "npnet",
    "font.family": "DejaVu Sans",
    "path.simplify": False,
}


class Card:
    """A white card of 700 pixels by `height`; y grows downwards."""

    def __init__(self, height: float) -> None:
        self.figure = Figure(figsize=(WIDTH / PIXELS, height / PIXELS))
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_xlim(0, WIDTH)
        self.axes.set_ylim(height, 0)
        self.axes.axis("off")
        self.figure.patch.set_alpha(0)
        corner = "round,pad=0,rounding_size=8"
        self._add(FancyBboxPatch((1, 1), WIDTH - 2, height - 2, corner, fc=WHITE, ec="#d0d7de"))

    def _add(self, patch: Any) -> None:
        self.axes.add_patch(patch)

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        face: str = WHITE,
        edge: str = GREY,
        line: float = 1,
    ) -> None:
        """A rectangle by its upper left corner."""
        self._add(Rectangle((x, y), width, height, fc=face, ec=edge, lw=line * POINT))

    def grid(
        self, x: float, y: float, rows: int, columns: int, size: float, face: str = WHITE
    ) -> None:
        """Squares side by side."""
        self.box(x, y, columns * size, rows * size, face, GREY, 0.6)
        ends = [((x, y + i * size), (x + columns * size, y + i * size)) for i in range(1, rows)]
        ends += [((x + j * size, y), (x + j * size, y + rows * size)) for j in range(1, columns)]
        path = Path([p for pair in ends for p in pair], [Path.MOVETO, Path.LINETO] * len(ends))
        self._add(PathPatch(path, fill=False, ec=GREY, lw=0.6 * POINT))

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = 12,
        color: str = INK,
        at: str = "left",
        bold: bool = False,
        mono: bool = False,
        turn: float = 0,
    ) -> None:
        """Text whose middle is at height y; `at` says what of it is at x, `turn` its degrees."""
        self.axes.text(
            x, y, text, fontsize=size * POINT, color=color, ha=at, va="center",
            fontweight="bold" if bold else "normal",
            family="DejaVu Sans Mono" if mono else "DejaVu Sans",
            rotation=turn, rotation_mode="anchor",
        )  # fmt: skip

    def arrow(
        self, x: float, y: float, to_x: float, to_y: float, color: str = INK, bend: float = 0
    ) -> None:
        """From one place to another."""
        self._add(
            FancyArrowPatch(
                (x, y), (to_x, to_y), arrowstyle="-|>", mutation_scale=9, color=color,
                lw=1.1 * POINT, shrinkA=0, shrinkB=0, connectionstyle=f"arc3,rad={bend}",
            )
        )  # fmt: skip

    def svg(self, title: str, facts: Any) -> str:
        """The file, in which `facts` says what it was drawn from."""
        out = io.StringIO()
        about = json.dumps(facts, sort_keys=True, separators=(",", ":"))
        about = about.replace("&", "+").replace("<", "(").replace(">", ")")
        version = f"npnet docs/drawings.py, matplotlib {matplotlib.__version__}"
        metadata = {"Date": None, "Creator": version, "Title": title, "Description": about}
        with matplotlib.rc_context(STYLE):
            FigureCanvasSVG(self.figure).print_svg(out, metadata=metadata)
        lines = [line.rstrip() for line in out.getvalue().splitlines()]
        return "\n".join(lines) + "\n"


def facts_of(svg: str) -> tuple[str, str]:
    """Which Matplotlib drew a file, and what it was drawn from."""
    version = re.search(r"docs/drawings.py, matplotlib ([^<]*)<", svg)
    about = re.search(r"<dc:description>(.*?)</dc:description>", svg, re.DOTALL)
    return version[1] if version else "", about[1] if about else ""
