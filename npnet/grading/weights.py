"""Where a student's layer keeps its weights and their gradients, under whatever names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.grading.errors import ProtocolError
from npnet.grading.spellings import GRADS, WEIGHTS, canonical, gradient_names, plain

__all__ = ["Place", "found", "gradient", "put", "running", "said", "turned", "value"]

NETWORKS = ("lenet", "lenet5")  # whose weights are known by their shapes
DEEPEST = 6  # of layers in lists in networks
_HOLDERS = (("data", "grad"), ("value", "grad"), ("array", "grad"), ("val", "grad"))


@dataclass(frozen=True)
class Place:
    """Where a weight is: `getattr(owner, key)` or `owner[key]`, or the array in what that gives.

    Attributes:
        holder: the attribute of what is found that has the array, as Parameter.data; "" of arrays.
        transposed: it is kept as (in, out).
        shape: as the student has it.
        ours: as npnet has it.
    """

    owner: Any
    key: Any
    holder: str
    transposed: bool
    shape: tuple[int, ...]
    ours: tuple[int, ...]


def found(layer: Any, wanted: Mapping[str, Array], kind: str) -> dict[str, Place]:
    """The places of a layer's weights.

    Weights that `forward` takes as arguments need no place.

    Raises:
        ProtocolError: a weight is not there, or has another shape.
    """
    if kind in NETWORKS:
        return _by_shape(layer, wanted)
    places = {}
    for name, array in wanted.items():
        place = _by_name(layer, name, array)
        if place is not None:
            places[name] = place
    missing = [name for name in wanted if name not in places and not name.startswith("running")]
    if missing and not _takes(layer, missing):
        raise ProtocolError(_missing(layer, missing[0]))
    return places


def _takes(layer: Any, names: list[str]) -> bool:
    code = getattr(getattr(layer, "forward", None), "__code__", None)
    arguments = code.co_varnames[: code.co_argcount] if code else ()
    return all(any(canonical(a, (name,)) for a in arguments) for name in names)


def _missing(layer: Any, name: str) -> str:
    has = ", ".join(vars(layer)) if getattr(layer, "__dict__", None) else "nothing"
    others = ", ".join(WEIGHTS[name])
    return (
        f"{type(layer).__name__} has no {name}: after __init__ there must be an attribute {name} "
        f"(or {others}), or params['{name}']; it has {has}"
    )


# ---- looking -------------------------------------------------------------------------------------


def _entries(owner: Any) -> Iterator[tuple[Any, Any]]:
    """Keys and values of an object's attributes, a dict, or a list."""
    if isinstance(owner, Mapping):
        yield from owner.items()
    elif isinstance(owner, (list, tuple)):
        yield from enumerate(owner)
    else:
        yield from getattr(owner, "__dict__", {}).items()
        for slot in getattr(type(owner), "__slots__", ()):
            if hasattr(owner, slot):
                yield slot, getattr(owner, slot)


def _array_in(entry: Any) -> tuple[str, Array] | None:
    """The array that an entry is, or holds as a Parameter does, with the name of that attribute."""
    if isinstance(entry, np.ndarray):
        return "", entry
    for data, grad in _HOLDERS:
        if hasattr(entry, grad) and isinstance(getattr(entry, data, None), np.ndarray):
            return data, getattr(entry, data)
    return None


def _by_name(layer: Any, name: str, array: Array) -> Place | None:
    dicts = [value for _, value in _entries(layer) if isinstance(value, dict)]
    wrong = None
    for owner in (layer, *dicts):
        entries = [(key, entry) for key, entry in _entries(owner) if isinstance(key, str)]
        entries.sort(key=lambda item: plain(item[0]) != plain(name))  # the same word first
        for key, entry in entries:
            if canonical(key, (name,)) is None or (holding := _array_in(entry)) is None:
                continue
            place = _fitting(owner, key, holding, array)
            if place is not None:
                return place
            wrong = wrong or (key, holding[1].shape)
    if wrong is not None and not name.startswith("running"):
        raise ProtocolError(
            f"{type(layer).__name__}: {wrong[0]} has the shape {wrong[1]}, and must have "
            f"{array.shape}{' or its transpose' if array.ndim == 2 else ''}"
        )
    return None


def _fitting(owner: Any, key: Any, holding: tuple[str, Array], array: Array) -> Place | None:
    """The place, if the weight's values have one there."""
    holder, there = holding
    if there.shape == array.shape:
        return Place(owner, key, holder, False, there.shape, array.shape)
    if array.ndim == 2 and there.shape == array.shape[::-1]:
        return Place(owner, key, holder, True, there.shape, array.shape)
    squeezed = [n for n in there.shape if n != 1] == [n for n in array.shape if n != 1]
    same_size = there.size == array.size
    if same_size and (
        squeezed or (array.ndim == 4 and there.ndim == 2 and len(there) == len(array))
    ):
        return Place(
            owner, key, holder, False, there.shape, array.shape
        )  # a bias (1, O), filters (O, C*K*K)
    if array.ndim == 4 and there.shape == (array[0].size, len(array)):
        return Place(
            owner, key, holder, True, there.shape, array.shape
        )  # (C*K*K, O): a layer on features
    return None


