"""Grading a file, or a class: finding layers, trying cases, giving points."""

from __future__ import annotations

import ast
import contextlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from npnet.base.checks import unknown_name
from npnet.grading.checks import TITLES, check_names, graded
from npnet.grading.compare import Trial
from npnet.grading.kinds import KINDS, Kind, kind_of
from npnet.grading.protocol import describe, form_of, run_job
from npnet.grading.results import FAILED, PASSED, Check, LayerResult, Submission
from npnet.grading.rubric import Rubric
from npnet.grading.sandbox import Sandbox
from npnet.grading.student import error_of, seed
from npnet.runs.errors import ConfigError

__all__ = ["grade_class", "grade_file"]

Ask = Callable[[Mapping[str, Any]], Mapping[str, Any]]
FORMS = {"layer": "a class with forward and backward", "function": "an autograd.Function",
         "optimizer": "an optimizer with update"}  # fmt: skip


def grade_file(
    path: Path, names: Sequence[str] = (), kind: str = "", rubric: Rubric | None = None
) -> Submission:
    """Grade the layers of a file in a process of its own.

    Args:
        names: the classes; default those of the rubric, or all whose names say what they are.
        kind: what they are, where names do not say it.

    Raises:
        ConfigError: there is no such file, class or kind, or no class whose name says its kind.
    """
    rubric = rubric or Rubric()
    start = time.monotonic()
    _check_kind(kind)
    wanted = {name: kind or rubric.kind(name) for name in names or rubric.layers}
    if not path.is_file():
        if not rubric.layers:
            raise ConfigError(f"FILE: there is no file {path}")
        error = f"there is no file {path.name}"  # of a submission, which has no points then
        layers = [_not_loaded(name, of, error, rubric) for name, of in wanted.items()]
        return Submission(path.name, tuple(layers), error, title=rubric.title)
    if unclear := [name for name, of in wanted.items() if not of]:
        raise ConfigError(_unclear(unclear[0]))
    with Sandbox(path, rubric.limits, rubric.forbid) as sandbox:
        loaded = sandbox.load()
        if "error" in loaded:
            classes: list[str] = _class_names(path)
            kinds = wanted or _kinds(classes, kind)
            layers = [
                _not_loaded(n, k, str(loaded["error"]), rubric) for n, k in kinds.items() if k
            ]
            result = Submission(path.name, tuple(layers), str(loaded["error"]))
        else:
            classes = [str(name) for name in _listed(loaded.get("classes"))]
            kinds = wanted or _kinds(classes, kind)
            if not any(kinds.values()) and not rubric.layers:
                raise ConfigError(_none(path, classes))
            layers = [
                _graded(name, of, sandbox.ask, rubric, name in classes)
                for name, of in kinds.items()
                if of
            ]
            result = Submission(path.name, tuple(layers))
        printed = sandbox.printed
    ungraded = tuple(name for name, of in kinds.items() if not of)
    seconds = round(time.monotonic() - start, 2)
    return replace(result, printed=printed, ungraded=ungraded, title=rubric.title, seconds=seconds)


def grade_class(cls: type, kind: str = "", rubric: Rubric | None = None) -> LayerResult:
    """Grade a class in this process, without limits: for tests and notebooks.

    Raises:
        ConfigError: what kind it is is not clear.

    Example:
        >>> from npnet.grading import grade_class
        >>> class ReLU:
        ...     def forward(self, x):
        ...         self.x = x
        ...         return np.maximum(x, 0)
        ...     def backward(self, gy):
        ...         return gy * (self.x > 0)
        >>> result = grade_class(ReLU)
        >>> result.kind, result.passed
        ('relu', True)
    """
    rubric = rubric or Rubric()
    _check_kind(kind)
    of = kind or rubric.kind(cls.__name__) or kind_of(cls.__name__) or ""
    if not of:
        raise ConfigError(f"kind: {_unclear(cls.__name__)}")
    if form_of(cls) is None:
        raise ConfigError(
            f"{cls.__name__} has neither forward and backward, nor update; see docs/grading.md"
        )
    module = sys.modules.get(cls.__module__)
    path = getattr(module, "__file__", None) or ""

    def ask(message: Mapping[str, Any]) -> Mapping[str, Any]:
        from npnet.grading.jobs import Job

        try:
            if "describe" in message:
                return describe(cls, tuple(message["describe"]))
            seed()
            return {"outcomes": run_job(cls, Job.of(message["job"]))}
        except (Exception, SystemExit) as error:
            return {"error": error_of(error, path)}

    return _graded(cls.__name__, of, ask, rubric, True)


