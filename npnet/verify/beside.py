"""PyTorch beside npnet: outputs, every gradient and every buffer, in float64 and float32."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from npnet.base.extras import lacking
from npnet.verify.claims import BOUNDS, CANCELS, Claim, Worst, largest, named, told
from npnet.verify.subjects import (
    SAMPLES,
    Case,
    Given,
    Results,
    computed,
    output_gradients,
    prepared,
)
from npnet.verify.twin import NoTwinError

__all__ = ["beside_pytorch"]

# Two orders of summation in float64 differ by some 1e-15 of the largest term; 1e-10 is what npnet
# promises.
FLOAT64 = 1e-10
FLOAT64_WHY = (
    "of a tensor's largest value: two orders of summation in float64 differ by 1e-15, "
    "and npnet promises 1e-10"
)


def beside_pytorch(cases: Sequence[Case], seed: int, subject: str) -> list[Claim]:
    """The claims that PyTorch computes the same, in both dtypes."""
    compared = "outputs, every gradient and buffer, {}"
    claims = [
        Claim("PyTorch", subject, compared.format(dtype), "PyTorch's of the same weights and batch")
        for dtype in ("float64", "float32")
    ]
    if lacking("torch"):
        note = "not installed: torch; pip install 'npnet[torch]' compares with it"
        return [replace(claim, note=note) for claim in claims]
    import torch

    claims = [replace(c, against=f"PyTorch {torch.__version__}'s of the same") for c in claims]
    found = []
    for claim, dtype in zip(claims, (np.float64, np.float32), strict=True):
        worst = Worst()
        left: dict[str, str] = {}
        for case in cases:
            _compare(case, dtype, seed, worst, left)
        is_network = any(case.is_network for case in cases)
        bound, why = (FLOAT64, FLOAT64_WHY) if dtype == np.float64 else BOUNDS[is_network]
        shown = told(claim, worst, left, bound, why)
        if worst.ulps and np.isfinite(worst.ulps):
            ulps = f"at most {worst.ulps:,.0f} ulps of the largest value apart"
            shown = replace(shown, note="; ".join(filter(None, [ulps, shown.note])))
        found.append(shown)
    return found


def _compare(case: Case, dtype: Any, seed: int, worst: Worst, left: dict[str, str]) -> None:
    if case.twin is None:
        left[case.name] = "PyTorch has nothing of this name"
        return
    rng = np.random.default_rng((seed, zlib.crc32(case.name.encode())))
    given = case.draw(rng, SAMPLES)
    ours = computed(prepared(case, dtype), given, dtype, seed)
    if ours.draws:
        left[case.name] = "draws random numbers, which are not PyTorch's"
        return
    try:
        theirs = in_pytorch(case, given, dtype, seed)
    except NoTwinError as error:
        left[case.name] = str(error)
        return
    floor = CANCELS * largest([*theirs.gradients.values()])
    worst.add_pairs(ours.outputs, theirs.outputs, case.name)
    worst.add_pairs(named(ours.gradients), named(theirs.gradients), case.name, floor)
    worst.add_pairs(ours.buffers, theirs.buffers, case.name)


def in_pytorch(case: Case, given: Sequence[Given], dtype: Any, seed: int) -> Results:
    """`computed` by the module's twin, with its weights.

    Raises:
        NoTwinError: there is none, its weights have other names, or it does not run.
    """
    import torch

    assert case.twin is not None
    kind = torch.float64 if dtype == np.float64 else torch.float32
    try:
        model = case.twin()
        state = prepared(case, dtype).state_dict()
        model.load_state_dict({k: torch.from_numpy(v.numpy().copy()) for k, v in state.items()})
        model = model.to(kind).train(case.training)
        inputs = [torch.from_numpy(g.array.copy()) for g in given]
        inputs = [x.to(kind) if x.is_floating_point() else x for x in inputs]
        for x, g in zip(inputs, given, strict=True):
            x.requires_grad_(g.wants and x.is_floating_point())
        ys = _flat(model(*inputs))
    except NoTwinError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        raise NoTwinError(f"does not run in PyTorch ({said})") from error
    gys = output_gradients([y.detach().numpy() for y in ys], seed)
    for y, gy in zip(ys, gys, strict=True):
        if gy is not None and y.requires_grad:
            y.backward(torch.from_numpy(gy).to(y.dtype), retain_graph=True)
    tensors = [(f"input {i}", x) for i, x in enumerate(inputs)] + [*model.named_parameters()]
    return Results(
        {f"output {i}": y.detach().numpy() for i, y in enumerate(ys)},
        {name: x.grad.numpy() for name, x in tensors if x.grad is not None},
        {name: b.detach().numpy() for name, b in model.named_buffers()},
        draws=False,
    )


def _flat(output: Any) -> list[Any]:
    """The tensors of what a module gives, in order."""
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, (tuple, list)):
        return [y for part in output for y in _flat(part)]
    return [] if output is None else [output]
