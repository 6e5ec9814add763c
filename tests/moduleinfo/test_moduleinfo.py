"""Every module of ModuleInfo's that npnet has, tried with all of PyTorch's samples.

One module alone: `pytest tests/moduleinfo -k "-BatchNorm2d-"`. What npnet lacks:
`python -m tests.moduleinfo`.
"""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

import npnet
from tests.moduleinfo.source import MODULES, ModuleInfo, inputs, ours
from tests.opinfo.translate import Unrepresentable, differs, leaves, to_npnet

# isort: split
from torch.nn.modules.lazy import LazyModuleMixin
from torch.testing._internal.common_modules import ModuleErrorEnum

ERRORS = (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError)

# In training these draw numbers, each library its own: shapes and dtypes are compared.
RANDOM = {
    "AlphaDropout",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "FeatureAlphaDropout",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "RReLU",
    "Transformer",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
}

# Samples that npnet refuses on purpose, and why.
REFUSED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "GaussianNLLLoss": (
        lambda sample: len({tuple(x.shape) for x in sample.forward_input.args[:2]}) > 1,
        "losses do not broadcast",
    ),
}

TRIED = [
    (info, dtype, training)
    for info in MODULES
    for dtype in (torch.float32, torch.float64)
    if dtype in info.dtypes
    for training in (True, False)
]


def _id(info: ModuleInfo, dtype: torch.dtype, training: bool) -> str:
    return f"-{info.name[3:]}-{str(dtype)[6:]}-{'train' if training else 'eval'}"


@contextmanager
def _warnings_ignored() -> Iterator[None]:
    """Both libraries may warn users; NumPy's own warnings stay errors."""
    with warnings.catch_warnings():
        for kind in (UserWarning, FutureWarning, DeprecationWarning):
            warnings.simplefilter("ignore", kind)
        yield


def _translated(function_input: Any, known: dict[int, Any]) -> tuple[Any, Any]:
    args, kwargs = to_npnet((function_input.args, function_input.kwargs), known)
    for value in (*args, *kwargs.values()):
        if isinstance(value, torch.nn.Module):
            raise Unrepresentable(type(value).__name__)
    functions = {name: _function(value) for name, value in kwargs.items()}
    return tuple(_function(value) for value in args), functions


def _function(value: Any) -> Any:
    """npnet's function for one of torch.nn.functional."""
    name = getattr(value, "__name__", "")
    if callable(value) and getattr(torch.nn.functional, name, None) is value:
        return getattr(npnet.nn.functional, name)
    return value


@pytest.mark.parametrize(("info", "dtype", "training"), TRIED, ids=[_id(*t) for t in TRIED])
def test_samples_agree(info: ModuleInfo, dtype: torch.dtype, training: bool) -> None:
    with _warnings_ignored():
        samples = inputs(info, dtype, training)
        wrong = [
            f"sample {i} {sample.constructor_input.args} {sample.constructor_input.kwargs} of "
            f"{[tuple(x.shape) for x in leaves(sample.forward_input.args)]}\n    {said}"
            for i, sample in enumerate(samples)
            if (said := _try(info, sample, dtype, training))
        ]
    if wrong:
        total = f"{info.name}: {len(wrong)} of {len(samples)} differ:\n"
        pytest.fail(total + "\n".join(wrong[:8]), pytrace=False)


def _try(info: ModuleInfo, sample: Any, dtype: torch.dtype, training: bool) -> str | None:
    """What is wrong with one sample; None where nothing."""
    known: dict[int, Any] = {}
    try:
        made_of = _translated(sample.constructor_input, known)
        args, kwargs = _translated(sample.forward_input, known)
    except Unrepresentable:
        return None
    their_args = sample.constructor_input
    theirs = info.module_cls(*their_args.args, **their_args.kwargs)
    try:
        mine = ours(info)(*made_of[0], **made_of[1])
    except Exception as error:
        return f"construction: {type(error).__name__}: {error}"
    theirs, mine = (
        theirs.to(dtype).train(training),
        mine.to(getattr(npnet, str(dtype)[6:])).train(training),
    )
    if repr(mine) != repr(theirs):
        return f"repr: {mine!r} instead of {theirs!r}"
    if said := _states_differ(mine, theirs):
        return said
    if isinstance(theirs, LazyModuleMixin) and theirs.has_uninitialized_params():
        theirs(
            *sample.forward_input.args, **sample.forward_input.kwargs
        )  # mine learns from a state
    _fill(theirs)
    mine.load_state_dict(theirs.state_dict())
    refused = REFUSED.get(info.name[3:])
    if refused is not None and refused[0](sample):
        with pytest.raises(ERRORS):
            mine(*args, **kwargs)
        return None
    return _results_differ(info, sample, mine, theirs, (args, kwargs), known, training)


def _states_differ(mine: Any, theirs: Any) -> str | None:
    states = [
        [(name, _size(x), str(x.dtype).removeprefix("torch.")) for name, x in state.items()]
        for state in (mine.state_dict(), theirs.state_dict())
    ]
    return None if states[0] == states[1] else f"state: {states[0]} instead of {states[1]}"


