"""Functions of `torch` that are neither ops nor factories: random states, names, shapes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from npnet.base.storage import UntypedStorage
from npnet.ops import scattering, shape
from npnet.ops.broadcasting import check_tensors
from npnet.ops.dtypes import Operand
from npnet.random import default_generator
from npnet.tape import result
from npnet.tensor import Size, Tensor

__all__ = [
    "broadcast_shapes",
    "fill",
    "get_rng_state",
    "is_complex",
    "is_nonzero",
    "is_same_size",
    "is_signed",
    "is_storage",
    "set_rng_state",
    "typename",
    "unravel_index",
]


def get_rng_state() -> Tensor:
    """Where the default generator stands, as bytes in a tensor, for `set_rng_state`.

    Example:
        >>> state = npnet.get_rng_state()
        >>> first = npnet.rand(3)
        >>> npnet.set_rng_state(state)
        >>> npnet.equal(first, npnet.rand(3))
        True
    """
    text = json.dumps(default_generator.get_state()).encode()
    return result(np.frombuffer(text, np.uint8).copy())


def set_rng_state(new_state: Tensor) -> None:
    """Let the default generator go on from where `get_rng_state` stood.

    Example:
        >>> state = npnet.get_rng_state()
        >>> first = npnet.randperm(5)
        >>> npnet.set_rng_state(state)
        >>> npnet.equal(first, npnet.randperm(5))
        True
    """
    try:
        default_generator.set_state(json.loads(new_state.array.tobytes()))
    except (KeyError, TypeError, UnicodeDecodeError, ValueError) as error:
        raise RuntimeError(f"set_rng_state: not a state that get_rng_state gave: {error}") from None


def typename(obj: Any) -> str:
    """What PyTorch calls the type of an object: 'torch.FloatTensor' of a tensor.

    Example:
        >>> npnet.typename(npnet.tensor([1.0])), npnet.typename(npnet.tensor([1]))
        ('torch.FloatTensor', 'torch.LongTensor')
    """
    if isinstance(obj, Tensor):
        return str(obj.type())
    kind = obj if isinstance(obj, type) else type(obj)
    module = kind.__module__
    return (
        kind.__qualname__ if module in ("builtins", "__builtin__") else f"{module}.{kind.__name__}"
    )


def is_storage(obj: Any) -> bool:
    """Whether it is what `Tensor.storage` or `Tensor.untyped_storage` gives.

    Example:
        >>> npnet.is_storage(npnet.tensor([1]).storage()), npnet.is_storage(npnet.tensor([1]))
        (True, False)
    """
    return isinstance(obj, UntypedStorage)


def is_complex(input: Tensor) -> bool:
    """Always False.

    Example:
        >>> npnet.is_complex(npnet.tensor([1.0]))
        False
    """
    check_tensors("is_complex", input)
    return input.is_complex()


def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers.

    Example:
        >>> npnet.is_signed(npnet.tensor([1])), npnet.is_signed(npnet.tensor([1]).byte())
        (True, False)
    """
    check_tensors("is_signed", input)
    return input.is_signed()


def is_nonzero(input: Tensor) -> bool:
    """Whether the one value is not 0.

    Example:
        >>> npnet.is_nonzero(npnet.tensor([0.0])), npnet.is_nonzero(npnet.tensor(2))
        (False, True)
    """
    check_tensors("is_nonzero", input)
    return input.is_nonzero()


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether the shapes are equal.

    Example:
        >>> npnet.is_same_size(npnet.zeros(2, 3), npnet.ones(2, 3))
        True
    """
    check_tensors("is_same_size", input)
    return input.is_same_size(other)


def broadcast_shapes(*shapes: Any) -> Size:
    """The size that all of these broadcast to; a number is a size of one axis.

    Example:
        >>> npnet.broadcast_shapes((2, 1), (3,), 1)
        (2, 3)
    """
    whole = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    return Size(shape.broadcast_shapes("broadcast_shapes", *whole))


def fill(input: Tensor, value: Operand) -> Tensor:
    """A tensor of the shape and dtype of `input`, every value the same.

    Example:
        >>> npnet.fill(npnet.tensor([1, 2, 3]), 7)
        tensor([7, 7, 7])
    """
    check_tensors("fill", input)
    number = value if isinstance(value, Tensor) else result(np.asarray(value))
    if number.ndim:
        raise RuntimeError(f"fill: value must be one number, got {number.shape}")
    return scattering.WriteAt(...)(input, shape.cast(number, input.dtype))


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """For places in the flattened tensor of a shape, the index along each axis.

    Example:
        >>> npnet.unravel_index(npnet.tensor([5, 2]), (2, 3))
        (tensor([1, 0]), tensor([2, 2]))
    """
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    try:
        places = np.unravel_index(indices.array, sizes)
    except ValueError as error:
        raise ValueError(f"unravel_index: {error}") from None
    return tuple(result(np.asarray(a, np.int64)) for a in places)