def _by_shape(network: Any, wanted: Mapping[str, Array]) -> dict[str, Place]:
    """The weights of a whole network, all of which have shapes of their own."""
    places: dict[str, Place] = {}
    for owner, key, holding in _all(network, set(), 0):
        if isinstance(key, str) and _is_gradient(key):
            continue
        for name, array in wanted.items():
            if name not in places and (place := _fitting(owner, key, holding, array)) is not None:
                places[name] = place
                break
    missing = {name: wanted[name].shape for name in wanted if name not in places}
    if missing:
        said = ", ".join(f"{name} {shape}" for name, shape in missing.items())
        raise ProtocolError(
            f"{type(network).__name__}: weights are known by their shapes, and there is none for "
            f"{said}; see docs/grading.md for those of a LeNet"
        )
    return places


def _is_gradient(key: str) -> bool:
    return plain(key).startswith(("grad", "dw", "db", "delta")) or plain(key).endswith("grad")


def _all(owner: Any, seen: set[int], depth: int) -> Iterator[tuple[Any, Any, tuple[str, Array]]]:
    """Every array in an object, with where it is; dicts of gradients are left out."""
    if id(owner) in seen or depth > DEEPEST or isinstance(owner, (str, bytes, np.ndarray, type)):
        return
    seen.add(id(owner))
    for key, entry in list(_entries(owner)):
        holding = _array_in(entry)
        if holding is not None:
            yield owner, key, holding
        elif not (isinstance(key, str) and plain(key) in GRADS):
            yield from _all(entry, seen, depth + 1)


# ---- reading and writing -------------------------------------------------------------------------


def _read(owner: Any, key: Any) -> Any:
    return owner[key] if isinstance(owner, (Mapping, list, tuple)) else getattr(owner, key)


def value(place: Place) -> Array | None:
    """The array that is there now."""
    entry = _read(place.owner, place.key)
    array = getattr(entry, place.holder) if place.holder else entry
    return array if isinstance(array, np.ndarray) else None


def said(place: Place) -> str:
    """A place as a student calls it."""
    is_entry = isinstance(place.owner, (Mapping, list, tuple))
    key = f"[{place.key!r}]" if is_entry else str(place.key)
    holder = f".{place.holder}" if place.holder else ""
    return f"{key}{holder} {place.shape}".replace(",)", ")")


def put(place: Place, array: Array) -> Array:
    """Set a weight: in place, so that others who have the array see it, if its dtype allows."""
    own = (array.reshape(len(array), -1).T if place.transposed else array).reshape(place.shape)
    there = value(place)
    if there is not None and there.dtype == own.dtype and there.flags.writeable:
        there[...] = own
        return there
    new = np.array(own)
    entry = _read(place.owner, place.key)
    if place.holder:
        setattr(entry, place.holder, new)
    elif isinstance(place.owner, (dict, list)):
        place.owner[place.key] = new
    else:
        setattr(place.owner, place.key, new)
        for _, other in _entries(place.owner):  # params = {"W": self.W}
            for key, same in list(other.items()) if isinstance(other, dict) else ():
                if same is there:
                    other[key] = new
    return new


def turned(place: Place, gradient: Array) -> Array:
    """A gradient as npnet has it, if it has the shape of the student's weight; else as it is."""
    if gradient.shape != place.shape:
        return gradient.T if place.transposed else gradient
    return (gradient.T if place.transposed else gradient).reshape(place.ours)


def gradient(layer: Any, name: str, place: Place) -> Any:
    """What backward left for a weight.

    Raises:
        ProtocolError: there is none.
    """
    entry = _read(place.owner, place.key)
    if place.holder and getattr(entry, "grad", None) is not None:
        return entry.grad
    keys = [name.rpartition(".")[2]] + ([place.key] if isinstance(place.key, str) else [])
    names = [n for key in keys for n in gradient_names(key)]
    dicts = [
        d
        for owner in (place.owner, layer)
        for key, d in _entries(owner)
        if isinstance(d, dict) and isinstance(key, str) and plain(key) in GRADS
    ]
    for owner in (place.owner, layer):
        for key, kept in _entries(owner):
            if isinstance(key, str) and plain(key) in names and kept is not None:
                return kept
    for kept in dicts:
        for key, array in kept.items():
            if plain(str(key)) in (*map(plain, keys), *names) and array is not None:
                return array
    short = keys[-1]
    raise ProtocolError(
        f"{type(layer).__name__}.backward leaves no gradient of {short}: keep it as grad_{short} "
        f"(or d{short}, {short}_grad, grads['{short}']), or return it after the gradient of x"
    )


def running(layer: Any, name: str) -> Array | None:
    """Running statistics of a batch norm, as a vector; None where it keeps none."""
    for key, entry in _entries(layer):
        if isinstance(key, str) and canonical(key, (name,)) and isinstance(entry, np.ndarray):
            return entry.reshape(-1).copy()
    return None
