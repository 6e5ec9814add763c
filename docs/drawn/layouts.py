"""How numbers lie in memory, and how a convolution walks them."""

from __future__ import annotations

from drawn.card import BLUE, GREEN, GREY, INK, LIGHT, ORANGE, Card
from drawn.facts import facts
from npnet.compiler.channels import FEW_IMAGES
from npnet.kernels.simd import LANES

__all__ = ["lanes", "tile"]

COLORS = (BLUE, ORANGE, GREEN)


def lanes() -> str:
    """One row of pixels of three channels in the three layouts."""
    card = Card(430)
    card.text(20, 26, "The same float32 numbers in memory", 15, bold=True)
    card.text(20, 50, "c0 c1 c2: channels   p0 p1 ...: pixels   i0 i1 ...: images", 12, GREY)
    _ribbon(card, 84, "NCHW: ndarrays, PyTorch", "image after image, channel after channel",
            [(f"i{n} c{c}", c, "p0 p1 ... p(HW-1)") for n in (0, 1) for c in range(3)])  # fmt: skip
    _ribbon(card, 174, "Images in lanes: [N/16][C][H][W][16]",
            "a pixel of sixteen images is one vector; a block is sixteen images",
            [(f"c0 p{p}", 0, "i0 i1 ... i15") for p in range(3)]
            + [(f"c1 p{p}", 1, "i0 i1 ... i15") for p in range(3)])  # fmt: skip
    _ribbon(card, 264, "Channels in lanes: [N][C/16][H][W][16]",
            f"a pixel of sixteen channels is one vector; for {FEW_IMAGES} images at most",
            [(f"i0 p{p}", 2, "c0 c1 ... c15") for p in range(6)])  # fmt: skip
    card.box(20, 352, 660, 58, LIGHT[GREY], GREY)
    card.text(34, 370, "One vector: sixteen float32, a cache line of 64 bytes.", 13, bold=True)
    card.text(34, 392, "AVX-512: one register of 32.   AVX2: two registers of 16.   "
              "NEON: four of 32.", 12)  # fmt: skip
    return card.svg("Memory layouts: NCHW beside lanes", {"lanes": LANES, "few": FEW_IMAGES})


def _ribbon(card: Card, y: float, name: str, about: str, cells: list[tuple[str, int, str]]) -> None:
    card.text(20, y, name, 13, bold=True)
    card.text(680, y, about, 11, GREY, "right")
    width = 660 / len(cells)
    for k, (title, color, numbers) in enumerate(cells):
        edge = COLORS[color]
        card.box(20 + k * width, y + 14, width, 46, LIGHT[edge], edge)
        card.text(20 + (k + 0.5) * width, y + 28, title, 12, INK, "center", bold=True)
        card.text(20 + (k + 0.5) * width, y + 46, numbers, 10, GREY, "center")


def tile() -> str:
    """A register tile with AVX2 and with AVX-512, and the numbers that one tap takes."""
    shapes = {cpu: found["tiles"]["convolution, 16 outputs"] for cpu, found in facts().items()}
    card = Card(584)
    card.text(20, 26, "A register tile walks over its windows", 15, bold=True)
    card.text(20, 50, "LeNet-5's second convolution: 16 outputs, 6 channels, windows of 5x5, "
              "14x14 pixels in, 10x10 out", 12, GREY)  # fmt: skip
    for top, (cpu, (rows, columns)) in zip((78, 336), shapes.items(), strict=True):
        _walk(card, top, cpu, rows, columns)
    return card.svg("A register tile of a convolution", shapes)


def _walk(card: Card, top: float, cpu: str, rows: int, columns: int) -> None:
    """Image, weights and tile of one kind of CPU."""
    registers = rows * columns * (1 if cpu == "AVX-512" else 2)
    card.text(20, top, f"{cpu}: {rows} outputs x {columns} pixel{'s' * (columns > 1)}", 13,
              bold=True)  # fmt: skip
    card.text(680, top, f"sums: {rows * columns} vectors in {registers} registers", 12, INK,
              "right")  # fmt: skip
    size, x, y = 14, 24, top + 18
    card.grid(x, y, 14, 14, size)
    for p in range(columns):
        color = (BLUE, ORANGE)[p]
        card.box(x + (3 + p) * size, y + 4 * size, 5 * size, 5 * size, "none", color, 2.4)
        card.box(x + (5 + p) * size, y + 6 * size, size, size, LIGHT[color], color, 1.6)
    card.text(x + 7 * size, y + 14 * size + 14, "x[c]: a square is a vector", 11, GREY, "center")
    card.text(290, y + 10, "weights of tap (c, u, v), packed", 11, GREY)
    width = 190 / rows
    for r in range(rows):
        card.box(290 + r * width, y + 20, width, 22, LIGHT[GREEN], GREEN)
        card.text(290 + (r + 0.5) * width, y + 31, f"w{r}", 11, INK, "center")
    card.arrow(230, y + 92, 308, y + 92, BLUE)
    card.text(269, y + 80, "load", 11, BLUE, "center")
    for p in range(columns):
        for r in range(rows):
            left, height = 312 + p * 84, 104 / rows
            card.box(left, y + 60 + r * height, 80, height, LIGHT[(BLUE, ORANGE)[p]],
                     (BLUE, ORANGE)[p])  # fmt: skip
            card.text(left + 40, y + 60 + (r + 0.5) * height, f"o{r}, pixel {p}", 9, INK, "center")
    card.text(312, y + 178, "tile of sums: stays in registers for all c, u, v", 11, GREY)
    loads, products = columns + rows, rows * columns
    right = 500
    card.text(right, y + 76, "a tap takes", 12, bold=True)
    card.text(right, y + 96, f"{columns} load{'s' * (columns > 1)} of pixels", 12)
    card.text(right, y + 114, f"{rows} weights, each to all lanes", 12)
    card.text(right, y + 132, f"{products} multiply-adds of 16", 12)
    card.text(right, y + 154, f"{products / loads:.1f} multiply-adds a load", 12, ORANGE, bold=True)
    card.text(right, y + 12, "150 taps: 6 channels x 5 x 5,", 12)
    card.text(right, y + 30, "then each sum is stored once", 12)
