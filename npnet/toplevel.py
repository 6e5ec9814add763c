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
    """Where the default generator stands, as bytes in a tensor, for `set_rng_state`."""
    text = json.dumps(default_generator.get_state()).encode()
    return result(np.frombuffer(text, np.uint8).copy())


def set_rng_state(new_state: Tensor) -> None:
    """Let the default generator go on from where `get_rng_state` stood."""
    try:
        default_generator.set_state(json.loads(new_state.array.tobytes()))
    except (KeyError, TypeError, UnicodeDecodeError, ValueError) as error:
        raise RuntimeError(f"set_rng_state: not a state that get_rng_state gave: {error}") from None


def typename(obj: Any) -> str:
    """What PyTorch calls the type of an object: 'torch.FloatTensor' of a tensor."""
    if isinstance(obj, Tensor):
        return str(obj.type())
    kind = obj if isinstance(obj, type) else type(obj)
    module = kind.__module__
    return (
        kind.__qualname__ if module in ("builtins", "__builtin__") else f"{module}.{kind.__name__}"
    )


def is_storage(obj: Any) -> bool:
    """Whether it is what `Tensor.storage` or `Tensor.untyped_storage` gives."""
    return isinstance(obj, UntypedStorage)


def is_complex(input: Tensor) -> bool:
    """Always False."""
    check_tensors("is_complex", input)
    return input.is_complex()


def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers."""
    check_tensors("is_signed", input)
    return input.is_signed()


def is_nonzero(input: Tensor) -> bool:
    """Whether the one value is not 0."""
    check_tensors("is_nonzero", input)
    return input.is_nonzero()


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether the shapes are equal."""
    check_tensors("is_same_size", input)
    return input.is_same_size(other)


def broadcast_shapes(*shapes: Any) -> Size:
    """The size that all of these broadcast to; a number is a size of one axis."""
    whole = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    return Size(shape.broadcast_shapes("broadcast_shapes", *whole))


def fill(input: Tensor, value: Operand) -> Tensor:
    """A tensor of the shape and dtype of `input`, every value the same."""
    check_tensors("fill", input)
    number = value if isinstance(value, Tensor) else result(np.asarray(value))
    if number.ndim:
        raise RuntimeError(f"fill: value must be one number, got {number.shape}")
    return scattering.WriteAt(...)(input, shape.cast(number, input.dtype))


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """For places in the flattened tensor of a shape, the index along each axis."""
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    try:
        places = np.unravel_index(indices.array, sizes)
    except ValueError as error:
        raise ValueError(f"unravel_index: {error}") from None
    return tuple(result(np.asarray(a, np.int64)) for a in places)
