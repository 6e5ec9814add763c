"""Code of the user's own by its spelling: `my_file.py:Net`, or `package.module:Net`.

A file is executed once in a process, as long as it stays the same, under a name of its own in
`sys.modules`; its folder is on `sys.path`, as for `python my_file.py`. Only what somebody has typed
is executed: a spelling out of a checkpoint or a file of settings never is.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import npnet
from npnet.base.checks import nearest
from npnet.base.files import open_regular, printable, user_path
from npnet.runs.errors import ConfigError, FailedError

__all__ = ["blamed", "digest_of", "is_own", "load_class", "load_object", "where"]

_PACKAGE = str(Path(npnet.__file__).parent) + os.sep
_STANDARD = str(Path(os.__file__).parent) + os.sep  # of Python's own library
_SHOWN = 8  # names in an error
_modules: dict[Path, tuple[str, ModuleType]] = {}  # file -> digest, what was executed


def is_own(text: str) -> bool:
    """Whether a value is, or is meant to be, the spelling of somebody's own code."""
    return ":" in text or text.endswith(".py")


def load_object(spelling: str, flag: str) -> Any:
    """What `FILE.py:NAME` or `PACKAGE.MODULE:NAME` names; the file or module is executed.

    Args:
        flag: the setting that asks for it, for errors.

    Raises:
        ConfigError: no such file, module or name, or an error while it is executed, with its line.
    """
    place, separator, name = spelling.rpartition(":")
    if not separator or not place or not name:
        raise ConfigError(_without_name(spelling, flag))
    module = _of_file(place, spelling, flag) if place.endswith(".py") else _imported(place, flag)
    found: Any = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ConfigError(_no_name(module, place, name, flag)) from None
    return found


def load_class(spelling: str, flag: str, base: type, named: str) -> Any:
    """What a spelling names: a subclass of `base`, or a function that makes an instance of one.

    Args:
        named: how a user writes `base`, such as npnet.nn.Module.

    Raises:
        ConfigError: see `load_object`, or it is neither.
    """
    found = load_object(spelling, flag)
    said = f"{flag}: {spelling} must be a subclass of {named}, or a function that makes one"
    if isinstance(found, base):
        kind = type(found).__name__
        raise ConfigError(
            f"{said}, but is a {kind} that is made already, which no seed can repeat; name its "
            f"class: {spelling.rpartition(':')[0]}:{kind}"
        )
    if isinstance(found, type) and not issubclass(found, base):
        of_torch = any(cls.__module__.split(".")[0] == "torch" for cls in found.__mro__)
        fix = (
            "it is PyTorch's: write import npnet for import torch in the file"
            if of_torch
            else f"write class {found.__name__}({named})"
        )
        raise ConfigError(f"{said}; {fix}")
    if not callable(found):
        raise ConfigError(f"{said}, but is a {type(found).__name__}")
    return found


def digest_of(spelling: str) -> str:
    """SHA-256 of the file that a spelling names, as it is on the disk now; "" where there is none.

    What the file imports is not part of it. Nothing is executed.
    """
    place = spelling.rpartition(":")[0]
    if not place.endswith(".py"):
        module = sys.modules.get(place)
        place = getattr(module, "__file__", None) or ""
    try:
        with open_regular(place) as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return ""


def where(error: BaseException) -> str | None:
    """`FILE:LINE` of the innermost line of an error that is not npnet's; None where all are."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_short(error.filename)}:{error.lineno}"
    lines = [(file.filename, file.lineno) for file in traceback.extract_tb(error.__traceback__)]
    own = [line for line in lines if _is_users(line[0])]
    return f"{_short(own[-1][0])}:{own[-1][1]}" if own else None


@contextlib.contextmanager
def blamed(what: str, called: object = None) -> Iterator[None]:
    """Tell of an error in somebody's own code by its file and line.

    Args:
        what: whose it is, such as "model my_file.py:Net".
        called: the method of theirs that is called: where no line of theirs was reached, as by a
            wrong count of arguments, it is told by its own.

    Raises:
        FailedError: anything that the code within raised, and npnet does not tell in a line; also
            an end of the program (sys.exit), which would seem a run that ended well.
    """
    try:
        yield
    except (FailedError, ConfigError):
        raise
    except (Exception, SystemExit) as error:
        place = where(error) or _line_of(called)
        if place is None:
            raise
        raise FailedError(f"{what} failed at {place}: {_said(error)}") from error


def _line_of(called: object) -> str | None:
    """`FILE:LINE` where a function of the user's begins; None of any other."""
    code = getattr(called, "__code__", None)
    if code is None or not _is_users(code.co_filename):
        return None
    return f"{_short(code.co_filename)}:{code.co_firstlineno}"


