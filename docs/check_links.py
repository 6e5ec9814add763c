"""Check a built manual: every link, anchor, picture and script inside it exists, none is elsewhere.

python docs/check_links.py build/manual

Links that a reader follows may lead to other hosts; what a page loads by itself may not, as the
manual is read from a disk, without a network. Exit code 1, with a line for each fault, if one does.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Attributes that make a browser load something, and those that a reader follows.
_LOADS = {"src", "srcset", "poster", "data"}
_ADDRESS = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")


class Page(HTMLParser):
    """What a page links to, what it loads, and the anchors that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        self.loads += [_first(given[name]) for name in sorted(_LOADS & given.keys())]
        self.loads += _addresses(given.get("style", ""))
        if "href" in given:
            # The address of the page itself, which search engines read, is not loaded.
            loaded = tag in ("link", "image", "use") and given.get("rel") not in _FOLLOWED
            (self.loads if loaded else self.links).append(given["href"])

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.loads += _addresses(data)


_FOLLOWED = {"canonical", "next", "prev", "index", "search", "author", "copyright"}


def _first(value: str) -> str:
    """The address in `src` or, of several sizes, `srcset`."""
    return value if value.startswith("data:") else value.split(",")[0].split(" ")[0]


def _addresses(style: str) -> list[str]:
    return [a or b for a, b in _ADDRESS.findall(style)]


@cache
def _read(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def faults(folder: Path) -> list[str]:
    """A line for each fault in the HTML and the styles of a folder."""
    folder = folder.resolve()
    found = []
    for path in _pages(folder):
        page = _read(path)
        said = [_fault(path, folder, address, loaded=False) for address in page.links]
        said += [_fault(path, folder, address, loaded=True) for address in page.loads]
        found += [f"{path.relative_to(folder)}: {text}" for text in sorted({*said} - {""})]
    for path in sorted(folder.rglob("*.css")):
        addresses = _addresses(path.read_text(encoding="utf-8"))
        said = [_fault(path, folder, address, loaded=True) for address in addresses]
        found += [f"{path.relative_to(folder)}: {text}" for text in sorted({*said} - {""})]
    return found


def _pages(folder: Path) -> list[Path]:
    """All but what the theme keeps as templates among its files."""
    return [path for path in sorted(folder.rglob("*.html")) if "_static" not in path.parts]


def _fault(path: Path, folder: Path, address: str, loaded: bool) -> str:
    """What is wrong with an address on a page; "" if nothing."""
    if address.startswith(("data:", "mailto:", "javascript:", "blob:")):
        return ""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return f"loads from another host: {address}" if loaded else ""
    target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
    if target.is_dir():
        target /= "index.html"
    if not target.is_relative_to(folder):
        return f"leads out of the manual: {address}"
    if not target.is_file():
        return f"no such file: {address}"
    anchor = unquote(parts.fragment)
    if anchor and target.suffix == ".html" and anchor not in _read(target).anchors:
        return f"no such anchor: {address}"
    return ""


def main(words: list[str]) -> int:
    if len(words) != 1 or not Path(words[0]).is_dir():
        print("usage: python docs/check_links.py FOLDER", file=sys.stderr)
        return 2
    folder = Path(words[0])
    found = faults(folder)
    print("\n".join([*found, f"{len(_pages(folder))} pages, {len(found)} faults"]))
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
