"""Winograd's tiles as npnet has them: F(4x4, 3x3) and F(2x4, 3x3)."""

from __future__ import annotations

from drawn.card import BLUE, GREEN, GREY, INK, LIGHT, ORANGE, Card
from npnet.kernels.winograd import FEWER, FREQUENCIES
from npnet.kernels.winograd_tiles import SHORT, TALL

__all__ = ["winograd"]

TAPS, ACROSS = 3, 4  # of a window, and columns of results of a tile


def winograd() -> str:
    """Pixels -> transform -> products for each frequency -> transform back, of both tiles."""
    facts = {"frequencies": [FREQUENCIES, FEWER], "rows": [TALL, SHORT]}
    card = Card(484)
    card.text(20, 26, "Winograd's convolution: fewer multiplications for each tile", 15, bold=True)
    card.text(20, 50, "Y = A^T [ (G w G^T) * (B^T x B) ] A,   the products summed over channels",
              12, GREY)  # fmt: skip
    for top, tall, count in ((84, TALL, FREQUENCIES), (304, SHORT, FEWER)):
        _row(card, top, tall, count)
    return card.svg("Winograd's tiles", facts)


def _row(card: Card, top: float, tall: int, count: int) -> None:
    high, wide, size = tall + TAPS - 1, ACROSS + TAPS - 1, 20
    direct = tall * ACROSS * TAPS * TAPS
    about = f"F({tall}x{ACROSS}, 3x3): {tall * ACROSS} results from {high}x{wide} pixels"
    card.text(20, top, about, 13, bold=True)
    card.text(680, top, f"{count} products instead of {direct}: {direct / count:.2g} times fewer",
              12, ORANGE, "right", bold=True)  # fmt: skip
    y = top + 26
    card.grid(24, y, high, wide, size, LIGHT[BLUE])
    card.text(84, y + high * size + 14, "x[c], pixels", 11, GREY, "center")
    card.text(84, y + high * size + 30, "neighbours overlap by 2", 11, GREY, "center")
    card.arrow(150, y + high * size / 2, 204, y + high * size / 2)
    card.text(177, y + high * size / 2 - 12, "B^T x B", 11, INK, "center")
    for k in (2, 1, 0):
        card.grid(210 + 8 * k, y - 8 * k + 8, high, wide, size, LIGHT[GREEN])
    card.text(280, y + high * size + 22, f"v: {count} frequencies,", 11, GREY, "center")
    card.text(280, y + high * size + 38, "of each channel", 11, GREY, "center")
    card.arrow(352, y + high * size / 2, 398, y + high * size / 2)
    left, width = 404, 136
    card.box(left, y - 2, width, high * size + 12, LIGHT[ORANGE], ORANGE)
    middle = y + high * size / 2
    for line, text in enumerate((f"{count} matrix products", "m[f] = u[f] v[f]",
                                 "u[f]: O x C", "v[f]: C x tiles x 16")):  # fmt: skip
        card.text(left + width / 2, middle - 27 + 20 * line, text, 11.5, INK, "center",
                  bold=line == 0)  # fmt: skip
    card.text(left + width / 2, y + high * size + 24, "u = G w G^T,", 11, GREY, "center")
    card.text(left + width / 2, y + high * size + 40, "once for each step", 11, GREY, "center")
    card.arrow(546, middle, 594, middle)
    card.text(570, middle - 12, "A^T m A", 11, INK, "center")
    top_of = middle - tall * size / 2
    card.grid(600, top_of, tall, ACROSS, size, LIGHT[BLUE])
    card.text(640, top_of + tall * size + 14, f"y[o], {tall}x{ACROSS}", 11, GREY, "center")
