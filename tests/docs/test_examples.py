"""Every public name has an example in its docstring, and it gives what stands there.

An example needs no imports of npnet: `npnet`, `nn`, `F`, `optim` and `np` are there, and the
generator is seeded with 0 before each.
"""

from __future__ import annotations

import doctest
import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import nn, optim
from npnet.nn import functional as F

# Where public names are; a class stands for its own methods and properties.
MODULES = {
    "npnet": "npnet",
    "nn.functional": "npnet.nn.functional",
    "nn.init": "npnet.nn.init",
    "linalg": "npnet.linalg",
    "Tensor": "npnet.Tensor",
}

# What has no example, and why.
WARNS = "warns, as PyTorch does, that it is an old name"
CONSTANT = "is the same of every tensor, as its docstring says"
WITHOUT = {
    "npnet.dtype": "is NumPy's class, with NumPy's docstring",
    "npnet.range": WARNS,
    **{f"nn.functional.{name}": WARNS for name in ("upsample", "upsample_bilinear")},
    "nn.functional.upsample_nearest": WARNS,
    **{
        f"nn.init.{name}": WARNS
        for name in [
            "constant",
            "dirac",
            "eye",
            "kaiming_normal",
            "kaiming_uniform",
            "normal",
            "orthogonal",
            "sparse",
            "uniform",
            "xavier_normal",
            "xavier_uniform",
        ]
    },
    **{
        f"Tensor.{name}": CONSTANT
        for name in [
            "is_cpu",
            "is_cuda",
            "is_meta",
            "is_mps",
            "is_nested",
            "is_quantized",
            "is_sparse",
            "is_xpu",
            "layout",
            "name",
            "output_nr",
        ]
    },
    "Tensor.grad": "is a slot of the class, which has no docstring; `backward` shows it",
}


def public(where: str) -> Iterator[tuple[str, Any]]:
    """The functions, classes, methods and properties, by name; no constants and modules."""
    owner = _found(MODULES[where])
    of_class = inspect.isclass(owner)
    for name in [n for n in dir(owner) if n[0] != "_"] if of_class else owner.__all__:
        value = inspect.getattr_static(owner, name) if of_class else getattr(owner, name)
        if not inspect.ismodule(value) and (callable(value) or hasattr(value, "__get__")):
            yield f"{where}.{name}", value


def _found(path: str) -> Any:
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        module, _, name = path.rpartition(".")
        return getattr(importlib.import_module(module), name)


def example_of(name: str, value: Any) -> doctest.DocTest:
    """What a docstring has in its section `Example`, ready to run."""
    doc = inspect.cleandoc(value.__doc__ or "")
    text = f"\n{doc}".partition("\nExample:\n")[2].partition("\n\n")[0]
    names = {"npnet": npnet, "nn": nn, "F": F, "optim": optim, "np": np}
    return doctest.DocTestParser().get_doctest(text, names, name, None, None)


@pytest.mark.parametrize("where", MODULES)
def test_every_public_name_has_an_example(where: str) -> None:
    without = {name for name, value in public(where) if not example_of(name, value).examples}
    assert without == {name for name in WITHOUT if name.startswith(f"{where}.")}


@pytest.mark.parametrize("where", MODULES)
def test_examples_give_what_they_say(where: str) -> None:
    examples = {test.docstring: test for test in (example_of(*pair) for pair in public(where))}
    runner, report = doctest.DocTestRunner(), []
    for test in examples.values():
        npnet.manual_seed(0)
        runner.run(test, out=report.append)
    assert not report, "".join(report)
    assert runner.summarize(verbose=False).attempted >= len(examples)


def test_a_wrong_example_is_found() -> None:
    def half() -> None:
        """Half.

        Example:
            >>> npnet.tensor(1.0) / 2
            tensor(0.5000)
            >>> npnet.tensor(1.0) / 3
            tensor(0.5000)

        Source: none.
        """

    report: list[str] = []
    doctest.DocTestRunner().run(example_of("half", half), out=report.append)
    assert "tensor(0.3333)" in "".join(report)
    assert "tensor(0.5000) / 2" not in "".join(report)