def _size(x: Any) -> tuple[int, ...] | str:
    return type(x).__name__ if "Uninitialized" in type(x).__name__ else tuple(x.shape)


def _fill(module: Any) -> None:
    """Parameters of no special value: weights of 1 and biases of 0 would hide wrong gradients."""
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for p in module.parameters():
            if not isinstance(p, torch.nn.UninitializedParameter):
                p += torch.from_numpy(np.asarray(rng.uniform(-0.2, 0.2, tuple(p.shape)))).to(
                    p.dtype
                )


def _results_differ(
    info: ModuleInfo,
    sample: Any,
    mine: Any,
    theirs: Any,
    given: tuple[Any, Any],
    known: dict[int, Any],
    training: bool,
) -> str | None:
    before = copy.deepcopy(mine), pickle.loads(pickle.dumps(mine))
    try:
        expected = theirs(*sample.forward_input.args, **sample.forward_input.kwargs)
    except Exception as error:
        try:
            mine(*given[0], **given[1])
        except ERRORS:
            return None
        return f"no error, but PyTorch raises {error!r:.150}"
    try:
        y = mine(*given[0], **given[1])
    except Exception as error:
        return f"forward: {type(error).__name__}: {error}"
    dropout = sample.constructor_input.kwargs.get("dropout", 0)
    if training and (info.name[3:] in RANDOM or dropout):
        shapes = [[tuple(x.shape) for x in leaves(value)] for value in (y, expected)]
        return None if shapes[0] == shapes[1] else f"{shapes[0]} instead of {shapes[1]}"
    if said := differs(y, expected):
        return f"forward: {said}"
    for kind, copied in zip(("deepcopy", "pickle"), before, strict=True):
        again = copied(*given[0], **given[1])
        if said := differs(again, expected):
            return f"{kind}: {said}"
    for (name, a), (_, b) in zip(mine.named_buffers(), theirs.named_buffers(), strict=True):
        if said := differs(a, b):
            return f"buffer {name}: {said}"
    return _gradients_differ(y, expected, mine, theirs, _inputs(sample, known))


def _inputs(sample: Any, known: dict[int, Any]) -> list[tuple[Any, torch.Tensor]]:
    wanting = [x for x in leaves(sample.forward_input.args) if x.requires_grad]
    wanting += [x for x in leaves(sample.forward_input.kwargs) if x.requires_grad]
    return [(known[id(x)], x) for x in wanting if x.is_leaf]


def _gradients_differ(
    y: Any, expected: Any, mine: Any, theirs: Any, pairs: list[tuple[Any, torch.Tensor]]
) -> str | None:
    ends = [x for x in leaves(expected) if x.requires_grad]
    own = [x for x in leaves(y) if x.requires_grad]
    if not ends:
        return None
    for a, b in pairs:
        a.grad = b.grad = None
    draws = [np.random.default_rng(0).standard_normal(tuple(x.shape)) for x in ends]
    torch.autograd.backward(
        ends,
        [torch.from_numpy(np.asarray(g)).to(x.dtype) for x, g in zip(ends, draws, strict=True)],
    )
    for x, g in zip(own, draws, strict=True):
        x.backward(npnet.tensor(np.asarray(g), dtype=x.dtype), retain_graph=True)
    named = [(f"input {i}", a, b) for i, (a, b) in enumerate(pairs)]
    parameters = zip(mine.named_parameters(), theirs.parameters(), strict=True)
    named += [(name, a, b) for (name, a), b in parameters]
    for name, a, b in named:
        if b.grad is None or a.grad is None:
            there = b.grad if a.grad is None else torch.from_numpy(a.grad.numpy())
            if there is not None and there.count_nonzero():
                return f"gradient of {name}: {a.grad} instead of {b.grad}"
        elif said := differs(a.grad, b.grad):
            return f"gradient of {name}: {said}"
    return None


REFUSING = [info for info in MODULES if info.module_error_inputs_func is not None]


@pytest.mark.parametrize("info", REFUSING, ids=[info.name[3:] for info in REFUSING])
def test_what_pytorch_refuses_is_refused(info: ModuleInfo) -> None:
    with _warnings_ignored():
        errors = info.module_error_inputs_func(
            info, device="cpu", dtype=torch.float32, requires_grad=False, training=True
        )
        wrong = [said for error in errors if (said := _must_refuse(info, error))]
    assert not wrong, "\n".join(wrong)


def _must_refuse(info: ModuleInfo, error: Any) -> str | None:
    sample = error.module_error_input
    try:
        made_of = _translated(sample.constructor_input, {})
        given = sample.forward_input
        args, kwargs = ((), {}) if given is None else _translated(given, {})
    except Unrepresentable:
        return None
    try:
        module = ours(info)(*made_of[0], **made_of[1])
        if given is None or error.error_on is ModuleErrorEnum.CONSTRUCTION_ERROR:
            return f"{made_of}: no error, but PyTorch raises {error.error_regex!r}"
        module(*args, **kwargs)
    except ERRORS:
        return None
    except Exception as other:
        return f"{made_of}: {type(other).__name__}: {other}"
    return f"{made_of}: no error, but PyTorch raises {error.error_regex!r}"


def test_samples_are_many() -> None:
    assert len(TRIED) > 300
