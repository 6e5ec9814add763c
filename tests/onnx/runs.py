"""What the tests of ONNX share: the same graph run by npnet, onnxruntime and ONNX's reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime

import npnet
from npnet.nn import Module
from npnet.tracing import flat

# Of the outputs' scale: float32 in another order of additions.
TOLERANCE = 1e-5
onnxruntime.set_default_logger_severity(4)


def outputs(model: Module, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What a module of npnet's gives, as arrays."""
    with npnet.no_grad():
        return [y.array for y in flat(model(*[npnet.from_numpy(a) for a in arrays]))[0]]


def by_onnxruntime(proto: onnx.ModelProto | str, arrays: Sequence[np.ndarray]) -> list[Any]:
    data = proto if isinstance(proto, str) else proto.SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = [info.name for info in session.get_inputs()]
    return list(session.run(None, dict(zip(names, arrays, strict=True))))


def by_reference(proto: onnx.ModelProto, arrays: Sequence[np.ndarray]) -> list[Any]:
    from onnx.reference import ReferenceEvaluator

    names = [info.name for info in proto.graph.input]
    return list(ReferenceEvaluator(proto).run(None, dict(zip(names, arrays, strict=True))))


def assert_alike(found: Sequence[Any], wanted: Sequence[Any]) -> None:
    """Same shapes and dtypes, values within `TOLERANCE` of the largest."""
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        scale = np.abs(b).max(initial=0) if b.dtype.kind == "f" else 0
        np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE * scale)


def shake(model: Module, rng: np.random.Generator) -> None:
    """Weights and statistics that no two layers share, as training leaves them."""
    for p in model.parameters():
        p.array[...] += rng.random(p.shape, np.float32) * np.float32(0.1)
    for name, buffer in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.array[...] = rng.random(buffer.shape, np.float32) + np.float32(0.5)
