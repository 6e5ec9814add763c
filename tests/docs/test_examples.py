"""Every public name has an example in its docstring, and it gives what stands there."""

from __future__ import annotations

import doctest
import importlib
import inspect
import multiprocessing
from collections.abc import Iterator
from typing import Any

import pytest

from tests.docs.running import faults, parsed

# Where public names are; a class stands for its own methods and properties.
MODULES = {
    "npnet": "npnet",
    "nn.functional": "npnet.nn.functional",
    "nn.init": "npnet.nn.init",
    "linalg": "npnet.linalg",
    "Tensor": "npnet.Tensor",
    "autograd": "npnet.autograd",
    "autograd.functional": "npnet.autograd.functional",
    "compiler": "npnet.compiler",
    "datasets": "npnet.datasets",
    "distributed": "npnet.distributed",
    "distributions": "npnet.distributions",
    "explain": "npnet.explain",
    "grading": "npnet.grading",
    "hub": "npnet.hub",
    "jit": "npnet.jit",
    "models": "npnet.models",
    "multiprocessing": "npnet.multiprocessing",
    "nn": "npnet.nn",
    "nn.parallel": "npnet.nn.parallel",
    "nn.utils": "npnet.nn.utils",
    "nn.utils.parametrizations": "npnet.nn.utils.parametrizations",
    "nn.utils.parametrize": "npnet.nn.utils.parametrize",
    "nn.utils.prune": "npnet.nn.utils.prune",
    "nn.utils.rnn": "npnet.nn.utils.rnn",
    "onnx": "npnet.onnx",
    "optim": "npnet.optim",
    "optim.lr_scheduler": "npnet.optim.lr_scheduler",
    "optim.swa_utils": "npnet.optim.swa_utils",
    "plots": "npnet.plots",
    "prediction": "npnet.prediction",
    "sklearn": "npnet.sklearn",
    "testing": "npnet.testing",
    "training": "npnet.training",
    "transforms": "npnet.transforms",
    "transforms.functional": "npnet.transforms.functional",
    "transforms.v2": "npnet.transforms.v2",
    "utils": "npnet.utils",
    "utils.checkpoint": "npnet.utils.checkpoint",
    "utils.data": "npnet.utils.data",
    "utils.hooks": "npnet.utils.hooks",
    "utils.tensorboard": "npnet.utils.tensorboard",
    "verify": "npnet.verify",
}

# What has no example, and why.
FILES = "reads files that are not in the repository"
GROUP = "needs a group of processes, and mpi4py"
LARGE = "has millions of weights to draw"
PROCESS = "starts processes, which takes its time"
PYTHON = "is Python's own, with Python's docstring"
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
    **{
        f"datasets.{name}": FILES
        for name in [
            "CIFAR10",
            "CIFAR100",
            "EMNIST",
            "FashionMNIST",
            "KMNIST",
            "MNIST",
            "QMNIST",
            "STL10",
            "SVHN",
            "USPS",
        ]
    },
    **{
        f"distributed.{name}": GROUP
        for name in [
            "DistributedModel",
            "DistributedOptimizer",
            "MPIGroup",
            "all_gather",
            "all_gather_object",
            "all_reduce",
            "barrier",
            "broadcast",
            "broadcast_object_list",
            "destroy_process_group",
            "get_rank",
            "get_world_size",
            "group",
            "init",
            "init_process_group",
            "shutdown",
        ]
    },
    "grading.grade_file": PROCESS,
    "jit.Final": PYTHON,
    **{f"models.densenet{depth}": LARGE for depth in (121, 161, 169, 201)},
    **{f"models.resnet{depth}": LARGE for depth in (34, 50, 101, 152)},
    **{f"models.vgg{depth}": LARGE for depth in (11, 13, 16, 19)},
    **{f"models.vgg{depth}_bn": LARGE for depth in (11, 13, 16, 19)},
    **{
        f"models.{name}": LARGE
        for name in [
            "AlexNet",
            "VGG",
            "alexnet",
            "resnext50_32x4d",
            "resnext101_32x8d",
            "resnext101_64x4d",
            "wide_resnet50_2",
            "wide_resnet101_2",
        ]
    },
    **{f"multiprocessing.{name}": PYTHON for name in multiprocessing.__all__ if name != "reducer"},
    **{
        f"multiprocessing.{name}": PROCESS
        for name in ("ProcessContext", "spawn", "start_processes")
    },
    "nn.NLLLoss2d": WARNS,
    "nn.parallel.DistributedDataParallel": GROUP,
    **{
        f"nn.utils.{name}": WARNS
        for name in ("clip_grad_norm", "remove_weight_norm", "weight_norm")
    },
    "verify.verify": "compiles kernels and calls PyTorch, which takes its time",
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
    return parsed(text, name)


@pytest.mark.parametrize("where", MODULES)
def test_every_public_name_has_an_example(where: str) -> None:
    without = {name for name, value in public(where) if not example_of(name, value).examples}
    assert without == {name for name in WITHOUT if name.rpartition(".")[0] == where}


@pytest.mark.parametrize("where", MODULES)
def test_examples_give_what_they_say(where: str) -> None:
    examples = {test.docstring: test for test in (example_of(*pair) for pair in public(where))}
    report = "".join(map(faults, examples.values()))
    assert not report, report


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

    report = faults(example_of("half", half))
    assert "tensor(0.3333)" in report
    assert "tensor(0.5000) / 2" not in report
