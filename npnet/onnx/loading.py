"""`load`: a network of any tool, from its ONNX file."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnx

from npnet.base.files import printable
from npnet.base.grad_mode import no_grad
from npnet.onnx import read_layers, read_math, read_shapes, read_windows  # noqa: F401 # they fill it
from npnet.onnx.files import opset_of, read
from npnet.onnx.model import Info, OnnxModel
from npnet.onnx.read_shapes import Reshape
from npnet.onnx.reading import Reader
from npnet.random import drawing_apart
from npnet.serialization import CheckpointError
from npnet.tape import result

__all__ = ["OnnxModel", "from_proto", "load"]


def load(path: str | os.PathLike[str]) -> OnnxModel:
    """The network in an ONNX file, as a Module that runs, in evaluation.

        net = npnet.onnx.load("net.onnx")
        logits = net(x)

    It is the graph of the file, not one of npnet's networks with its weights: exporters fold layers
    and keep the names, so that filling a network by key would be silently wrong. Operators that are
    npnet's layers become these (Conv2d, Linear, BatchNorm2d, ...), under the names of their weights
    where these are readable. A graph whose batch is fixed takes any batch where it treats its
    images one by one. `npnet.compile(net)` runs it faster where it is a chain of layers.

    Opsets 7 and later are read. Nothing is executed, and nothing is read but the file and the
    weights that lie in other files of its folder.

    Raises:
        NotImplementedError: npnet lacks an operator, which is named with its node and opset.
        CheckpointError: the file is damaged, hostile or no ONNX file.
        OSError: it can't be read.

    Example:
        >>> import tempfile
        >>> model, x = nn.Linear(3, 2), npnet.rand(8, 3)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     proto = npnet.onnx.export(model, f"{folder}/net.onnx", npnet.zeros(1, 3))
        ...     net = npnet.onnx.load(f"{folder}/net.onnx")
        >>> npnet.allclose(net(x), model(x), atol=1e-6)
        True
    """
    proto = read(path)
    try:
        return _loosened(from_proto(proto))
    except CheckpointError as error:
        text = str(error).removeprefix("onnx.load: ")
        raise CheckpointError(f"onnx.load: {printable(path)} can't be read: {text}") from error


def from_proto(proto: onnx.ModelProto) -> OnnxModel:
    """The same of a model in memory, which has been checked."""
    opset, graph = opset_of(proto), proto.graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [_info(info) for info in graph.input if info.name not in weights]
    outputs = [_info(info) for info in graph.output]
    if not outputs:
        raise CheckpointError("onnx.load: its graph has no result")
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    producer = f"{proto.producer_name} {proto.producer_version}".strip()
    model = OnnxModel(inputs, outputs, metadata, opset, producer)
    with drawing_apart():
        try:
            Reader(proto, opset, model).read()
        except (NotImplementedError, CheckpointError):
            raise
        except MemoryError as error:
            raise CheckpointError("onnx.load: it asks for more memory than there is") from error
        except (
            ValueError,
            TypeError,
            IndexError,
            KeyError,
            RuntimeError,
            AssertionError,
            OverflowError,
        ) as error:
            text = printable(
                str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
            )
            raise CheckpointError(
                f"onnx.load: a node has inputs or attributes that don't fit: {text}"
            ) from error
    return model.eval()


def _info(info: onnx.ValueInfoProto) -> Info:
    kind = info.type.tensor_type
    if not info.type.HasField("tensor_type"):
        raise NotImplementedError(f"onnx.load: {printable(info.name)} is no tensor")
    dtype = str(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)))
    shape = None
    if kind.HasField("shape"):
        shape = tuple(
            d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in kind.shape.dim
        )
    return Info(info.name, dtype, shape)


# ---- a batch that is fixed -----------------------------------------------------------------------


def _loosened(model: OnnxModel) -> OnnxModel:
    """Let a graph for one batch size take others, if its images don't depend on one another."""
    if len(model.inputs) != 1 or not model.inputs[0].shape:
        return model
    info = model.inputs[0]
    n, *rest = info.shape or ()
    if not isinstance(n, int) or n < 1 or not all(isinstance(size, int) for size in rest):
        return model
    shape = [int(size) for size in rest if size]
    if np.prod(shape, dtype=float) * n > 2**24 or len(shape) < len(rest):
        return model
    fixed = [m for m in model.modules() if isinstance(m, Reshape) and m.shape]
    before = [list(m.shape) for m in fixed]
    if _takes_others(model, fixed, n, shape, info.dtype):
        model.inputs = (Info(info.name, info.dtype, ("batch", *rest)),)
    else:
        for module, old in zip(fixed, before, strict=True):
            module.shape = old
    return model


def _takes_others(
    model: OnnxModel, fixed: list[Reshape], n: int, shape: list[int], dtype: str
) -> bool:
    """Free the batch in all reshapes. Whether each image then gives what it gave before."""
    rng = np.random.default_rng(0)
    images = rng.random((2 * n + 1, *shape))
    images = images.astype(dtype) if np.dtype(dtype).kind == "f" else (images * 2).astype(dtype)
    seen: dict[int, tuple[int, ...]] = {}
    handles = [
        m.register_forward_hook(lambda m, _, y: seen.update({id(m): tuple(y.shape)})) for m in fixed
    ]
    try:
        with no_grad():
            wanted = [_arrays(model(result(images[i : i + n]))) for i in (0, n)]
            for module in fixed:
                _free(module, n, seen.get(id(module), ()))
            found = [
                _arrays(model(result(images[i:j]))) for i, j in ((0, 2 * n), (1, 2 * n + 1), (0, n))
            ]
    except Exception:
        return False  # it says so itself, when it is given another batch
    finally:
        for handle in handles:
            handle.remove()
    if any(len(y) != n for y in wanted[0]) or any(len(y) != 2 * n for y in found[0]):
        return False
    pairs = [(np.concatenate([a, b]), y) for a, b, y in zip(*wanted, found[0], strict=True)]
    pairs += [
        (b[: n - 1] if n > 1 else b, y[n - 1 : n - 1 + max(n - 1, 1)])
        for b, y in zip(wanted[1], found[1], strict=True)
    ]
    pairs += list(zip(wanted[0], found[2], strict=True))
    return all(_alike(a, b) for a, b in pairs)


def _free(module: Reshape, n: int, seen: tuple[int, ...]) -> None:
    """Let a reshape to a batch of n be one to any batch."""
    if len(seen) == len(module.shape) and seen[0] == n and module.shape[0] in (n, -1):
        module.shape = [-1, *seen[1:]]


def _arrays(y: Any) -> list[Any]:
    return [part.array for part in (y if isinstance(y, tuple) else (y,))]


def _alike(a: Any, b: Any) -> bool:
    if a.shape != b.shape:
        return False
    scale = float(np.abs(a).max(initial=0)) if a.dtype.kind == "f" else 0
    return bool(np.allclose(a, b, rtol=0, atol=1e-5 * scale, equal_nan=True))
