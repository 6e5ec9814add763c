"""npnet: small convolutional networks on the CPU, from scratch, every gradient proven.

The names are PyTorch's: `import npnet`, `from npnet import nn, optim`, and an ordinary LeNet or
ResNet program runs.
"""

from npnet.base import signals  # noqa: F401  # first: a command heeds them while the rest is imported

# isort: split
import importlib as _importlib
import math as _math
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

import numpy as _np

from npnet import distributions, nn, optim, utils
from npnet.backend import get_backend, set_backend, set_winograd
from npnet.base.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from npnet.base.memory import empty_cache
from npnet.base.printing import set_printoptions
from npnet.base.threads import apply_environment as _apply_environment
from npnet.base.threads import get_num_threads, set_num_threads
from npnet.compiler import compile
from npnet.creation import (
    arange,
    empty,
    empty_like,
    eye,
    from_numpy,
    full,
    full_like,
    linspace,
    normal,
    ones,
    ones_like,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    zeros,
    zeros_like,
)
from npnet.devices import accelerator, backends, cuda, device
from npnet.lanes.choice import choose as _choose
from npnet.ops.activation import log_softmax, relu, sigmoid, softmax, tanh
from npnet.ops.arithmetic import add, div, floor_divide, mul, neg, pow, remainder, sub
from npnet.ops.choices import clamp, maximum, minimum, where
from npnet.ops.compare import (
    allclose,
    eq,
    equal,
    ge,
    gt,
    isfinite,
    isnan,
    le,
    logical_and,
    logical_not,
    logical_or,
    lt,
    ne,
)
from npnet.ops.conv import conv1d, conv2d
from npnet.ops.conv_transpose import conv_transpose1d, conv_transpose2d
from npnet.ops.dtypes import result_type
from npnet.ops.elementwise import (
    bitwise_and,
    bitwise_not,
    bitwise_or,
    bitwise_xor,
    ceil,
    floor,
    isinf,
    reciprocal,
    round,
    rsqrt,
    sign,
    square,
)
from npnet.ops.functions import abs, cos, exp, log, sin, sqrt
from npnet.ops.indexing import gather
from npnet.ops.linear import matmul
from npnet.ops.pixel_shuffle import pixel_shuffle, pixel_unshuffle
from npnet.ops.pool import max_pool2d
from npnet.ops.pool1d import adaptive_avg_pool1d, avg_pool1d, max_pool1d
from npnet.ops.products import bmm, dot, logsumexp, mm, mv, norm, outer
from npnet.ops.reduce import all, any, argmax, argmin, max, mean, min, std, sum, var
from npnet.ops.sampling import bernoulli, multinomial
from npnet.ops.shape import (
    cat,
    flatten,
    permute,
    reshape,
    squeeze,
    stack,
    t,
    transpose,
    unsqueeze,
)
from npnet.ops.sorting import argsort, cumsum, sort, topk
from npnet.ops.splitting import chunk, diag, flip, index_select, masked_fill, nonzero, split, unbind
from npnet.random import Generator, initial_seed, manual_seed
from npnet.serialization import load, save
from npnet.tape import let_choose as _let_choose
from npnet.tensor import Tensor, as_tensor, is_tensor, tensor

if _TYPE_CHECKING:
    from npnet import autograd as autograd
    from npnet import datasets as datasets
    from npnet import models as models
    from npnet import multiprocessing as multiprocessing
    from npnet import transforms as transforms

_apply_environment()
_let_choose(_choose)

__version__ = "0.1.0"  # a literal, which building a package reads without importing npnet

bool = _np.dtype(_np.bool_)
uint8 = _np.dtype(_np.uint8)
int8 = _np.dtype(_np.int8)
int16 = short = _np.dtype(_np.int16)
int32 = int = _np.dtype(_np.int32)
int64 = long = _np.dtype(_np.int64)
float32 = float = _np.dtype(_np.float32)
float64 = double = _np.dtype(_np.float64)

e = _math.e
inf = _math.inf
nan = _math.nan
pi = _math.pi

clip = clamp
is_floating_point = Tensor.is_floating_point
masked_select = Tensor.masked_select
numel = Tensor.numel

__all__ = [
    "Generator",
    "Tensor",
    "__version__",
    "abs",
    "accelerator",
    "adaptive_avg_pool1d",
    "add",
    "all",
    "allclose",
    "any",
    "arange",
    "argmax",
    "argmin",
    "argsort",
    "as_tensor",
    "avg_pool1d",
    "backends",
    "bernoulli",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "bmm",
    "bool",
    "cat",
    "ceil",
    "chunk",
    "clamp",
    "clip",
    "compile",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "cos",
    "cuda",
    "cumsum",
    "device",
    "diag",
    "distributions",
    "div",
    "dot",
    "double",
    "e",
    "empty",
    "empty_cache",
    "empty_like",
    "enable_grad",
    "eq",
    "equal",
    "exp",
    "eye",
    "flatten",
    "flip",
    "float",
    "float32",
    "float64",
    "floor",
    "floor_divide",
    "from_numpy",
    "full",
    "full_like",
    "gather",
    "ge",
    "get_backend",
    "get_num_threads",
    "gt",
    "index_select",
    "inf",
    "inference_mode",
    "initial_seed",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_floating_point",
    "is_grad_enabled",
    "is_tensor",
    "isfinite",
    "isinf",
    "isnan",
    "le",
    "linspace",
    "load",
    "log",
    "log_softmax",
    "logical_and",
    "logical_not",
    "logical_or",
    "logsumexp",
    "long",
    "lt",
    "manual_seed",
    "masked_fill",
    "masked_select",
    "matmul",
    "max",
    "max_pool1d",
    "max_pool2d",
    "maximum",
    "mean",
    "min",
    "minimum",
    "mm",
    "mul",
    "multinomial",
    "mv",
    "nan",
    "ne",
    "neg",
    "nn",
    "no_grad",
    "nonzero",
    "norm",
    "normal",
    "numel",
    "ones",
    "ones_like",
    "optim",
    "outer",
    "permute",
    "pi",
    "pixel_shuffle",
    "pixel_unshuffle",
    "pow",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "reciprocal",
    "relu",
    "remainder",
    "reshape",
    "result_type",
    "round",
    "rsqrt",
    "save",
    "set_backend",
    "set_grad_enabled",
    "set_num_threads",
    "set_printoptions",
    "set_winograd",
    "short",
    "sigmoid",
    "sign",
    "sin",
    "softmax",
    "sort",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "sub",
    "sum",
    "t",
    "tanh",
    "tensor",
    "topk",
    "transpose",
    "uint8",
    "unbind",
    "unsqueeze",
    "utils",
    "var",
    "where",
    "zeros",
    "zeros_like",
]

# Imported when they are asked for: `import npnet` is all that a program needs, and stays fast.
_LATER = frozenset({"autograd", "datasets", "models", "multiprocessing", "transforms"})
_ABSENT = {
    "distributed": "it runs in one process, and shares work among threads by itself",
    "fft": "numpy.fft does, on tensor.numpy()",
    "hub": "there are no weights to download; models.* make networks, load_state_dict fills them",
    "jit": "npnet.compile makes programs of networks",
    "sparse": "all tensors are dense",
}


def __getattr__(name: str) -> _Any:
    if name in _LATER:
        return _importlib.import_module(f"{__name__}.{name}")
    reason = f": {_ABSENT[name]}" if name in _ABSENT else ""
    raise AttributeError(f"module 'npnet' has no attribute '{name}'{reason}")


def __dir__() -> _Any:
    return sorted({*globals(), *_LATER})
