"""`npnet verify`: a certificate that a layer or a network is right, proven on the spot."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from npnet.base.checks import unknown_name
from npnet.base.files import atomic_write, user_path
from npnet.cli.bare import tried_on
from npnet.cli.networks import is_named, network_of
from npnet.models import MODELS
from npnet.runs.commands import run_command
from npnet.runs.errors import ConfigError, FailedError
from npnet.runs.flags import positional, read_flags
from npnet.runs.own import blamed, is_own

if TYPE_CHECKING:
    from npnet.verify import Case

__all__ = ["SETTINGS", "Options", "main"]

PROG = "npnet verify"
_FILES = (".safetensors", ".pth", ".pt", ".py", ".onnx", ".npz")  # by which a file is meant
EXAMPLE = "lenet5"  # the network of the certificate of npnet itself
Group = tuple[str, Sequence["Case"]]


@dataclass(frozen=True)
class Options:
    """Prove that a layer or a whole network is right, and print the certificate.

    SUBJECT is a layer (conv2d, "Conv2d(3, 8, 5, stride=2)"), a network by name, a checkpoint, or
    one of your own as my_net.py:Net; without it, the layers of a course and LeNet-5.

    Gradients are compared with finite differences in float64; everything with PyTorch and ONNX,
    where they are installed; kernels with NumPy, the compiled step with the loop, and one thread
    with several. What could not be compared is said.

    Exit code 1: a claim does not hold.
    """

    GROUPS: ClassVar[dict[str, str]] = {"options": "model_args"}
    PATHS: ClassVar[tuple[str, ...]] = ("subject", "html")
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {"subject": tuple(MODELS)}
    EXAMPLES: ClassVar[dict[str, str]] = {
        "a network by name": "lenet5",
        "a layer with arguments": '"Conv2d(3, 8, 5, stride=2)"',
        "one of your own, to print": "my_net.py:Net --input_size 1 28 28 --html certificate.html",
    }

    subject: str | None = positional(None, required=False)
    """a layer, a network, a checkpoint, or my_net.py:Net"""
    model_args: tuple[str, ...] = ()
    """what a network of your own is made with, as width=32 depth=3"""
    input_size: tuple[int, ...] = ()
    """channels, height and width of an image, as in 1 28 28; default: the network's own"""
    seed: int = 0
    """of inputs, directions and fresh weights"""
    html: str | None = None
    """write the certificate to this file, to be printed"""
    overwrite: bool = False
    """write over a file that is there"""
    json: bool = False
    """print it as JSON"""


SETTINGS = Options


def main(argv: Sequence[str]) -> int:
    """Print the certificate. Returns the exit code."""
    return run_command(lambda: _work(argv), PROG, "stopped")


def _work(argv: Sequence[str]) -> None:
    options = read_flags(argv, Options(), PROG)
    if options.seed < 0:
        raise ConfigError(f"seed: must be >= 0, got {options.seed}")
    _check_target(options)
    from npnet.verify import verify

    subject, groups = _subject(options)
    with _notices(options) as notice, _own_errors(options):
        certificate = verify(groups, subject, options.seed, notice)
    if options.html is not None:
        from npnet.verify.report import html

        command = shlex.join(["npnet", "verify", *argv])
        atomic_write(user_path(options.html), html(certificate, command).encode())
    if options.json:
        print(json.dumps(certificate.as_dict(), indent=1))
    else:
        from npnet.verify.report import show

        show(certificate)
    if not certificate.holds:
        raise FailedError(certificate.verdict)


def _check_target(options: Options) -> None:
    """Raise where the certificate can't be shown or written, before anything is computed."""
    from npnet.base.extras import require

    if not options.json:
        require("rich", "train", PROG)
    if options.html is None:
        return
    require("jinja2", "train", f"{PROG} --html")
    target = user_path(options.html)
    if target.is_dir() or not target.parent.is_dir():
        raise ConfigError(f"html: must be a file in a folder that is there, got {options.html}")
    if target.exists() and not options.overwrite:
        raise ConfigError(f"html: {options.html} is there; add --overwrite to write over it")


class _Quiet:
    def __call__(self, said: str) -> None:
        """Say nothing."""


def _notices(options: Options) -> AbstractContextManager[Any]:
    """What shows, in a terminal, what is being compared."""
    if options.json or not sys.stderr.isatty():
        return nullcontext(_Quiet())
    from rich.console import Console

    return _Status(Console(stderr=True))


class _Status:
    """A line that changes, and is gone at the end."""

    def __init__(self, console: Any) -> None:
        self.status = console.status("comparing")

    def __enter__(self) -> Any:
        self.status.start()
        return self.status.update

    def __exit__(self, *error: object) -> None:
        self.status.stop()


def _own_errors(options: Options) -> AbstractContextManager[Any]:
    is_theirs = is_own((options.subject or "").partition("(")[0])
    return blamed(f"model {options.subject}") if is_theirs else nullcontext()


# ---- what is verified ----------------------------------------------------------------------------


def _subject(options: Options) -> tuple[str, list[Group]]:
    """What is verified, and the groups of which a row a claim is made."""
    from npnet.verify.certificate import classroom
    from npnet.verify.spelling import layer_cases, layer_name

    text = options.subject
    _check_file(text or "")
    if text is None:
        _refuse_sizes(options, "names no network")
        network = _network(EXAMPLE, options)
        return "npnet", [("layers of a course", classroom(options.seed)), network]
    is_call = text.partition("(")[0].strip().isidentifier() and "(" in text
    if is_call or not (is_own(text) or is_named(text) or layer_name(text) is None):
        _refuse_sizes(options, "is a layer")
        name, cases = layer_cases(text, options.seed)
        return name, [(name, cases)]
    if not (is_own(text) or is_named(text) or user_path(text).exists()):
        from npnet.verify.layers import LAYERS

        said = unknown_name("SUBJECT", text, dict.fromkeys((*MODELS, *LAYERS)))
        raise ConfigError(f"{said}; nor is there a file of this name")
    return text, [_network(text, options)]


def _check_file(text: str) -> None:
    """Raise ConfigError where a file is meant that is not there."""
    place = user_path(text.rpartition(":")[0] or text)
    is_file = place.suffix in _FILES or os.sep in text
    if is_file and "(" not in text and not place.exists():
        raise ConfigError(f"SUBJECT: there is no file {place}")


def _refuse_sizes(options: Options, why: str) -> None:
    for flag in ("model_args", "input_size"):
        if getattr(options, flag):
            what = options.subject or "the command line"
            raise ConfigError(f"{flag}: is for a network, and {what} {why}")


def _network(text: str, options: Options) -> Group:
    """The cases of a network: in training and in evaluation."""
    from npnet import no_grad, zeros
    from npnet.random import drawing_apart
    from npnet.verify.networks import network_cases

    with drawing_apart(options.seed):
        named = network_of(text, options.model_args, options.input_size, PROG)
    with tried_on(named.shape), no_grad():
        named.model.eval()(zeros(2, *named.shape))
    return text, network_cases(text, named.model, named.shape, named.build, named.arguments)