# ---- kinds ---------------------------------------------------------------------------------------


def _check_kind(kind: str) -> None:
    if kind and kind not in KINDS:
        raise ConfigError(unknown_name("kind", kind, KINDS))


def _kinds(classes: Sequence[str], kind: str) -> dict[str, str]:
    return {name: kind or kind_of(name) or "" for name in classes}


def _unclear(name: str) -> str:
    return (
        f"the name {name} does not say what kind of layer it is; say it by --kind, or in Python by "
        f"kind=, one of {', '.join(KINDS)}"
    )


def _none(path: Path, classes: Sequence[str]) -> str:
    if not classes:
        return (
            f"FILE: {path.name} has no class with forward and backward, or update; see "
            "docs/grading.md for what a layer must have"
        )
    return _unclear(classes[0])


def _class_names(path: Path) -> list[str]:
    """The classes of a file that could not be executed, as far as it can be read."""
    with contextlib.suppress(OSError, SyntaxError, ValueError):
        tree = ast.parse(path.read_bytes())
        return [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    return []


# ---- one layer -----------------------------------------------------------------------------------


def _graded(name: str, kind_name: str, ask: Ask, rubric: Rubric, is_there: bool) -> LayerResult:
    kind = KINDS[kind_name]
    if not is_there:
        return _failed(name, kind, f"there is no class {name} with forward and backward", rubric)
    said = ask({"class": name, "describe": [*kind.required, *kind.optional]})
    if "error" in said:
        return _failed(name, kind, str(said["error"]), rubric)
    takes = {str(one) for one in _listed(said.get("takes"))}
    if "betas" in takes:
        takes |= {"beta1", "beta2"}
    trials = [_tried(case, name, ask, takes, said) for case in kind.cases]
    try:
        checks, diagnoses = graded(kind, trials, rubric.adds_up)
        found = _found(said, trials)
    except (TypeError, KeyError, AttributeError, IndexError, ValueError) as error:
        return _failed(name, kind, f"its results can't be read: {error!r}", rubric)
    loads = Check("loads", "the file runs, and has the class", PASSED)
    return LayerResult(
        name, kind.name, found, rubric.with_points(name, [loads, *checks]), tuple(diagnoses)
    )


def _listed(value: Any) -> list[Any]:
    """What an answer has as a list, or as keys; a process that runs a student's code may say
    anything."""
    return list(value) if isinstance(value, (list, dict)) else []


def _tried(case: Any, name: str, ask: Ask, takes: set[str], said: Mapping[str, Any]) -> Trial:
    missing = [need for need in case.needs if need not in takes]
    if missing:
        return Trial(case, skipped=f"__init__ takes no {missing[0]}")
    if "upstream" in case.tags and said.get("form") == "layer" and not said.get("backward"):
        return Trial(case, skipped="backward takes no grad_output")
    answer = ask({"class": name, "job": case.job.message()})
    outcomes = answer.get("outcomes")
    if not isinstance(outcomes, list) or len(outcomes) != len(case.job.calls):
        return Trial(case, error=str(answer.get("error", "there is no answer")))
    return Trial(case, tuple(outcomes))


def _found(said: Mapping[str, Any], trials: Sequence[Trial]) -> str:
    """How a class was understood."""
    names = ", ".join(map(str, _listed(said.get("names"))))
    form = FORMS.get(str(said.get("form")), "a class")
    kept = next((t.outcomes[0].get("kept") for t in trials if t.outcomes), None)
    where = f"; {', '.join(map(str, kept))}" if kept else ""
    return f"{form}; arguments: {names or 'none'}{where}"


def _not_loaded(name: str, kind: str, error: str, rubric: Rubric) -> LayerResult:
    return _failed(name, KINDS[kind], error, rubric)


def _failed(name: str, kind: Kind, why: str, rubric: Rubric) -> LayerResult:
    """A layer of which nothing could be tried."""
    loads = Check("loads", "the file runs, and has the class", FAILED, why)
    rest = [
        Check(check, TITLES[check], FAILED, "not tried")
        for check in check_names(kind, rubric.adds_up)
    ]
    return LayerResult(name, kind.name, "", rubric.with_points(name, [loads, *rest]))
