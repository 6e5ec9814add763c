"""The pictures of docs/explore.md: python -m tests.web.screenshots PAGE FOLDER

PAGE is one that `npnet explore` made of a LeNet-5 that was trained on MNIST with --record. Written
are explore.png, 1400 pixels wide, and explore-phone.png, 360 pixels wide and dark.
"""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path
from typing import Any

from PIL import Image

from tests.web.browser import THREE, browser, draw, opened, settle, touch

COLOURS = 160  # of a picture, which then has half the bytes


def _unit(driver: Any, page: Path, kind: str) -> None:
    """Draw a 3, and touch a unit of conv2."""
    opened(driver, page)
    draw(driver, THREE, kind)
    touch(driver, driver.find_elements("css selector", "canvas[data-layer]")[3], 90, 22)


def _save(driver: Any, place: Path) -> None:
    png = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(place, optimize=True)
    print(f"written: {place} ({place.stat().st_size / 1e3:.0f} kB)")


def main(page: Path, folder: Path) -> None:
    """Open the page in both sizes."""
    with browser(1400, 1000) as driver:
        _unit(driver, page, "mouse")
        driver.execute_script("scrollTo(0, 0)")
        settle(driver)
        _save(driver, folder / "explore.png")
    with browser(360, 760, dark=True) as driver:
        _unit(driver, page, "touch")
        _save(driver, folder / "explore-phone.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
