"""ONNX files as they lie on the disk: read with care, for they may be anybody's.

Nothing is executed, and nothing is read but the file itself and the files of weights beside it that
it names: none outside of its folder, also not by a link.
"""

from __future__ import annotations

import graphlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped] # no stubs
from onnx import TensorProto, numpy_helper

from npnet.base.arrays import Array
from npnet.base.files import open_regular, printable, user_path
from npnet.serialization import CheckpointError

__all__ = ["OLDEST", "array_of", "checked", "opset_of", "read"]

OLDEST = 7  # broadcasting was another before
_NAMES = ("", "ai.onnx")
_MOST_VALUES = 2**31  # of one tensor: more is no network of npnet's kind


def read(path: str | os.PathLike[str]) -> onnx.ModelProto:
    """The model in a file, checked, with the weights that lie beside it.

    Raises:
        CheckpointError: it is damaged, or no ONNX file.
        OSError: it can't be read.
    """
    place = user_path(path)
    with open_regular(place) as file:
        data = file.read()
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
        checked(proto, place.parent)
    except (DecodeError, UnicodeDecodeError) as error:
        raise _damaged(place, "it is cut off, or no ONNX file at all") from error
    except CheckpointError as error:
        raise _damaged(place, str(error)) from error
    except RecursionError as error:
        raise _damaged(place, "its graphs are nested without end") from error
    return proto


def _damaged(place: Path, why: str) -> CheckpointError:
    return CheckpointError(f"onnx.load: {printable(place)} can't be read: {why}")


def checked(proto: onnx.ModelProto, folder: Path | None) -> None:
    """Raise CheckpointError unless the model is whole; weights of other files are put into it."""
    if not proto.HasField("graph") or not proto.graph.node:
        raise CheckpointError("it has no graph; it is empty, or no ONNX file")
    opset_of(proto)
    for tensor in _tensors(proto.graph):
        if tensor.data_location == TensorProto.EXTERNAL:
            if folder is None:
                raise CheckpointError(f"the weights {_short(tensor.name)} are in another file")
            _fetch(tensor, folder)
        _check_size(tensor)
    _sort(proto.graph)
    _check_nodes(proto.graph)
    # The checker wants the shapes of results, which runtimes do without.
    types = [
        info.type.tensor_type for info in proto.graph.output if info.type.HasField("tensor_type")
    ]
    shapeless = [kind for kind in types if not kind.HasField("shape")]
    for kind in shapeless:
        kind.shape.SetInParent()
    try:
        onnx.checker.check_model(proto)
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        raise CheckpointError(_short(str(error).strip().splitlines()[0])) from error
    finally:
        for kind in shapeless:
            kind.ClearField("shape")


def _check_nodes(graph: onnx.GraphProto) -> None:
    """Raise unless each node's operator is one of ONNX, and its inputs are there."""
    known = {info.name for info in graph.input} | {tensor.name for tensor in graph.initializer}
    known |= {tensor.values.name for tensor in graph.sparse_initializer} | {""}
    for node in graph.node:
        kind = str(node.op_type)  # protobuf gives bytes where it is no text
        name = str(node.name or " ".join(map(str, node.output)))
        title = f"the node {_short(name)!r} ({_short(kind)})"
        if node.domain in ("", "ai.onnx") and not onnx.defs.has(kind):
            raise CheckpointError(f"{title} is no operator of ONNX {onnx.__version__}")
        for given in node.input:
            if given not in known:
                raise CheckpointError(
                    f"{_short(str(given))!r}, an input of {title}, is not in the file"
                )
        known |= {*node.output}


def _sort(graph: onnx.GraphProto) -> None:
    """Put nodes behind those that make their inputs, as the format wants and some tools don't."""
    makers = {name: i for i, node in enumerate(graph.node) for name in node.output if name}
    before = [{makers[name] for name in node.input if name in makers} for node in graph.node]
    if all(max(earlier, default=-1) < i for i, earlier in enumerate(before)):
        return
    try:
        order = list(graphlib.TopologicalSorter(dict(enumerate(before))).static_order())
    except graphlib.CycleError as error:
        raise CheckpointError("its nodes go round in a circle") from error
    nodes = [onnx.NodeProto.FromString(graph.node[i].SerializeToString()) for i in order]
    del graph.node[:]
    graph.node.extend(nodes)


