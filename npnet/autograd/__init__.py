"""Derivatives: the names of `torch.autograd`. There are no derivatives of derivatives."""

from typing import Any

from npnet.autograd import functional
from npnet.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from npnet.autograd.function import Function
from npnet.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from npnet.autograd.gradcheck import gradcheck
from npnet.autograd.gradients import backward, grad
from npnet.autograd.variable import Variable

__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "functional",
    "grad",
    "gradcheck",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]

_ABSENT = {
    "gradgradcheck": "it needs derivatives of derivatives, which there are not",
    "profiler": "Python's cProfile shows where the time goes",
}


def __getattr__(name: str) -> Any:
    reason = f": {_ABSENT[name]}" if name in _ABSENT else ""
    raise AttributeError(f"npnet.autograd has no {name}{reason}")
