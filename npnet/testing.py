"""For tests: `assert_close` of `torch.testing`, and `check_layer` for layers of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from npnet.tensor import Tensor, as_tensor

__all__ = ["assert_close", "check_layer"]

# PyTorch's, by dtype: (rtol, atol). Of two dtypes the larger count; others must be equal.
_TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_dtype: bool = True,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise AssertionError unless |actual - expected| <= atol + rtol * |expected| everywhere.

    Args:
        actual, expected: tensors, numbers, ndarrays, and sequences and dicts of them.
        rtol, atol: both or neither; by default those of the dtype, which PyTorch has.
        check_dtype: whether dtypes must be equal too.
        msg: what to say instead, or a function of what would be said.

    Example:
        >>> npnet.testing.assert_close(npnet.tensor([1.0, 2.0]), npnet.tensor([1.0, 2.000001]))
        >>> npnet.testing.assert_close([1.0], [1.5], msg="not close")
        Traceback (most recent call last):
            ...
        AssertionError: not close
    """
    if (rtol is None) != (atol is None):
        raise ValueError(f"assert_close: give rtol and atol or neither, got {rtol} and {atol}")
    said = _difference(actual, expected, (rtol, atol), equal_nan, check_dtype, "")
    if said is not None:
        raise AssertionError(said if msg is None else msg(said) if callable(msg) else msg)


def check_layer(Layer: type, kind: str = "", *, gradients: str = "add") -> None:
    """Raise AssertionError unless a layer that was written in NumPy is right.

    For cells of notebooks (otter-grader, nbgrader) and pytest: what `npnet check` does, and in the
    same words, but in this process and without limits. docs/grading.md says what a layer must have.

    Args:
        Layer: a class with forward and backward, an optimizer with update, or a subclass of
            npnet.autograd.Function.
        kind: such as conv2d; default: what its name says.
        gradients: whether those of a second call must "add" up, as in PyTorch, or "overwrite".

    Raises:
        AssertionError: it is not right; says where, and which known mistake it looks like.
        ValueError: what kind it is is not clear, or there is no such kind.

    Example:
        >>> class ReLU:
        ...     def forward(self, x):
        ...         self.x = x
        ...         return np.maximum(x, 0)
        ...     def backward(self, gy):
        ...         return gy
        >>> try:
        ...     npnet.testing.check_layer(ReLU)
        ... except AssertionError as error:
        ...     print(str(error).splitlines()[3].split(":")[0])
        It looks like a known mistake, not-masked
    """
    from npnet.grading import Rubric, grade_class
    from npnet.grading.report import words
    from npnet.runs.errors import ConfigError

    if gradients not in ("add", "overwrite"):
        raise ValueError(f"check_layer: gradients must be add or overwrite, got {gradients!r}")
    if not isinstance(Layer, type):
        raise TypeError(f"check_layer: must be a class, got a {type(Layer).__name__}")
    try:
        result = grade_class(Layer, kind, Rubric(adds_up=gradients == "add"))
    except ConfigError as error:
        raise ValueError(f"check_layer: {error}") from None
    if said := words(result):
        raise AssertionError(said)


def _difference(
    a: Any, b: Any, given: tuple[Any, Any], equal_nan: bool, check_dtype: bool, at: str
) -> str | None:
    """What is wrong, of two values or the first pair of their parts; None where all is well."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if a.keys() != b.keys():
            return f"keys differ{at}: {sorted(map(str, a))} and {sorted(map(str, b))}"
        pairs = [(a[key], b[key], f"{at}[{key!r}]") for key in a]
    elif isinstance(a, Sequence) and isinstance(b, Sequence) and not isinstance(a, str):
        if len(a) != len(b):
            return f"lengths differ{at}: {len(a)} and {len(b)}"
        pairs = [(x, y, f"{at}[{i}]") for i, (x, y) in enumerate(zip(a, b, strict=True))]
    else:
        return _of_tensors(as_tensor(a), as_tensor(b), given, equal_nan, check_dtype, at)
    parts = (_difference(x, y, given, equal_nan, check_dtype, where) for x, y, where in pairs)
    return next((said for said in parts if said is not None), None)


def _of_tensors(
    a: Tensor, b: Tensor, given: tuple[Any, Any], equal_nan: bool, check_dtype: bool, at: str
) -> str | None:
    if a.shape != b.shape:
        return f"The values for attribute 'shape' do not match{at}: {a.shape} != {b.shape}."
    if check_dtype and a.dtype != b.dtype:
        return f"The values for attribute 'dtype' do not match{at}: {a.dtype} != {b.dtype}."
    known = [_TOLERANCES.get(str(x.dtype), (0.0, 0.0)) for x in (a, b)]
    rtol, atol = given if given[0] is not None else (max(k) for k in zip(*known, strict=True))
    x, y = (t.detach().double().numpy() for t in (a, b))
    apart = ~np.isclose(x, y, rtol, atol, equal_nan)
    if not apart.any():
        return None
    with np.errstate(all="ignore"):
        off, where = np.abs(x - y), np.unravel_index(int(apart.argmax()), apart.shape)
    return (
        f"Tensor-likes are not close{at}!\n\n"
        f"Mismatched elements: {int(apart.sum())} / {apart.size} ({100 * apart.mean():.1f}%)\n"
        f"Greatest absolute difference: {np.max(off[apart]):g} (up to {atol:g} allowed)\n"
        f"First of them at index {tuple(map(int, where))}: {x[where]} and {y[where]} "
        f"(rtol {rtol:g})"
    )
