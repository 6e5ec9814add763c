"""Draw the pictures of kernels.md, and write its tables, from what is in npnet.

python docs/drawings.py            # writes docs/drawings/*.svg, and the tables in kernels.md
python docs/drawings.py --check    # exit code 1 where one of them is out of date
python docs/drawings.py --measure  # measures this machine for the roofline first, some minutes long

Needs Matplotlib and Numba. The pictures are the same bytes for one release of Matplotlib; where
another drew what is there, --check compares what was drawn from.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from drawn import layouts, programs, roofline, tables, winograd
from drawn.card import facts_of

FOLDER = Path(__file__).with_name("drawings")
PAGE = Path(__file__).with_name("kernels.md")

DRAWINGS: dict[str, Callable[[], str]] = {
    "lanes": layouts.lanes,
    "tile": layouts.tile,
    "winograd": winograd.winograd,
    "sums": programs.sums,
    "phases": programs.phases,
    "traffic": programs.traffic,
    "roofline": roofline.roofline,
}


def is_fresh(name: str) -> bool:
    """Whether a drawing is what it would be now."""
    path = FOLDER / f"{name}.svg"
    if not path.exists():
        return False
    there, now = path.read_text(encoding="utf-8"), DRAWINGS[name]()
    (version, about), (version_now, about_now) = facts_of(there), facts_of(now)
    return there == now if version == version_now else about == about_now


def main(words: list[str]) -> int:
    """The exit code."""
    if "--check" in words:
        stale = [f"drawings/{name}.svg" for name in DRAWINGS if not is_fresh(name)]
        page = PAGE.read_text(encoding="utf-8")
        stale += [PAGE.name] * (page != tables.filled(page))
        for name in stale:
            print(f"docs/{name} is out of date: run python docs/drawings.py")
        return 1 if stale else 0
    if "--measure" in words:
        roofline.measure()
    FOLDER.mkdir(exist_ok=True)
    for name, draw in DRAWINGS.items():
        (FOLDER / f"{name}.svg").write_text(draw(), encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(tables.filled(page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
