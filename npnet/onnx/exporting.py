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
from npnet.onnx.writing import Writer
from npnet.random import drawing_apart
from npnet.tape import result
from npnet.tensor import Tensor
from npnet.tracing import Size, Trace, trace
from npnet.version import __version__

__all__ = ["export"]

OPSET, IR = 20, 10
Target: TypeAlias = str | os.PathLike[str] | BinaryIO
Axes: TypeAlias = Mapping[str, Any] | Sequence[Any]
_MOST = 2**31 - 1  # bytes of a protobuf
_TOLERANCE = 1e-4  # of the outputs' scale: float32 in another order, through many layers
_MANY = 2**19  # numbers in the largest batch that is tried
# How the batches that are tried differ from the sample: the factor and shift of their values, and
# how large they are.
_PROBES = (
    (1, 0, "other"), (1, 0, "many"), (-1, 0, "one"), (10, 3, "one"), (0.1, -0.5, "one"),
    (0.1, 0, "odd"), (0.1, 0, "odder"),
)  # fmt: skip
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

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> model = nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.Flatten())
        >>> proto = npnet.onnx.export(model, file, npnet.zeros(1, 1, 8, 8))
        >>> [node.op_type for node in proto.graph.node]
        ['Conv', 'Relu', 'Flatten']
    """
    if not isinstance(model, Module):
        raise TypeError(
            f"export: the model must be a Module, got a {type(model).__name__}; put a function "
            "into the forward of one"
        )
    target, given = _places(path, sample, args, f)
    _check_options(opset_version, export_params, training, external_data)
    model = getattr(model, "_orig_mod", model)  # of a compiled one
    preprocess = getattr(model, "preprocess", None) if preprocess is None else preprocess
    samples = _samples(model, given, preprocess)
    _check_dtypes(model, samples)
    names = _input_names(model, len(samples), input_names)
    axes = dynamic_axes if dynamic_shapes is None else dynamic_shapes
    sizes = _sizes(axes, names, samples, output_names)
    within = preprocess if with_preprocessing else None
    with by_numpy():  # a few images are not worth compiling kernels for
        traced = trace(model, samples, sizes)
        graph = _graph(traced, names, output_names, within, with_softmax)
        if traced.reads:
            raise ValueError(
                f"export: forward takes values out of what follows from its input "
                f"({traced.reads[0]}): a number, branch or mask made of it is no op and would be "
                "frozen as it was in the sample; say it by ops that are recorded, such as relu, "
                "clamp or maximum, or take it out of forward"
            )
        _check_classes(model, classes, traced)
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


def _check_dtypes(model: Module, samples: Sequence[Array]) -> None:
    named = [(name, t.dtype) for name, t in (*model.named_parameters(), *model.named_buffers())]
    for name, dtype in (*named, *(("the sample", x.dtype) for x in samples)):
        if dtype.kind == "V":
            raise NotImplementedError(
                f"export: {name} is bfloat16, in which ONNX's operators are not written here; give "
                "model.float() and a sample in float32"
            )


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
    _check_used(traced, names)
    if output_names is None:
        output_names = traced.names or (
            ["output"] if len(results) == 1 else [f"output_{i}" for i in range(len(results))]
        )
    _check_names("output_names", output_names, len(results), "results")
    if both := {*names} & {*output_names}:
        raise ValueError(
            f"export: {sorted(both)[0]!r} is the name of an input and of a result; give "
            "output_names of their own"
        )
    return writer.graph(results, list(output_names), with_softmax)


def _check_used(traced: Trace, names: list[str]) -> None:
    """Raise ValueError where integers went in by a way that the tape does not show."""
    used = {ref for step in traced.steps for ref in step.inputs} | {*traced.outputs}
    for i, name in enumerate(names):
        if traced.inputs[i][0].dtype.kind != "f" and ("input", i) not in used:
            raise ValueError(
                f"export: what forward makes of {name} is not recorded (one_hot, a comparison, an "
                "index); integers can go into an embedding or a cast"
            )


def _check_classes(model: Module, classes: Sequence[str] | None, traced: Trace) -> None:
    classes = getattr(model, "classes", None) if classes is None else classes
    shape = traced.arrays(traced.outputs[0])[0].shape
    if classes is not None and len(shape) == 2 and len(classes) != shape[1]:
        raise ValueError(
            f"export: classes has {len(classes)} names, and the model gives {shape[1]} values for "
            "each image; give one name for each"
        )


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
            "export: with_preprocessing takes pixels from 0 to 255; this network was trained on "
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
    """Raise unless the graph, as it was read back, gives what the model gives.

    Also for many images, and for values of another sign, scale and mean than the sample's, which
    the model may refuse.
    """
    from npnet.onnx.loading import from_proto
    from npnet.tracing import evaluating, like

    rng = np.random.default_rng(1)
    graph = from_proto(proto)
    tolerance = _TOLERANCE * (10 if preprocess is not None else 1)
    for factor, shift, kind in _PROBES:
        shapes = _probed(samples, sizes, kind)
        alike = {"many": "other", "odd": "one", "odder": "one"}.get(kind, "")
        if alike and shapes == _probed(samples, sizes, alike):
            continue
        arrays = [like(x, s, rng) for x, s in zip(samples, shapes, strict=True)]
        if (factor, shift) != (1, 0):
            arrays = [
                (a * factor + shift).astype(a.dtype) if a.dtype.kind == "f" else a for a in arrays
            ]
        with evaluating(model), no_grad(), drawing_apart():
            try:
                wanted = [y.array for y in _list(model(*[result(a) for a in arrays]))]
            except Exception:
                if kind == "other":
                    raise
                continue  # values, or a size, that are none of its
            if with_softmax:
                wanted[0] = result(wanted[0]).softmax(1).array
            if preprocess is not None:
                mean, std = (
                    np.array(v, np.float32)[:, None, None]
                    for v in (preprocess.mean, preprocess.std)
                )
                arrays[0] = ((arrays[0] * std + mean) * 255).astype(np.float32)
            try:
                found = [y.array for y in _list(graph(*[result(a) for a in arrays]))]
            except ValueError:  # a size that was frozen does not fit
                found = []
        is_far = (factor, shift) != (1, 0)  # where rounding weighs more
        if len(found) != len(wanted) or not all(
            _are_alike(a, b, tolerance * (10 if is_far else 1), is_far)
            for a, b in zip(wanted, found, strict=True)
        ):
            raise ValueError(
                "export: the graph does not give what the model gives for a batch of other values "
                f"and sizes (inputs {shapes}): forward depends on its input in a way that is not "
                "recorded, such as Python numbers made of it, or of its size; "
                "ceil_mode on a free height or width can't be said either"
            )


def _probed(samples: list[Array], sizes: list[Size], kind: str) -> list[tuple[int, ...]]:
    """The shapes of a batch that the graph was not made from."""
    shapes = [list(x.shape) for x in samples]
    for size in sizes:
        image = max(int(np.prod(samples[number].shape[1:])) for number, _ in size.axes)
        few = min(_MANY // max(image, 1), 33)  # of large images, which take their time
        is_batch = all(axis == 0 for _, axis in size.axes)
        if is_batch:
            length = {"other": size.other + 2, "many": max(few, size.other + 2)}.get(kind, 1)
        else:
            length = {"odd": size.base + 1, "odder": size.other + 3}.get(kind, size.other)
        for number, axis in size.axes:
            shapes[number][axis] = length
    return [tuple(shape) for shape in shapes]


def _are_alike(wanted: Array, found: Array, tolerance: float, is_far: bool) -> bool:
    """Whether results agree within a share of the largest; what is not finite counts as it is."""
    if found.shape != wanted.shape:
        return False
    finite = np.isfinite(wanted)
    scale = max(float(np.abs(wanted[finite]).max(initial=0)), 1e-30)
    if is_far:  # which of the large numbers overflows is a matter of order
        wanted, found = wanted[finite], found[finite]
    return np.allclose(found, wanted, rtol=0, atol=tolerance * scale, equal_nan=True)


def _list(y: Any) -> list[Tensor]:
    from npnet.tracing import flat

    return flat(y)[0]


def _write(proto: onnx.ModelProto, target: Target) -> None:
    data = proto.SerializeToString(deterministic=True)
    if isinstance(target, (str, os.PathLike)):
        atomic_write(target, data)
    else:
        target.write(data)
