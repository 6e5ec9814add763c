"""The page: one HTML file made of the files in this folder, networks, weights and pictures."""

from __future__ import annotations

import base64
import html
import json
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from npnet.nn import Module
from npnet.prediction.predictor import placement_for
from npnet.runs.errors import ConfigError
from npnet.runs.files import finite
from npnet.version import __version__
from npnet.web.graph import Graph, graph_of
from npnet.web.pictures import Pictures
from npnet.web.story import Story

__all__ = ["Shown", "called", "page_of", "shown"]

# In the order in which a page runs them: each uses those before it.
SCRIPTS = (
    "forward.js",
    "backward.js",
    "picture.js",
    "terms.js",
    "data.js",
    "paint.js",
    "ink.js",
    "layers.js",
    "inspector.js",
    "answer.js",
    "sources.js",
    "story.js",
    "page.js",
)
_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Shown:
    """A network in a page.

    Attributes:
        name: what the reader calls it.
        facts: what the page must know besides its layers.
    """

    name: str
    graph: Graph
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """All but the weights."""
        return {"name": self.name, **self.facts, "graph": self.graph.to_json()}


def shown(model: Module, name: str) -> Shown:
    """A network of `from_checkpoint` as pages show it.

    Raises:
        ConfigError: a page can't be made of it: says which layer it does not have, or why.
    """
    facts = model.checkpoint
    if facts.pixels.dtype != "uint8" and not facts.pixels.are_shares:
        raise ConfigError(
            f"format: a page makes pictures of bytes, and this network was trained on floats from "
            f"{facts.pixels.least:.3g} to {facts.pixels.most:.3g}; take onnx"
        )
    try:
        graph = graph_of(model, facts.image_shape)
    except (NotImplementedError, ValueError) as error:
        raise ConfigError(str(error).replace("export: ", "format: html: ", 1)) from error
    placement = placement_for(facts)
    return Shown(
        name,
        graph,
        {
            "model": called(facts.model),
            "dataset": called(facts.dataset),
            "classes": list(facts.classes),
            "image_shape": list(facts.image_shape),
            "mean": list(facts.mean),
            "std": list(facts.std),
            "epoch": facts.epoch,
            "val_accuracy": facts.val_accuracy,
            "placement": None if placement is None else placement._asdict(),
        },
    )


def called(spelling: str) -> str:
    """The name alone of what may be a file's path, or a class in one: a page is sent to others."""
    return re.split(r"[/\\:]", spelling.rstrip("/\\"))[-1]


def page_of(
    networks: Sequence[Shown], pictures: Pictures | None = None, story: Story | None = None
) -> str:
    """The text of a page that shows one network, or two of the same classes beside each other.

    Raises:
        ConfigError: the two take other pictures or have other classes.
    """
    _check_alike(networks)
    title = " and ".join(network.name for network in networks)
    data = {
        "version": __version__,
        "networks": [network.to_json() for network in networks],
        "pictures": None if pictures is None else pictures.to_json(),
        "story": None if story is None else story.to_json(),
    }
    weights = [_text(f"weights-{k}", n.graph.weights()) for k, n in enumerate(networks)]
    if story is not None:
        weights += [_text(f"epoch-{k}", data) for k, data in enumerate(story.weights)]
    template = string.Template((_FOLDER / "page.html").read_text("utf-8"))
    return template.substitute(
        title=html.escape(title),
        style=(_FOLDER / "page.css").read_text("utf-8"),
        data=_json(data),
        weights="\n".join(weights),
        scripts="\n".join(f"<script>\n{_script(name)}</script>" for name in SCRIPTS),
    )


def _check_alike(networks: Sequence[Shown]) -> None:
    first = networks[0].facts
    for other in networks[1:]:
        for name, what in (("classes", "classes"), ("placement", "kind of pictures")):
            if other.facts[name] != first[name]:
                raise ConfigError(
                    f"checkpoints: two networks beside each other must have the same {what}; got "
                    f"{first[name]} and {other.facts[name]}"
                )
        if other.facts["image_shape"][0] != first["image_shape"][0]:
            raise ConfigError(
                "checkpoints: two networks beside each other must take pictures of the same "
                f"channels, got {first['image_shape'][0]} and {other.facts['image_shape'][0]}"
            )


def _json(tree: Any) -> str:
    """JSON that may stand in HTML: no tag begins in it."""
    text = json.dumps(finite(tree), allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _text(name: str, data: bytes) -> str:
    return f'<script type="text/plain" id="{name}">{base64.b64encode(data).decode()}</script>'


def _script(name: str) -> str:
    text = (_FOLDER / name).read_text("utf-8")
    assert "</script" not in text  # it would end there
    return "".join(f"{line.strip()}\n" for line in text.splitlines())  # indents are a sixth of it
