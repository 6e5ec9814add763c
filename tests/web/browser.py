"""A real browser, driven by events: Chromium of the system, by Selenium."""

from __future__ import annotations

import contextlib
import math
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
try:
    import selenium
except ImportError:
    selenium = None
LACKS = [
    name
    for name, there in (("chromium", CHROMIUM), ("chromedriver", DRIVER), ("selenium", selenium))
    if not there
]
needs_browser = pytest.mark.skipif(bool(LACKS), reason=f"no browser here: {', '.join(LACKS)}")

Stroke = Sequence[tuple[float, float]]  # in shares of the pad, (x, y)

# Digits as somebody writes them.
SEVEN: list[Stroke] = [[(0.28, 0.25), (0.72, 0.24), (0.6, 0.48), (0.46, 0.8)]]
ONE: list[Stroke] = [[(0.52, 0.2), (0.5, 0.5), (0.48, 0.82)]]
ZERO: list[Stroke] = [
    [
        (0.5 - 0.2 * math.sin(k * math.pi / 12), 0.5 - 0.3 * math.cos(k * math.pi / 12))
        for k in range(25)
    ]
]
THREE: list[Stroke] = [
    [
        *((0.3, 0.25), (0.5, 0.18), (0.66, 0.3), (0.58, 0.44), (0.45, 0.48)),
        *((0.64, 0.55), (0.68, 0.7), (0.52, 0.82), (0.3, 0.76)),
    ]
]


@contextlib.contextmanager
def browser(width: int = 1400, height: int = 1000, dark: bool = False) -> Iterator[Any]:
    """A browser without a window; its console must have no error at the end."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "hide-scrollbars"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        yield driver
        errors = [
            line["message"] for line in driver.get_log("browser") if line["level"] == "SEVERE"
        ]
        assert not errors, errors
    finally:
        driver.quit()


def draw(driver: Any, strokes: Sequence[Stroke], kind: str = "mouse") -> None:
    """Draw on the pad by the events that a mouse, a finger (touch) or a pen makes."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.action_builder import ActionBuilder
    from selenium.webdriver.common.actions.pointer_input import PointerInput

    pad = driver.find_element("id", "pad")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", pad)
    box = driver.execute_script(
        "const b = arguments[0].getBoundingClientRect(); return [b.left, b.top, b.width, b.height]",
        pad,
    )
    for stroke in strokes:
        pointer = PointerInput(kind, f"{kind} of a test")
        actions = ActionBuilder(driver, mouse=pointer, duration=8)
        for k, (x, y) in enumerate(stroke):
            place = round(box[0] + x * box[2]), round(box[1] + y * box[3])
            actions.pointer_action.move_to_location(*place)
            if k == 0:
                actions.pointer_action.pointer_down()
        actions.pointer_action.pointer_up()
        actions.perform()
    ActionChains(driver).pause(0.05).perform()
    settle(driver)


def settle(driver: Any) -> None:
    """Wait for two frames."""
    driver.execute_async_script(
        "requestAnimationFrame(() => requestAnimationFrame(() => arguments[0]()))"
    )


def opened(driver: Any, page: Path) -> None:
    """Open a page from its file, as somebody does who was sent it."""
    driver.get(page.resolve().as_uri())
    settle(driver)


def click(driver: Any, selector: str) -> None:
    """Click what a CSS selector names."""
    node = driver.find_element("css selector", selector)
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", node)
    node.click()
    settle(driver)


def touch(driver: Any, node: Any, x: int, y: int) -> None:
    """Click so many pixels from the left and the top of an element."""
    from selenium.webdriver.common.action_chains import ActionChains

    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", node)
    settle(driver)
    size = driver.execute_script(
        "return [arguments[0].clientWidth, arguments[0].clientHeight]", node
    )
    off = x - size[0] // 2, y - size[1] // 2  # from the middle, as Selenium counts
    ActionChains(driver).move_to_element_with_offset(node, *off).click().perform()
    settle(driver)
