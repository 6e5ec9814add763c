"""A certificate: all claims about a layer or a network, put to the test one after the other."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from npnet import __version__
from npnet.base.threads import available_cores
from npnet.verify.beside import beside_pytorch
from npnet.verify.claims import Certificate, Claim
from npnet.verify.onnx_tests import beside_onnx
from npnet.verify.slopes import finite_differences
from npnet.verify.spelling import layer_cases
from npnet.verify.subjects import Case
from npnet.verify.ways import (
    compiled_against_eager,
    kernels_against_numpy,
    one_thread_against_several,
)

__all__ = ["PROOFS", "classroom", "verify"]

Proof = Callable[[Sequence[Case], int, str], "Claim | list[Claim]"]
PROOFS: dict[str, Proof] = {
    "finite differences": finite_differences,
    "PyTorch": beside_pytorch,
    "ONNX": beside_onnx,
    "kernels": kernels_against_numpy,
    "compiled": compiled_against_eager,
    "threads": one_thread_against_several,
}
# What a course on convolutional networks uses.
_CLASSROOM = (
    *("Linear", "Conv2d", "ConvTranspose2d", "MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d"),
    *("ReLU", "LeakyReLU", "Sigmoid", "Tanh", "GELU", "Softmax", "LogSoftmax", "BatchNorm1d"),
    *("BatchNorm2d", "LayerNorm", "GroupNorm", "Dropout", "Flatten", "Embedding", "LSTM"),
    *("CrossEntropyLoss", "NLLLoss", "MSELoss", "L1Loss", "BCEWithLogitsLoss"),
)


def classroom(seed: int) -> list[Case]:
    """The layers of a course, each with its typical arguments."""
    return [case for name in _CLASSROOM for case in layer_cases(name, seed)[1]]


def verify(
    groups: Sequence[tuple[str, Sequence[Case]]],
    subject: str,
    seed: int = 0,
    notice: Callable[[str], Any] = lambda said: None,
) -> Certificate:
    """Put every claim about some modules to the test.

    Args:
        groups: names, each with the cases of which one row a claim is made.
        subject: what all of them are called.
        seed: of inputs, directions and output gradients.
        notice: is told what is being compared.
    """
    start = time.perf_counter()
    claims: list[Claim] = []
    for proof, prove in PROOFS.items():
        for name, cases in groups:
            notice(f"{proof}: {name}")
            found = prove(cases, seed, name)
            claims += found if isinstance(found, list) else [found]
    return Certificate(subject, tuple(claims), _facts(seed), time.perf_counter() - start)


def _facts(seed: int) -> dict[str, str]:
    return {
        "npnet": __version__,
        "NumPy": np.__version__,
        "Python": platform.python_version(),
        "machine": f"{platform.machine()}, {available_cores()} core(s), {platform.system()}",
        "seed": str(seed),
        "date": time.strftime("%Y-%m-%d"),
    }