def _said(error: BaseException) -> str:
    """The name and the words of an error."""
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


# ---- files ---------------------------------------------------------------------------------------


def _of_file(place: str, spelling: str, flag: str) -> ModuleType:
    """The module that a file is, executed unless it was already."""
    try:
        path = user_path(place).resolve()
        with open_regular(path) as file:
            source = file.read()
    except FileNotFoundError:
        raise ConfigError(_no_file(place, spelling, flag)) from None
    except OSError as error:
        raise ConfigError(f"{flag}: can't read {printable(place)}: {error.strerror}") from None
    digest = hashlib.sha256(source).hexdigest()
    known = _modules.get(path)
    if known is not None and known[0] == digest:
        return known[1]
    module = _executed(path, source, place, flag)
    _modules[path] = digest, module
    return module


def _executed(path: Path, source: bytes, place: str, flag: str) -> ModuleType:
    name = path.stem
    if name in sys.modules or name in sys.stdlib_module_names or not name.isidentifier():
        name = f"_own_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # of a name that ends in .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # as dataclasses and pickle look for it
    try:
        with _folder_first(path.parent):
            exec(compile(source, str(path), "exec"), module.__dict__)
    except BaseException as error:
        sys.modules.pop(name, None)
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ConfigError(_broken(error, place, flag)) from error
    return module


@contextlib.contextmanager
def _folder_first(folder: Path) -> Iterator[None]:
    """Let a file import its neighbours: first while it is executed, last for good.

    For good, so that imports in its functions work; last, so that none of them takes the place of
    a library that npnet imports later.
    """
    text = str(folder)
    there = text in sys.path
    sys.path.insert(0, text)
    try:
        yield
    finally:
        sys.path.remove(text)
        if not there:
            sys.path.append(text)


def _imported(place: str, flag: str) -> ModuleType:
    """A module by its dotted name, from the current folder too."""
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        missing = error.name or place
        if place == missing or place.startswith(f"{missing}."):
            raise ConfigError(
                f"{flag}: there is no module {printable(place)}; write the path of a file as "
                "my_file.py:Name, or install the package"
            ) from None
        raise ConfigError(_broken(error, place, flag)) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ConfigError(_broken(error, place, flag)) from error


# ---- words ---------------------------------------------------------------------------------------


def _without_name(spelling: str, flag: str) -> str:
    place, _, _ = spelling.partition(":")
    names = _classes_in(place)
    example = f"{printable(place) or 'my_file.py'}:{names[0] if names else 'Name'}"
    has = f"; it has {_listed(names)}" if names else ""
    return f"{flag}: {printable(spelling)} says no name; write FILE:NAME, as {example}{has}"


def _no_file(place: str, spelling: str, flag: str) -> str:
    folder = user_path(place).parent
    there = [path.name for path in folder.glob("*.py")] if folder.is_dir() else []
    near = nearest(Path(place).name, there)
    hint = f"; did you mean {folder / near}:{spelling.rpartition(':')[2]}?" if near else ""
    return f"{flag}: there is no file {printable(place)} (from the folder {os.getcwd()}){hint}"


def _no_name(module: ModuleType, place: str, name: str, flag: str) -> str:
    own = [
        key
        for key, value in vars(module).items()
        if not key.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]
    near = nearest(name, own)
    hint = f"; did you mean {place}:{near}?" if near else ""
    has = f"; it has {_listed(own)}" if own and not near else hint
    return f"{flag}: there is no {printable(name)} in {printable(place)}{has}"


def _broken(error: BaseException, place: str, flag: str) -> str:
    line = where(error)
    at = f" at {line}" if line else ""
    if isinstance(error, SystemExit):
        return (
            f"{flag}: {printable(place)} ended the program{at} while it was read; put what it does "
            'as a program under if __name__ == "__main__":'
        )
    return f"{flag}: {printable(place)} can't be executed: it failed{at}: {_said(error)}"


def _classes_in(place: str) -> list[str]:
    """The classes of a file, which is not executed."""
    try:
        with open_regular(place) as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return []
    return [node.name for node in tree.body if isinstance(node, ast.ClassDef)]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _short(file: str) -> str:
    """A file as a user names it: from the current folder where it is in it."""
    with contextlib.suppress(ValueError):
        return str(Path(file).relative_to(os.getcwd()))
    return file


def _is_users(file: str) -> bool:
    """Whether a line is neither npnet's nor a library's."""
    if file.startswith((_PACKAGE, "<")):
        return False
    parts = Path(file).parts
    if "site-packages" in parts or "dist-packages" in parts:
        return False
    return not file.startswith(_STANDARD)
