"""Every name of OpInfo's that npnet has, tried with all of PyTorch's samples."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

import npnet
from tests.opinfo.differences import RANDOM, REFUSED, TAKEN, TIES
from tests.opinfo.source import OPS, Form, OpInfo, forms, full_name
from tests.opinfo.translate import Unrepresentable, differs, in_double, leaves, to_npnet, to_torch

DTYPES = (torch.float32, torch.float64, torch.int64, torch.uint8, torch.bool)
# What an op may say to arguments that PyTorch refuses; an AttributeError would be an accident.
ERRORS = (RuntimeError, ValueError, TypeError, IndexError)
SHOWN = 8

TRIED = [(op, dtype) for op in OPS for dtype in DTYPES if dtype in op.supported_dtypes("cpu")]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """PyTorch's threads wait for each other longer than these inputs take."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@contextmanager
def _deprecations_ignored() -> Iterator[None]:
    """Both libraries may warn users; NumPy's own warnings stay errors."""
    with warnings.catch_warnings():
        for kind in (UserWarning, FutureWarning, DeprecationWarning):
            warnings.simplefilter("ignore", kind)
        yield


@pytest.mark.parametrize(
    ("op", "dtype"), TRIED, ids=[f"{full_name(op)}-{str(dtype)[6:]}" for op, dtype in TRIED]
)
def test_samples_agree(op: OpInfo, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    with _deprecations_ignored():
        wants = op.supports_autograd and dtype in op.supported_backward_dtypes("cpu")
        wants = wants and dtype.is_floating_point
        samples = list(op.sample_inputs("cpu", dtype, requires_grad=wants))
        ways = forms(op)
        wrong = [
            f"{form.name}: sample {i} {sample.summary()}\n    {said}"
            for i, sample in enumerate(samples)
            for form in ways
            if (said := _try(op, form, sample))
        ]
    rest = f"\n... and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    total = len(samples) * len(ways)
    if wrong:
        said = f"{full_name(op)}: {len(wrong)} of {total} differ:\n" + "\n".join(wrong[:SHOWN])
        pytest.fail(said + rest, pytrace=False)


def _try(op: OpInfo, form: Form, sample: Any) -> str | None:
    """What is wrong with one sample in one form; None where nothing.

    Where float32 disagrees, PyTorch's float64 has the last word: near poles its own float32 is off.
    """
    said = _compare(op, form, sample, wide=False)
    if said and "values" in said and any(t.dtype is torch.float32 for t in leaves(sample.input)):
        return said if _compare(op, form, sample, wide=True) else None
    return said


def _compare(op: OpInfo, form: Form, sample: Any, wide: bool) -> str | None:
    given = (sample.input, sample.args, sample.kwargs)
    known: dict[int, Any] = {}
    try:
        x, args, kwargs = to_npnet(given, known)
    except Unrepresentable:
        return None
    doubles: dict[int, Any] = {}
    theirs_given = in_double(given, doubles) if wide else given
    first, rest, named = to_torch(theirs_given, {}) if form.in_place else theirs_given
    if form.in_place:
        if not isinstance(first, torch.Tensor):
            return None
        first, x = first.clone(), x.clone()
    try:
        theirs = form.theirs(first, *rest, **named)
    except Exception as error:
        return _must_refuse(form, (x, args, kwargs), f"PyTorch raises {error!r:.150}")
    for name in (op.name, form.name):
        if name in REFUSED and REFUSED[name][0](sample):
            return _must_refuse(form, (x, args, kwargs), REFUSED[name][1])
    if _has_unrepresentable(theirs):
        return None
    try:
        ours = form.ours(x, *args, **kwargs)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if op.name in RANDOM and RANDOM[op.name](sample):
        return _shapes_differ(ours, theirs)
    if op.name in TIES:
        ours = _with_their_ties(op, sample, ours, theirs)
    # Signs of singular and eigenvectors are arbitrary.
    if op.name.startswith("linalg.") or op.name == "svd":
        end = sample.output_process_fn_grad
        said = differs(end(ours), end(theirs), wide)
    else:
        said = differs(ours, theirs, wide)
    if said:
        return said
    if form.in_place and ours is not x:
        return "the result is not the tensor itself"
    pairs = [(known[id(t)], doubles.get(id(t), t)) for t in leaves(given) if t.requires_grad]
    end = sample.output_process_fn_grad
    return _gradients_differ(ours, theirs, pairs, end, wide) if pairs else None


def _with_their_ties(op: OpInfo, sample: Any, ours: Any, theirs: Any) -> Any:
    """Our result with PyTorch's indices in place of ours where both name equal values."""
    at = TIES[op.name]
    dim = sample.kwargs.get("dim", sample.args[at] if len(sample.args) > at else -1)
    values = np.atleast_1d(sample.input.detach().numpy())
    mine, other = (leaves(result)[-1].numpy() for result in (ours, theirs))
    if mine.shape != other.shape or not isinstance(dim, int):
        return ours
    if sample.kwargs.get("stable") or not values.size:
        return ours
    if mine.ndim < values.ndim:  # without keepdim
        mine, other = np.expand_dims(mine, dim), np.expand_dims(other, dim)
    named = [np.take_along_axis(values, np.atleast_1d(i), dim) for i in (mine, other)]
    same = np.array_equal(*named, equal_nan=values.dtype.kind == "f")
    if not same:
        return ours
    taken = npnet.from_numpy(leaves(theirs)[-1].numpy())
    return taken if isinstance(ours, npnet.Tensor) else (ours[0], taken)


def _must_refuse(form: Form, given: Any, why: str) -> str | None:
    x, args, kwargs = given
    try:
        form.ours(x, *args, **kwargs)
    except ERRORS:
        return None
    except Exception as error:
        return f"{type(error).__name__}: {error}, and {why}"
    return f"no error, but {why}"


def _has_unrepresentable(result: Any) -> bool:
    return any(x.is_complex() or x.layout is not torch.strided for x in leaves(result))


def _shapes_differ(ours: Any, theirs: Any) -> str | None:
    for a, b in zip(leaves(ours), leaves(theirs), strict=True):
        if tuple(a.shape) != tuple(b.shape) or str(a.dtype) != str(b.dtype)[6:]:
            return f"{a.dtype} {tuple(a.shape)} instead of {b.dtype} {tuple(b.shape)}"
    return None


def _gradients_differ(
    ours: Any, theirs: Any, pairs: list[tuple[Any, torch.Tensor]], process: Any, wide: bool
) -> str | None:
    """What is wrong with the gradients; results get random ones, the same in both libraries."""
    for a, b in pairs:
        a.grad = b.grad = None
    ends = [x for x in leaves(process(theirs)) if x.requires_grad]
    try:
        mine = [x for x in leaves(process(ours)) if x.requires_grad]
    except Exception as error:
        return f"gradient: {type(error).__name__}: {error}"
    if not ends:
        return "requires a gradient, which PyTorch has not" if mine else None
    draws = [np.random.default_rng(0).standard_normal(tuple(x.shape)) for x in ends]
    try:
        torch.autograd.backward(
            ends,
            [torch.from_numpy(np.asarray(g)).to(x.dtype) for g, x in zip(draws, ends, strict=True)],
        )
    except (RuntimeError, NotImplementedError):
        return None  # PyTorch has no gradient for these arguments
    if len(mine) != len(ends):
        return f"{len(mine)} results require a gradient instead of {len(ends)}"
    try:
        for x, g in zip(mine, draws, strict=True):
            x.backward(npnet.tensor(np.asarray(g), dtype=x.dtype), retain_graph=True)
    except Exception as error:
        return f"gradient: {type(error).__name__}: {error}"
    for i, (a, b) in enumerate(pairs):
        if b.grad is None or a.grad is None:
            # None is as good as zeros: both libraries are free to leave them out
            there = b.grad if a.grad is None else torch.from_numpy(a.grad.numpy())
            if there is not None and there.count_nonzero():
                return f"gradient {i}: {a.grad} instead of {b.grad}"
        elif said := differs(a.grad, b.grad, wide):
            return f"gradient {i}: {said}"
    return None


REFUSING = [op for op in OPS if op.error_inputs_func is not None]


@pytest.mark.parametrize("op", REFUSING, ids=map(full_name, REFUSING))
def test_what_torch_refuses_is_refused(op: OpInfo) -> None:
    torch.manual_seed(0)
    function = forms(op)[0]
    wrong = []
    with _deprecations_ignored():
        for error in op.error_inputs("cpu"):
            sample = error.sample_input
            if op.name in TAKEN and TAKEN[op.name](sample):
                continue
            try:
                given = to_npnet((sample.input, sample.args, sample.kwargs), {})
            except Unrepresentable:
                continue
            try:
                function.theirs(sample.input, *sample.args, **sample.kwargs)
            except Exception:
                if said := _must_refuse(function, given, f"PyTorch: {error.error_regex}"):
                    wrong.append(f"{sample.summary()}\n    {said}")
    if wrong:
        pytest.fail(
            f"{full_name(op)}: {len(wrong)} not refused:\n" + "\n".join(wrong), pytrace=False
        )
