"""`export`: a network as an ONNX file."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import onnx
from onnx import helper

from npnet.backend import by_numpy
from npnet.base.arrays import Array
from npnet.base.files import atomic_write
from npnet.base.grad_mode import no_grad
from npnet.nn import Module
from npnet.onnx import write_layers, write_math, write_shapes  # noqa: F401 # they fill the table
from npnet.onnx.tracing import Size, Trace, trace
from npnet.onnx.writing import Writer
from npnet.tape import result
from npnet.tensor import Tensor
from npnet.version import __version__

__all__ = ["export"]

OPSET, IR = 20, 10
Target: TypeAlias = str | os.PathLike[str] | BinaryIO
Axes: TypeAlias = Mapping[str, Any] | Sequence[Any]
_MOST = 2**31 - 1  # bytes of a protobuf
_TOLERANCE = 1e-4  # of the outputs' scale: float32 in another order, through many layers
_MISSING: Any = object()


def export(
    model: Module,
    path: Any = None,
    sample: Any = None,
    *,
    args: Any = None,
    f: Target | None = None,
    classes: Sequence[str] | None = None,
    preprocess: Any = None,
    with_softmax: bool = False,
    with_preprocessing: bool = False,
    metadata: Mapping[str, str] | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic_axes: Axes | None = None,
    dynamic_shapes: Axes | None = None,
    opset_version: int | None = None,
    export_params: bool = True,
    training: Any = None,
    do_constant_folding: bool = True,
    dynamo: bool = True,
    external_data: bool = False,
    verbose: bool | None = None,
) -> onnx.ModelProto:
    """Write a network as an ONNX file, opset 20 and IR 10, that onnxruntime and others run.

        npnet.onnx.export(model, "net.onnx", sample)
        npnet.onnx.export(model, (sample,), "net.onnx", input_names=["x"])     # as torch.onnx

    Both orders mean the same: a path or a file is where it is written, tensors are what the model
    is tried on. The graph is read off the tape, from forward passes in evaluation on batches like
    the sample, so `forward` must apply the same ops whatever the values are; afterwards the model's
    modes and hooks are as before. It is checked by `onnx.checker`, and computed once more by
    `npnet.onnx.load`'s reader on a batch of another size: what differs from the model is an error,
    and nothing is written.

    The first axis of each input is free, as `batch`, unless `dynamic_axes` says otherwise. Weights
    have their names in `state_dict`. The file's metadata hold `npnet_version`, and where they are
    known `classes`, `mean`, `std`, `image_shape` and `model`, as JSON.

    Args:
        path: where to write: a path, or a file that is open for bytes.
        sample: a tensor or a tuple of tensors as the model takes them. Without it the model must
            be one of `from_checkpoint`, which knows the shape of its images.
        args, f: PyTorch's names of sample and path.
        classes: the name of each class; default `model.classes`.
        preprocess: what a picture goes through before the model, a `models.preprocess.Preprocess`;
            default `model.preprocess`.
        with_softmax: let the graph end in a softmax over axis 1: probabilities, not logits.
        with_preprocessing: let the graph begin with (x / 255 - mean) / std: it then takes the
            pixels (N, C, H, W) as float32 from 0 to 255, of the network's size.
        metadata: more entries.
        input_names, output_names: default are the arguments of `forward`, and "output".
        dynamic_axes: free sizes, `{"input": {0: "batch"}}` or `{"input": [0]}`; `{}` fixes all.
        dynamic_shapes: the same in the newer spelling; a tuple has an entry for each input.
        opset_version: 20, or another one from 18 on that onnx converts to.
        export_params: True; a graph without weights can't be checked.
        training: evaluation (None, False, or PyTorch's TrainingMode.EVAL).
        do_constant_folding, dynamo, verbose: PyTorch's, of how it goes about it; change nothing.
        external_data: False; all is in one file, of less than 2 GB.

    Returns:
        The `onnx.ModelProto` that was written.

    Raises:
        NotImplementedError: an op has no form in ONNX; names it and its layer.
        ValueError: what the model does depends on its input's values, or an argument is no such.
    """
    target, given = _places(path, sample, args, f)
    _check_options(opset_version, export_params, training, external_data)
    model = getattr(model, "_orig_mod", model)  # of a compiled one
    preprocess = getattr(model, "preprocess", None) if preprocess is None else preprocess
    samples = _samples(model, given, preprocess)
    names = _input_names(model, len(samples), input_names)
    axes = dynamic_axes if dynamic_shapes is None else dynamic_shapes
    sizes = _sizes(axes, names, samples, output_names)
    within = preprocess if with_preprocessing else None
    with by_numpy():  # a few images are not worth compiling kernels for
        traced = trace(model, samples, sizes)
        graph = _graph(traced, names, output_names, within, with_softmax)
        proto = _proto(graph, model, classes, preprocess, with_preprocessing, metadata)
        proto = _checked(proto, opset_version or OPSET)
        _compare(model, proto, samples, sizes, within, with_softmax)
    if target is not None:
        _write(proto, target)
    return proto


# ---- arguments -----------------------------------------------------------------------------------


def _is_target(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike)) or hasattr(value, "write")


def _places(path: Any, sample: Any, args: Any, f: Any) -> tuple[Target | None, Any]:
    """Where to write, and the sample, in whichever order they were given."""
    target, given = (path, sample) if path is None or _is_target(path) else (sample, path)
    for name, old, new in (("path, f", target, f), ("sample, args", given, args)):
        if old is not None and new is not None:
            raise TypeError(f"export: {name} are one argument; give one of them")
    target, given = (f if target is None else target), (args if given is None else given)
    if target is not None and not _is_target(target):
        raise TypeError(f"export: the path must be a path or a file, got a {type(target).__name__}")
    return target, given


def _check_options(opset: int | None, params: bool, training: Any, external: bool) -> None:
    if opset is not None and not 18 <= opset <= onnx.defs.onnx_opset_version():
        raise ValueError(
            f"export: opset_version must be 20, or one from 18 to {onnx.defs.onnx_opset_version()} "
            f"that onnx {onnx.__version__} converts to; got {opset}"
        )
    if not params:
        raise ValueError("export: export_params=False leaves the weights out; npnet writes them")
    if training is not None and getattr(training, "value", training):
        raise ValueError(
            "export: a network is exported as it is in evaluation; leave training out, got "
            f"{training!r}"
        )
    if external:
        raise ValueError(
            "export: all is in one file; leave external_data out, or move the weights to another "
            "file by onnx.save(proto, path, save_as_external_data=True)"
        )


def _samples(model: Module, given: Any, preprocess: Any) -> list[Array]:
    if given is None:
        if preprocess is None:
            raise ValueError(
                "export: needs a sample, a tensor as the model takes it: export(model, path, "
                "npnet.zeros(1, 1, 32, 32))"
            )
        return [np.zeros((1, preprocess.channels, *preprocess.size), np.float32)]
    parts = given if isinstance(given, (tuple, list)) else (given,)
    arrays = []
    for x in parts:
        if isinstance(x, Tensor):
            arrays.append(x.array)
        elif isinstance(x, np.ndarray):
            arrays.append(x)
        else:
            raise TypeError(
                f"export: a sample must be a Tensor or a tuple of them, got {type(x).__name__}"
            )
    if not arrays or any(0 in a.shape for a in arrays):
        raise ValueError("export: the sample is empty; it must have an image at least")
    return arrays


def _input_names(model: Module, count: int, names: Sequence[str] | None) -> list[str]:
    if names is None:
        arguments = inspect.signature(model.forward).parameters.values()
        known = [
            p.name for p in arguments if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        names = known if len(known) >= count else [f"input_{i}" for i in range(count)]
        names = names[:count]
    _check_names("input_names", names, count, "inputs")
    return list(names)


def _check_names(what: str, names: Sequence[str], count: int, of: str) -> None:
    if isinstance(names, str) or len(names) != count or len({*names}) < count:
        raise ValueError(
            f"export: {what} must be {count} different names, for the {of}; got {names}"
        )


def _sizes(
    axes: Axes | None, names: list[str], samples: list[Array], outputs: Sequence[str] | None
) -> list[Size]:
    """The free sizes. Axes of one name are one size."""
    if axes is None:
        axes = {name: {0: "batch"} for name, x in zip(names, samples, strict=True) if x.ndim}
    elif not isinstance(axes, Mapping):
        axes = dict(zip(names, axes, strict=False))
    found: dict[str, list[tuple[int, int]]] = {}
    for name, entry in axes.items():
        if name not in names:
            if name in ({"output"} if outputs is None else {*outputs}):
                continue  # what is free there follows
            raise ValueError(f"export: dynamic_axes names {name!r}, which is none of {names}")
        number, free = names.index(name), entry or {}
        pairs = free.items() if isinstance(free, Mapping) else [(a, f"{name}_{a}") for a in free]
        for axis, label in pairs:
            ndim = samples[number].ndim
            if not -ndim <= axis < ndim:
                raise ValueError(f"export: dynamic_axes: {name} has {ndim} axes, got axis {axis}")
            if label is not None:
                text = (
                    label
                    if isinstance(label, str)
                    else getattr(label, "__name__", f"{name}_{axis}")
                )
                found.setdefault(text, []).append((number, axis % ndim))
    return [_size(name, places, samples) for name, places in found.items()]


def _size(name: str, places: list[tuple[int, int]], samples: list[Array]) -> Size:
    lengths = {samples[i].shape[axis] for i, axis in places}
    if len(lengths) > 1:
        raise ValueError(
            f"export: axes called {name!r} must be of one size in the sample, got "
            f"{sorted(lengths)}; give dynamic_axes with a name for each"
        )
    (length,) = lengths
    if all(axis == 0 for _, axis in places):
        return Size(name, tuple(places), 2, 3)
    return Size(name, tuple(places), length, 2 * length)


# ---- the file ------------------------------------------------------------------------------------


def _graph(
    traced: Trace,
    names: list[str],
    output_names: Sequence[str] | None,
    preprocess: Any,
    with_softmax: bool,
) -> onnx.GraphProto:
    writer = Writer(traced, names)
    if preprocess is not None:
        writer.standardise(preprocess.mean, preprocess.std)
    results = writer.write()
    if output_names is None:
        output_names = traced.names or (
            ["output"] if len(results) == 1 else [f"output_{i}" for i in range(len(results))]
        )
    _check_names("output_names", output_names, len(results), "results")
    return writer.graph(results, list(output_names), with_softmax)


def _proto(
    graph: onnx.GraphProto,
    model: Module,
    classes: Sequence[str] | None,
    preprocess: Any,
    with_preprocessing: bool,
    metadata: Mapping[str, str] | None,
) -> onnx.ModelProto:
    """The graph with what its user must know."""
    if with_preprocessing and preprocess is None:
        raise ValueError(
            "export: with_preprocessing needs to know mean and std: give preprocess=, or a model "
            "of npnet.models.from_checkpoint"
        )
    pixels = getattr(preprocess, "pixels", None)
    if with_preprocessing and pixels and pixels.dtype != "uint8" and not pixels.are_shares:
        raise ValueError(
            "export: with_preprocessing takes pixels from 0 to 255, and this network was trained on "
            f"floats from {pixels.least:.3g} to {pixels.most:.3g}; leave it out"
        )
    proto = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR,
        producer_name="npnet",
        producer_version=__version__,
    )
    facts: dict[str, Any] = {"npnet_version": __version__}
    classes = getattr(model, "classes", None) if classes is None else classes
    if classes is not None:
        facts["classes"] = list(classes)
    checkpoint = getattr(model, "checkpoint", None)
    if checkpoint is not None:
        facts |= {"model": checkpoint.model, "dataset": checkpoint.dataset}
    if preprocess is not None:
        facts["image_shape"] = [preprocess.channels, *preprocess.size]
        facts |= {"mean": list(preprocess.mean), "std": list(preprocess.std)}
        facts["preprocessing"] = (
            "in the graph: give pixels from 0 to 255"
            if with_preprocessing
            else "give (pixels / 255 - mean) / std"
        )
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in facts.items()}
    helper.set_model_props(proto, texts | dict(metadata or {}))
    return proto


def _checked(proto: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    if proto.ByteSize() > _MOST:
        raise ValueError(
            f"export: the model has {proto.ByteSize() / 2**30:.1f} GB; one file holds less than 2"
        )
    if opset != OPSET:
        from onnx import version_converter

        try:
            properties = {p.key: p.value for p in proto.metadata_props}
            proto = version_converter.convert_version(proto, opset)
            helper.set_model_props(proto, properties)
            onnx.checker.check_model(proto, full_check=True)
        except Exception as error:
            raise NotImplementedError(
                f"export: onnx {onnx.__version__} can't convert this graph from opset {OPSET} to "
                f"{opset}: {str(error).splitlines()[0]}"
            ) from error
    onnx.checker.check_model(proto, full_check=True)
    return proto


def _compare(
    model: Module,
    proto: onnx.ModelProto,
    samples: list[Array],
    sizes: list[Size],
    preprocess: Any,
    with_softmax: bool,
) -> None:
    """Raise unless the graph, as it was read back, gives what the model gives."""
    from npnet.onnx.loading import from_proto
    from npnet.onnx.tracing import evaluating, like

    rng = np.random.default_rng(1)
    graph = from_proto(proto)
    shapes = [list(x.shape) for x in samples]
    for size in sizes:
        for number, axis in size.axes:
            shapes[number][axis] = size.other + 2 if size.other == 3 else size.other
    arrays = [like(x, tuple(s), rng) for x, s in zip(samples, shapes, strict=True)]
    with evaluating(model), no_grad():
        wanted = _list(model(*[result(a) for a in arrays]))
        if preprocess is not None:
            mean, std = (
                np.array(v, np.float32)[:, None, None] for v in (preprocess.mean, preprocess.std)
            )
            arrays[0] = ((arrays[0] * std + mean) * 255).astype(np.float32)
        found = _list(graph(*[result(a) for a in arrays]))
    for i, (a, b) in enumerate(zip(wanted, found, strict=True)):
        expected = np.asarray(a.softmax(1).array if with_softmax and not i else a.array)
        scale = max(float(np.abs(expected).max(initial=0)), 1e-30)
        tolerance = _TOLERANCE * (10 if preprocess is not None else 1)
        if b.shape != expected.shape or not np.allclose(
            b.array, expected, rtol=0, atol=tolerance * scale, equal_nan=True
        ):
            raise ValueError(
                "export: the graph does not give what the model gives for a batch of other values "
                f"and sizes (inputs {[tuple(s) for s in shapes]}): forward depends on its input in "
                "a way that is not recorded, such as Python numbers made of it"
            )


def _list(y: Any) -> list[Tensor]:
    from npnet.onnx.tracing import flat

    return flat(y)[0]


def _write(proto: onnx.ModelProto, target: Target) -> None:
    data = proto.SerializeToString(deterministic=True)
    if isinstance(target, (str, os.PathLike)):
        atomic_write(target, data)
    else:
        target.write(data)
