"""checkpoint: what a part of a network computes is not kept, but computed again on the way back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

from npnet import creation, random
from npnet.autograd.function import Function
from npnet.autograd.gradients import backward
from npnet.base.grad_mode import enable_grad, is_grad_enabled
from npnet.nn.modules.container import Sequential
from npnet.tensor import Tensor

__all__ = ["checkpoint", "checkpoint_sequential", "noop_context_fn"]

Contexts = tuple[AbstractContextManager[Any], AbstractContextManager[Any]]


def noop_context_fn() -> Contexts:
    """Two contexts that do nothing.

    Example:
        >>> from npnet.utils.checkpoint import noop_context_fn
        >>> first, second = noop_context_fn()
        >>> with first:
        ...     print("as ever")
        as ever
    """
    return contextlib.nullcontext(), contextlib.nullcontext()


class _Again(Function):
    """call(*args), whose backward calls it once more."""

    @staticmethod
    def forward(ctx: Any, switch: Tensor, call: Callable[..., Any], *args: Any) -> Any:
        ctx.call, ctx.args = call, [None if isinstance(x, Tensor) else x for x in args]
        ctx.places = [i for i, x in enumerate(args) if isinstance(x, Tensor)]
        ctx.save_for_backward(*(args[i] for i in ctx.places))
        return call(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        args = list(ctx.args)
        for i, x in zip(ctx.places, ctx.saved_tensors, strict=True):
            args[i] = x.detach().requires_grad_(x.requires_grad)
        with enable_grad():
            results = ctx.call(*args)
        results = results if isinstance(results, tuple) else (results,)
        roots = [
            (y, g)
            for y, g in zip(results, grads, strict=True)
            if isinstance(y, Tensor) and y.requires_grad
        ]
        if roots:
            backward([y for y, _ in roots], [g for _, g in roots])
        return None, None, *(x.grad if isinstance(x, Tensor) else None for x in args)


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], Contexts] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """function(*args, **kwargs), of which nothing but the arguments is kept for `backward`, which
    calls the function once more. It needs less memory and more time; values are the same.

    Args:
        context_fn: gives a context for the first call and one for the second.
        preserve_rng_state: the second call draws the same numbers (dropout).
        use_reentrant, determinism_check, debug, early_stop: of the two ways that PyTorch has to do
            this; here is one, which also gives parameters their gradients where no argument wants
            one. As with use_reentrant=True, gradients come by `backward`, not by `autograd.grad`.

    Example:
        >>> from npnet.utils.checkpoint import checkpoint
        >>> x = npnet.tensor([1.0, 3.0], requires_grad=True)
        >>> checkpoint(lambda x: x * x, x, use_reentrant=False).sum().backward()
        >>> x.grad
        tensor([2., 6.])

    Source: Chen et al. (2016), "Training deep nets with sublinear memory cost", arXiv:1604.06174.
    """
    if not is_grad_enabled():
        return function(*args, **kwargs)
    generator = random.default_generator
    before = generator.get_state() if preserve_rng_state else None
    contexts = list(context_fn())

    def call(*tensors: Any) -> Any:
        is_second, context = len(contexts) == 1, contexts.pop(0)
        if before is None or not is_second:
            with context:
                return function(*tensors, **kwargs)
        with random.fork_rng(), context:
            generator.set_state(before)
            return function(*tensors, **kwargs)

    switch = creation.empty(0).requires_grad_()  # so that it is recorded in any case
    return _Again.apply(switch, call, *args)


def checkpoint_sequential(
    functions: Sequential | Iterable[Callable[..., Any]],
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    **kwargs: Any,
) -> Any:
    """The functions one after another, in `segments` parts, all but the last by `checkpoint`.

    Example:
        >>> from npnet.utils.checkpoint import checkpoint_sequential
        >>> layers = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> x = npnet.zeros(8, 4, requires_grad=True)
        >>> checkpoint_sequential(layers, 2, x, use_reentrant=False).shape
        (8, 2)
    """
    steps = list(functions)
    size = len(steps) // segments

    def run(first: int, last: int) -> Callable[[Any], Any]:
        def part(x: Any) -> Any:
            for step in steps[first:last]:
                x = step(x)
            return x

        return part

    start = 0
    for _ in range(segments - 1):
        input = checkpoint(run(start, start + size), input, use_reentrant=use_reentrant, **kwargs)
        start += size
    return run(start, len(steps))(input)
