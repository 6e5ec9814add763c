"""PyTorch's arguments as npnet's, and results of both held against each other."""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import npnet

__all__ = ["Unrepresentable", "differs", "in_double", "in_npnet", "leaves", "to_npnet", "to_torch"]

# Two libraries add in other orders and have other polynomials for exp or erf: a few units in the
# last place of values up to 10, through sums of some dozens of products of two.
FLOAT32 = {"rtol": 2e-5, "atol": 1e-4}
FLOAT64 = {"rtol": 1e-9, "atol": 1e-9}
EXACT = {"rtol": 0.0, "atol": 0.0}
TOLERANCES = {"float32": FLOAT32, "float64": FLOAT64}


class Unrepresentable(Exception):
    """npnet has no such value, of a complex dtype or in a sparse layout for example."""


def in_npnet(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of OpInfo's, mostly a lambda, in whose source `torch` means npnet."""
    method = getattr(function, "__name__", "")
    if function is getattr(torch.Tensor, method, None):
        return getattr(npnet.Tensor, method)
    if getattr(function, "__module__", "").startswith("torch.nn.functional"):
        return getattr(npnet.nn.functional, function.__name__)
    if not isinstance(function, types.FunctionType) or not {
        "torch",
        "F",
    } & set(function.__code__.co_names):
        return function
    names = {**function.__globals__, "torch": npnet, "F": npnet.nn.functional}
    return types.FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, function.__closure__
    )


def to_npnet(value: Any, known: dict[int, Any]) -> Any:
    """The same argument for npnet; tensors on memory of their own, in the same order of memory."""
    if id(value) in known:
        return known[id(value)]
    if isinstance(value, torch.Tensor):
        known[id(value)] = made = _tensor(value, known)
        return made
    if isinstance(value, (torch.dtype, torch.layout, torch.memory_format)):
        name = str(value).removeprefix("torch.")
        if not hasattr(npnet, name):
            raise Unrepresentable(name)
        return getattr(npnet, name)
    if isinstance(value, torch.nn.TransformerEncoderLayer):
        return _encoder_layer(value)
    if isinstance(value, torch.nn.Module):
        return getattr(npnet.nn, type(value).__name__)()
    if isinstance(value, types.FunctionType):
        return in_npnet(value)
    if isinstance(value, torch.device):
        return npnet.device(value.type)
    if isinstance(value, (list, tuple)):
        parts = [to_npnet(part, known) for part in value]
        return parts if isinstance(value, list) else tuple(parts)
    if isinstance(value, dict):
        return {key: to_npnet(part, known) for key, part in value.items()}
    if isinstance(value, (torch.Generator, complex)):
        raise Unrepresentable(type(value).__name__)
    return value


def _encoder_layer(theirs: torch.nn.TransformerEncoderLayer) -> npnet.nn.TransformerEncoderLayer:
    return npnet.nn.TransformerEncoderLayer(
        theirs.linear1.in_features,
        theirs.self_attn.num_heads,
        theirs.linear1.out_features,
        theirs.dropout.p,
        "gelu" if theirs.activation_relu_or_gelu == 2 else "relu",
        batch_first=theirs.self_attn.batch_first,
        norm_first=theirs.norm_first,
        bias=theirs.linear1.bias is not None,
        dtype=getattr(npnet, str(theirs.linear1.weight.dtype)[6:]),
    )


def _tensor(x: torch.Tensor, known: dict[int, Any]) -> npnet.Tensor:
    if x.ndim > 64:  # more axes than NumPy has
        raise Unrepresentable(f"{x.ndim} axes")
    if x.layout is not torch.strided or not hasattr(npnet, str(x.dtype).removeprefix("torch.")):
        raise Unrepresentable(f"{x.layout} {x.dtype}")
    if x.is_complex() or x.is_quantized or x.dtype is torch.bfloat16:
        raise Unrepresentable(str(x.dtype))
    y = npnet.from_numpy(_view(x, known) if x.numel() else x.numpy(force=True).copy())
    return y.requires_grad_() if x.requires_grad else y


def _view(x: torch.Tensor, known: dict[int, Any]) -> np.ndarray[Any, Any]:
    """The same view of a copy of its memory, which is one for all tensors on that memory."""
    if x._is_zerotensor():
        return np.zeros(tuple(x.shape), x.numpy(force=True).dtype)
    storage = x.untyped_storage()
    memory = known.get(-storage.data_ptr())  # beside the ids of objects, which are positive
    if memory is None:
        flat = torch.empty(0, dtype=x.dtype).set_(storage)
        known[-storage.data_ptr()] = memory = flat.numpy().copy()
    steps = [n * x.element_size() for n in x.stride()]
    start = memory.view(x.numpy(force=True).dtype)[x.storage_offset() :]
    return np.lib.stride_tricks.as_strided(start, x.shape, steps)


