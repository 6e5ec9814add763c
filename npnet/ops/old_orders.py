"""Arguments in an order of old, which PyTorch still takes with a warning: `p.add_(-lr, grad)`."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

__all__ = ["numbers_first"]

Op = TypeVar("Op", bound=Callable[..., Any])
_PYTHON_NUMBERS = (int, float, complex)


def numbers_first(*names: str) -> Callable[[Op], Op]:
    """Let an op's named numbers be given unnamed too, anywhere before its last tensor.

    `numbers_first("alpha")(add)` makes of `add(x, 2, y)` an `add(x, y, alpha=2)`.
    """

    def decorate(op: Op) -> Op:
        @functools.wraps(op)
        def called(*args: Any, **kwargs: Any) -> Any:
            if len(args) < 3:  # the usual case, which should cost nothing
                return op(*args, **kwargs)
            numbers = [x for x in args[:-1] if isinstance(x, _PYTHON_NUMBERS)]
            if not numbers:
                return op(*args, **kwargs)
            if len(numbers) > len(names):
                raise TypeError(f"{op.__name__}: takes {' and '.join(names)}, got {numbers}")
            named = dict(zip(names, numbers, strict=False))
            warnings.warn(
                f"{op.__name__}: numbers before tensors are deprecated; name them: "
                + ", ".join(named),  # not their values: Python tells the same text but once
                stacklevel=2,
            )
            tensors = [x for x in args if not isinstance(x, _PYTHON_NUMBERS)]
            return op(*tensors, **named, **kwargs)

        return cast("Op", called)

    return decorate
