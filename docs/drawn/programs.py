"""Compiled steps, as `facts` finds them: phases and items, sums of chunks, and bytes."""

from __future__ import annotations

from typing import Any

from drawn.card import BLUE, GREEN, GREY, INK, LIGHT, ORANGE, Card
from drawn.facts import BATCH, THREADS, facts
from npnet.base.parts import BLOCK_IMAGES, MOST_CHUNKS, chunk_count

__all__ = ["phases", "sums", "traffic"]

LOSS, CPU = "cross_entropy_block", "AVX2"
IMAGES = 512  # whose sums are drawn


def phases() -> str:
    """LeNet-5's step: what each thread does, and the calls on one block."""
    found = facts()[CPU]["programs"]["lenet5"]["phases"]
    card = Card(640)
    card.text(20, 26, f"A compiled step of LeNet-5: {len(found)} phases, batch {BATCH}, "
              f"{THREADS} threads", 15, bold=True)  # fmt: skip
    card.text(20, 50, f"read off the program that npnet.compile makes for a CPU with {CPU}; "
              "widths are no times", 12, GREY)  # fmt: skip
    _threads(card, found)
    _calls(card, found[1])
    return card.svg("A compiled step of LeNet-5", found)


def _threads(card: Card, found: Any) -> None:
    """A row for each thread, in which phases begin together."""
    starts, widths = (92, 186, 512, 610), (84, 316, 88, 70)
    for k, (phase, x, width) in enumerate(zip(found, starts, widths, strict=True)):
        pieces = phase["parts"] or sum(count for _, count, _ in phase["calls"])
        what = f"{phase['items']} blocks" if phase["items"] else f"{pieces} pieces"
        name = ("weights packed", "forward, loss, backward", "sums", "rows")[k]
        card.text(x + width / 2, 80, name, 11, INK, "center", bold=k == 1)
        card.text(x + width / 2, 97, what, 11, GREY, "center")
        for thread in range(THREADS):
            y = 112 + 46 * thread
            if not phase["items"]:
                card.box(x, y, width, 36, LIGHT[GREEN], GREEN)
                share = [pieces * (t + 1) // THREADS - pieces * t // THREADS
                         for t in range(THREADS)]  # fmt: skip
                card.text(x + width / 2, y + 18, str(share[thread]), 12, INK, "center")
                continue
            own = range(
                thread * phase["items"] // THREADS, (thread + 1) * phase["items"] // THREADS
            )
            for i, block in enumerate(own):
                _block(
                    card, x + i * width / len(own), y, width / len(own) - 4, phase, f"block {block}"
                )
    for thread in range(THREADS):
        card.text(20, 130 + 46 * thread, f"thread {thread}", 12)
    for x in (181, 507, 605):
        card.box(x - 1, 108, 1.5, 90, INK, INK, 0.1)
    card.text(20, 218, "|  all threads wait here.   Whichever thread computes a block, it writes "
              "where no other does.", 11, GREY)  # fmt: skip


def _block(card: Card, x: float, y: float, width: float, phase: Any, name: str) -> None:
    """A block's calls, side by side."""
    calls, step = phase["calls"], width / len(phase["calls"])
    for k, color in enumerate(_colors(calls)):
        card.box(x + k * step, y, step, 36, LIGHT[color], color, 0.5)
    card.text(x + width / 2, y + 18, name, 11, INK, "center")


def _colors(calls: Any) -> list[str]:
    loss = [name for name, *_ in calls].index(LOSS)
    return [BLUE if k < loss else ORANGE if k == loss else GREEN for k in range(len(calls))]


def _calls(card: Card, phase: Any) -> None:
    """What one block of sixteen images goes through, before the thread takes the next."""
    calls, colors = phase["calls"], _colors(phase["calls"])
    split = colors.index(ORANGE)
    card.text(20, 250, f"One block: {len(calls)} calls of kernels, in this order", 13, bold=True)
    columns = ((20, "forward", range(split)), (356, "loss and backward", range(split, len(calls))))
    for x, title, own in columns:
        card.text(x, 276, title, 12, GREY)
        for line, k in enumerate(own):
            name, count, _ = calls[k]
            y = 290 + 24 * line
            card.box(x, y, 324, 21, LIGHT[colors[k]], colors[k], 0.7)
            card.text(x + 8, y + 10.5, name, 11, INK, mono=True)
            card.text(x + 316, y + 10.5, f"{count} item{'s' * (count > 1)}", 10.5, GREY, "right")