def opset_of(proto: onnx.ModelProto) -> int:
    """The version of the operators that a model is written with."""
    versions = [entry.version for entry in proto.opset_import if entry.domain in _NAMES]
    if not versions:
        if proto.ir_version < 3 and not proto.opset_import:
            versions = [1]
        else:
            others = ", ".join(_short(entry.domain) for entry in proto.opset_import) or "none"
            raise CheckpointError(
                f"it does not say which opset of ONNX it is of; domains: {others}"
            )
    if versions[0] < OLDEST:
        raise CheckpointError(
            f"it is of opset {versions[0]}; npnet reads opset {OLDEST} and later: convert it by "
            "onnx.version_converter.convert_version(model, 13)"
        )
    return int(versions[0])


def _tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    """All tensors of a graph, those in attributes too."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _tensors(inner)


def _short(text: str) -> str:
    return printable(text)


def _fetch(tensor: TensorProto, folder: Path) -> None:
    """Put the values, which lie in another file of the folder, into the tensor."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    name, location = _short(tensor.name), entries.get("location", "")
    place = _beside(name, location, folder)
    with open_regular(place) as file:
        there = os.fstat(file.fileno()).st_size
        try:
            offset = int(entries.get("offset", 0))
            length = int(entries.get("length", there - offset))
        except ValueError as error:
            raise CheckpointError(f"where the weights {name} begin is no number") from error
        if offset > there:
            raise CheckpointError(
                f"the weights {name} should begin at byte {offset} of {_short(location)!r}, which "
                f"has {there}"
            )
        if offset < 0 or length < 0 or offset + length > there:
            raise CheckpointError(
                f"the weights {name} should be {length} bytes from {offset} on in "
                f"{_short(location)!r}, which has {there}"
            )
        _check_count(tensor, length)
        file.seek(offset)
        tensor.raw_data = file.read(length)
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]


def _beside(name: str, location: str, folder: Path) -> Path:
    """A file of the folder that a model names."""
    bad = not location or "\0" in location or "\\" in location or Path(location).is_absolute()
    if bad or ".." in Path(location).parts or ":" in location:
        raise CheckpointError(
            f"the weights {name} are said to be in {_short(location)!r}, which is no file beside "
            "it; nothing was read there"
        )
    place = folder / location
    root = Path(os.path.realpath(folder))
    if root not in Path(os.path.realpath(place)).parents:
        raise CheckpointError(
            f"the weights {name} are in {_short(location)!r}, a link that leads out of the model's "
            "folder; nothing was read there"
        )
    if place.exists() and not place.is_file():
        raise CheckpointError(
            f"the weights {name} are in {_short(location)!r}, which is a folder or a pipe, and no "
            "file"
        )
    if not place.is_file():
        raise CheckpointError(
            f"the weights {name} are in {_short(location)!r}, which is not there; put it beside "
            "the model"
        )
    return place


def _check_size(tensor: TensorProto) -> None:
    """Before memory is taken for what a tensor says to have."""
    count = math.prod(tensor.dims)
    if any(n < 0 for n in tensor.dims) or count > _MOST_VALUES:
        raise CheckpointError(
            f"{_short(tensor.name)} has an impossible shape {list(tensor.dims)[:8]}"
        )
    if tensor.HasField("raw_data"):
        _check_count(tensor, len(tensor.raw_data))


def _check_count(tensor: TensorProto, length: int) -> None:
    try:
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{_short(tensor.name)} is of an unknown type") from error
    if tensor.data_type in _PACKED or dtype.kind in "OSU":
        return
    wanted = math.prod(tensor.dims) * dtype.itemsize
    if length != wanted:
        raise CheckpointError(
            f"{_short(tensor.name)}, shape {list(tensor.dims)[:8]}, has {length} bytes in place of "
            f"{wanted}"
        )


_PACKED = {
    value for name, value in TensorProto.DataType.items() if name.endswith("4") and "FLOAT4" in name
} | {
    value
    for name, value in TensorProto.DataType.items()
    if name in ("INT4", "UINT4", "INT2", "UINT2")
}


def array_of(tensor: TensorProto) -> Array:
    """The values of a tensor. CheckpointError if it has not what it says."""
    try:
        array: Any = np.asarray(numpy_helper.to_array(tensor))
    except Exception as error:
        raise CheckpointError(f"{_short(tensor.name)} is damaged: {_short(str(error))}") from error
    if array.dtype.kind not in "fiub":
        raise NotImplementedError(
            f"onnx.load: {_short(tensor.name)} is of {array.dtype}; npnet computes with floats, "
            "integers and bools"
        )
    if array.dtype.byteorder not in "=|<":
        array = array.astype(array.dtype.newbyteorder("="))
    return array