def to_torch(value: Any, known: dict[int, Any]) -> Any:
    """The same argument on memory of its own, for an op that writes in place; leaves stay."""
    if isinstance(value, torch.Tensor) and not value.requires_grad:
        return known.setdefault(id(value), value.clone())
    if isinstance(value, list):
        return [to_torch(part, known) for part in value]
    if isinstance(value, tuple) and not isinstance(value, torch.Size):
        return tuple(to_torch(part, known) for part in value)
    if isinstance(value, dict):
        return {key: to_torch(part, known) for key, part in value.items()}
    return value


def in_double(value: Any, known: dict[int, Any]) -> Any:
    """The same arguments with float32 tensors in float64."""
    if isinstance(value, torch.Tensor) and value.dtype is torch.float32:
        if id(value) not in known:
            known[id(value)] = value.detach().double().requires_grad_(value.requires_grad)
        return known[id(value)]
    if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        parts = [in_double(part, known) for part in value]
        return parts if isinstance(value, list) else tuple(parts)
    if isinstance(value, dict):
        return {key: in_double(part, known) for key, part in value.items()}
    return value


def leaves(value: Any) -> list[Any]:
    """All tensors among arguments or results, of either library, in order."""
    if isinstance(value, (torch.Tensor, npnet.Tensor)):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [x for part in value for x in leaves(part)]
    return []


def differs(ours: Any, theirs: Any, wide: bool = False) -> str | None:
    """What a result has other than PyTorch's; None where nothing.

    Args:
        wide: whether PyTorch computed in float64 what npnet did in float32.
    """
    if isinstance(theirs, torch.Tensor):
        return _tensors_differ(ours, theirs, wide)
    if isinstance(theirs, (torch.dtype, torch.device)):
        same = str(theirs).removeprefix("torch.") == str(ours).removeprefix("torch.")
        return None if same else f"{ours} instead of {theirs}"
    if isinstance(theirs, (list, tuple, types.GeneratorType)):
        theirs = list(theirs)
        if not isinstance(ours, (list, tuple)) or len(ours) != len(theirs):
            return f"{type(ours).__name__} {ours!r:.60} instead of {len(theirs)} values"
        parts = (differs(a, b, wide) for a, b in zip(ours, theirs, strict=True))
        return next((f"[{i}] {part}" for i, part in enumerate(parts) if part), None)
    if isinstance(theirs, float) and isinstance(ours, float):
        same = math.isclose(ours, theirs, rel_tol=2e-5, abs_tol=2e-5) or ours != ours
        return None if same else f"{ours} instead of {theirs}"
    return None if ours == theirs else f"{ours!r:.60} instead of {theirs!r:.60}"


def _are_close(a: Any, b: Any, rtol: float, atol: float) -> bool:
    """Whether `assert_allclose` surely finds nothing; it takes far longer to say so."""
    if not atol:
        return np.array_equal(a, b)
    with np.errstate(all="ignore"):
        return bool((np.abs(a - b) <= atol + rtol * np.abs(b)).all())


def _tensors_differ(ours: Any, theirs: torch.Tensor, wide: bool) -> str | None:
    if not isinstance(ours, npnet.Tensor):
        return f"{type(ours).__name__} instead of a tensor"
    name = str(ours.dtype)
    in_double = name == "float32" and theirs.dtype is torch.float64 and wide
    if name != str(theirs.dtype).removeprefix("torch.") and not in_double:
        return f"dtype {ours.dtype} instead of {theirs.dtype}"
    if tuple(ours.shape) != tuple(theirs.shape):
        return f"shape {tuple(ours.shape)} instead of {tuple(theirs.shape)}"
    if name == "bfloat16":  # which PyTorch gives no ndarray of
        ours, theirs = ours.float(), theirs.float()
    a = ours.detach().numpy()
    b = theirs.numpy(force=True)
    limits = TOLERANCES.get(name, EXACT)
    if _are_close(a, b, **limits):
        return None
    try:
        np.testing.assert_allclose(a, b, equal_nan=True, **limits)  # type: ignore[call-overload]
    except AssertionError as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        return f"values: {' | '.join(lines[1:5])}; {a.ravel()[:6]} instead of {b.ravel()[:6]}"
    return None