def sums() -> str:
    """The gradient by the weights, of chunks that follow from the batch alone."""
    blocks = -(-IMAGES // BLOCK_IMAGES)
    chunks = chunk_count(blocks)
    card = Card(400)
    title = f"Gradient by the weights, {IMAGES} images: the same sums for any threads"
    card.text(20, 26, title, 15, bold=True)
    about = f"{blocks} blocks of {BLOCK_IMAGES} in {chunks} chunks; at most {MOST_CHUNKS} chunks"
    card.text(20, 50, f"{about}, unless the batch is very large", 12, GREY)
    left, width = 130, 548 / blocks
    for line, threads in enumerate((1, 2, 4)):
        y = 80 + 34 * line
        card.text(20, y + 12, f"{threads} thread{'s' * (threads > 1)}", 12)
        for k in range(chunks):
            edge = (BLUE, ORANGE, GREEN, GREY)[k * threads // chunks]
            first, last = k * blocks // chunks, (k + 1) * blocks // chunks
            for b in range(first, last):
                card.box(left + b * width, y, width, 24, LIGHT[edge], edge, 0.6)
    card.text(20, 206, "chunk sums", 12)
    for k in range(chunks):
        first, last = k * blocks // chunks, (k + 1) * blocks // chunks
        middle = left + (first + last) / 2 * width
        card.arrow(middle, 174, middle, 192)
        card.box(left + first * width + 4, 194, (last - first) * width - 8, 26, "#ffffff", INK)
        card.text(middle, 207, f"gw[{k}]", 11, INK, "center", mono=True)
        card.arrow(middle, 222, middle, 260)
    card.text(20, 276, "in their order", 12)
    card.box(left, 264, 548, 26, LIGHT[GREY], GREY)
    chain = "(" * (chunks - 2) + "gw[0] + gw[1]"
    chain += "".join(f") + gw[{k}]" for k in range(2, chunks))
    card.text(left + 274, 277, chain, 10.5, INK, "center", mono=True)
    for line, text in enumerate((
        "A colour is a thread. Which thread has a chunk changes with their number;",
        "which numbers are added to which, and in which order, never does.",
        "Within a chunk: blocks in order, within a block strips, within a strip a register tile.",
    )):  # fmt: skip
        card.text(20, 318 + 22 * line, text, 12)
    return card.svg("Sums of a weight's gradient", {"images": IMAGES, "chunks": chunks})


def traffic() -> str:
    """Bytes that kernels work on in a step: the eager loop beside the program."""
    names = {"lenet5": "LeNet-5", "resnet20": "ResNet-20"}
    found = {name: facts()[CPU]["programs"][name] for name in names}
    card = Card(394)
    card.text(20, 26, f"Bytes that kernels work on in a training step of {BATCH} images", 15,
              bold=True)  # fmt: skip
    card.text(20, 50, "each array counted once a call; forward and backward, without the "
              "optimizer", 12, GREY)  # fmt: skip
    for top, (name, p) in zip((84, 224), found.items(), strict=True):
        card.text(20, top, names[name], 13, bold=True)
        most = max(p["loop"], p["near"] + p["far"])
        _bar(card, top + 18, "kernel by kernel", [(p["loop"], ORANGE)], most)
        parts = [(p["far"], ORANGE), (p["near"], GREEN)]
        _bar(card, top + 58, "compiled", [part for part in parts if part[0]], most)
    legend = (
        (ORANGE, "arrays of the whole batch: they come from outer caches and memory"),
        (GREEN, "slots of a thread, that its next block uses again: they stay in the cache"),
    )
    for y, (color, text) in zip((344, 368), legend, strict=True):
        card.box(20, y, 14, 14, LIGHT[color], color)
        card.text(42, y + 7, text, 11.5, GREY)
    sizes = {name: [p["loop"], p["far"], p["near"]] for name, p in found.items()}
    return card.svg("Bytes with and without programs", sizes)


def _bar(card: Card, y: float, name: str, parts: list[tuple[int, str]], most: int) -> None:
    card.text(20, y + 15, name, 12)
    x = 150.0
    for size, color in parts:
        width = 460 * size / most
        card.box(x, y, width, 30, LIGHT[color], color)
        card.text(x + width / 2, y + 15, f"{size / 1e6:,.0f} MB", 12, INK, "center", bold=True)
        x += width
