"""From the nodes of a graph to layers: what is constant is computed, the rest becomes modules."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import AttributeProto

from npnet.base.arrays import Array
from npnet.base.files import printable
from npnet.base.grad_mode import no_grad
from npnet.nn import Module, Parameter
from npnet.onnx.files import array_of
from npnet.onnx.model import OnnxModel, Op, Part, Run
from npnet.serialization import CheckpointError
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = ["Layer", "Node", "Read", "Reader", "count_of", "filled", "prefix_of", "reads"]

FOLDED = 2**24  # values: a constant that is computed is no larger


@dataclass
class Layer:
    """A module, and which of the node's inputs it is called with.

    Attributes:
        uses: their numbers.
        names: where it should be found, if anything says so.
    """

    module: Any
    uses: list[int]
    name: str | None = None


Read: TypeAlias = Callable[["Node"], Layer]
readers: dict[str, Read] = {}


def reads(*kinds: str) -> Callable[[Read], Read]:
    """Note what reads operators of these names."""

    def note(read: Read) -> Read:
        for kind in kinds:
            readers[kind] = read
        return read

    return note


@dataclass
class Const:
    """A value that is the same for all inputs."""

    array: Array
    name: str  # in the file, of what it was computed of


@dataclass
class Node:
    """A node as its reader sees it: all inputs by number, constants among them known."""

    proto: onnx.NodeProto
    opset: int
    reader: Reader
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The operator's name."""
        return self.proto.op_type

    def __str__(self) -> str:
        name = self.proto.name or (self.outputs[0] if self.outputs else "")
        return f"{self.kind} (node {printable(name)!r}, opset {self.opset})"

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        return self.attributes.get(name, default)

    def has(self, i: int) -> bool:
        """Whether an input is given."""
        return i < len(self.inputs) and self.inputs[i] != ""

    def const(self, i: int) -> Array | None:
        """The values of an input that is constant."""
        known = self.reader.constants.get(self.inputs[i]) if self.has(i) else None
        return None if known is None else known.array

    def array(self, i: int) -> Array:
        """The values of an input that must be constant."""
        array = self.const(i)
        if array is None:
            raise self.unread(f"its input {i} is computed from the graph's input")
        return array

    def ints(self, i: int, attribute: str) -> list[int] | None:
        """Whole numbers that older opsets have as an attribute, and newer ones as an input."""
        value = self.get(attribute)
        if value is None and self.has(i):
            known = self.const(i)
            if known is None:
                raise self.unread(f"its {attribute} are computed from the input")
            value = known.reshape(-1).tolist()
        return None if value is None else [int(n) for n in np.atleast_1d(value)]

    def rank(self, i: int = 0) -> int | None:
        """How many axes an input has, where the file lets that be known."""
        return self.reader.ranks.get(self.inputs[i])

    def unread(self, why: str) -> NotImplementedError:
        """What npnet can't do, named with the node."""
        return NotImplementedError(f"onnx.load: {self}: {why}")

    def op(
        self, compute: Callable[..., Any], text: str = "", uses: Sequence[int] | None = None
    ) -> Layer:
        """The node as an operator on some of its inputs, default all; constants are held by it."""
        numbers = list(range(len(self.inputs))) if uses is None else list(uses)
        held: dict[int, Tensor | None] = {}
        dynamic = []
        for place, i in enumerate(numbers):
            if not self.has(i):
                held[place] = None
            elif self.const(i) is not None:
                held[place] = self.held(i)
            else:
                dynamic.append(i)
        return Layer(Op(self.kind, compute, text, len(numbers), held), dynamic)

    def held(self, i: int) -> Tensor:
        """A constant as a tensor: a parameter where it is something to be trained."""
        array = self.const(i)
        assert array is not None
        trained = array.dtype.kind == "f" and array.size > 1 and self.kind in _TRAINED
        return self.parameter(i) if trained else result(array)

    def parameter(self, i: int, change: Callable[[Array], Array] = lambda a: a) -> Parameter:
        """A constant as a parameter; of one that several nodes use, the same."""
        known = self.reader.constants[self.inputs[i]]
        return self.reader.parameter(known, change(known.array))

    def name_of(self, i: int) -> str:
        """The name that a constant has in the file."""
        return self.reader.constants[self.inputs[i]].name


# What is trained of operators that are no layers: weights, not numbers such as a mean's.
_TRAINED = frozenset(
    [
        "Add",
        "Conv",
        "ConvTranspose",
        "Gather",
        "Gemm",
        "GroupNormalization",
        "InstanceNormalization",
        "LayerNormalization",
        "MatMul",
        "Mul",
        "PRelu",
        "Sum",
    ]
)


def _attribute(attribute: AttributeProto) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, onnx.TensorProto):
        return array_of(value)
    if attribute.type in (AttributeProto.INTS, AttributeProto.FLOATS):
        return list(value)
    if attribute.type == AttributeProto.STRINGS:
        return [part.decode("utf-8", "replace") for part in value]
    return value


class Reader:
    """A graph that is being read.

    Attributes:
        constants: values that are known, by name.
        ranks, dtypes: how many axes values have, and their types in ONNX, where that is known.
    """

    def __init__(self, proto: onnx.ModelProto, opset: int, model: OnnxModel) -> None:
        self.opset, self.model, self.graph = opset, model, proto.graph
        self.constants: dict[str, Const] = {}
        self.ranks, self.dtypes = _inferred(proto)
        self._parameters: list[tuple[Array, Parameter]] = []
        self._uses: dict[str, int] = {}
        self._made: set[str] = {info.name for info in model.inputs}
        self._alias: dict[str, str] = {}
        # Layers without a bias, by their results: an Add of this form may become it.
        self.unbiased: dict[str, tuple[Layer, Callable[[Array], Array | None]]] = {}

    def read(self) -> None:
        """Fill the model."""
        for tensor in self.graph.initializer:
            self.constants[tensor.name] = Const(array_of(tensor), tensor.name)
        if self.graph.sparse_initializer:
            raise NotImplementedError("onnx.load: sparse initializers are not read")
        self._made |= self.constants.keys()
        wanted = [info.name for info in self.model.outputs]
        for proto in self.graph.node:
            for name in proto.input:
                self._uses[name] = self._uses.get(name, 0) + 1
        for name in wanted:
            self._uses[name] = self._uses.get(name, 0) + 1
        runs: list[tuple[Run, Layer, Node]] = []
        for proto in _needed(self.graph.node, wanted):
            self._read_node(proto, runs)
        results = [self._alias.get(name, name) for name in wanted]
        for name in results:
            self._result(name, runs)
        self._finish(runs, results)

    def _result(self, name: str, runs: list[Any]) -> None:
        if name in self.constants:
            array = self.constants[name].array
            held = result(array)
            runs.append((Run(lambda: held, [], [name], []), None, None))
        elif name not in self._made:
            raise CheckpointError(f"onnx.load: its result {printable(name)} is made by no node")

    def _read_node(self, proto: onnx.NodeProto, runs: list[Any]) -> None:
        if proto.domain not in ("", "ai.onnx"):
            raise NotImplementedError(
                f"onnx.load: {proto.op_type} of the domain {printable(proto.domain)!r} (node "
                f"{printable(proto.name)!r}, opset {self.opset}) is no operator of ONNX itself"
            )
        attributes = {a.name: _attribute(a) for a in proto.attribute}
        inputs = [self._alias.get(name, name) for name in proto.input]
        while inputs and not inputs[-1]:
            inputs.pop()
        node = Node(proto, self.opset, self, inputs, list(proto.output), attributes)
        for name in inputs:
            if name and name not in self._made:
                raise CheckpointError(
                    f"onnx.load: {node}: its input {printable(name)} is made by no node before it"
                )
        read = readers.get(proto.op_type)
        if read is None:
            raise NotImplementedError(f"onnx.load: npnet has no {node}")
        if self._join(node, runs):
            return
        layer = read(node)
        self._made.update(proto.output)
        if not layer.uses and self._fold(node, layer):
            return
        if isinstance(layer.module, str):  # the value of that name, as it is
            self._alias[node.outputs[0]] = layer.module
            self._uses[layer.module] = self._uses.get(layer.module, 0) + self._uses.get(
                node.outputs[0], 0
            )
            return
        run = Run(layer.module, [inputs[i] for i in layer.uses], node.outputs, [])
        runs.append((run, layer, node))

    def _fold(self, node: Node, layer: Layer) -> bool:
        """Compute a node whose inputs are constants."""
        if isinstance(layer.module, str):
            return False
        with no_grad(), np.errstate(all="ignore"):
            y = layer.module()
        ys = list(y) if isinstance(y, (tuple, list)) else [y]
        origin = next(
            (self.constants[n].name for n in node.inputs if n in self.constants), node.outputs[0]
        )
        for name, value in zip(node.outputs, ys, strict=False):
            self.constants[name] = Const(np.asarray(value.array), origin)
        return True

    def _join(self, node: Node, runs: list[Any]) -> bool:
        """Let an Add of a constant be the bias of the layer before it, where that is all it is."""
        if node.kind != "Add" or len(node.inputs) != 2:
            return False
        for x, b in ((0, 1), (1, 0)):
            bias, made = node.const(b), self.unbiased.get(node.inputs[x])
            if bias is None or made is None or self._uses.get(node.inputs[x], 0) > 1:
                continue
            column = made[1](bias)
            if column is None or column.dtype != made[0].module.weight.dtype:
                continue
            run = next(run for run, layer, _ in runs if layer is made[0])
            made[0].module.bias = self.parameter(self.constants[node.inputs[b]], column)
            run.outputs = list(node.outputs)
            self._made.update(node.outputs)
            return True
        return False

    def uses(self, name: str) -> bool:
        """Whether any node, or the graph's result, is made of a value."""
        return self._uses.get(name, 0) > 0

    def parameter(self, known: Const, array: Array) -> Parameter:
        """A parameter of these values; the same for the same memory."""
        for source, parameter in self._parameters:
            if source is known.array and parameter.shape == array.shape:
                return parameter
        made = Parameter(result(np.array(array, order="C")))
        self._parameters.append((known.array, made))
        return made

    # ---- the model -------------------------------------------------------------------------------

    def _finish(self, runs: list[tuple[Run, Layer, Node]], results: list[str]) -> None:
        """Leave out what nobody needs, give all a name, and say when each value is done with."""
        wanted, kept = set(results), []
        for run, layer, node in reversed(runs):
            if wanted.intersection(run.outputs):
                wanted.update(run.inputs)
                kept.append((run, layer, node))
        kept.reverse()
        last: dict[str, int] = {}
        for i, (run, _, _) in enumerate(kept):
            for name in (*run.inputs, *run.outputs):
                last[name] = i
        names = _Names(self.model)
        for i, (run, layer, node) in enumerate(kept):
            run.done = [n for n in {*run.inputs, *run.outputs} if last[n] == i and n not in results]
            if isinstance(run.module, Module):
                names.place(run.module, layer.name, node)
            self.model._runs.append(run)
        self.model._results = results


def _inferred(proto: onnx.ModelProto) -> tuple[dict[str, int], dict[str, int]]:
    """How many axes values have, and of which type they are, as far as onnx can tell."""
    try:
        graph = onnx.shape_inference.infer_shapes(_without_weights(proto), data_prop=True).graph
    except Exception:
        graph = proto.graph  # a guess, which nothing depends on that can't be found out later
    ranks, dtypes = {}, {}
    for info in (*graph.input, *graph.value_info, *graph.output):
        kind = info.type.tensor_type
        dtypes[info.name] = kind.elem_type
        if kind.HasField("shape"):
            ranks[info.name] = len(kind.shape.dim)
    return ranks, dtypes


def _without_weights(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its large weights as inputs: what they are need not be copied about."""
    graph = proto.graph
    light = onnx.GraphProto(name=graph.name, output=graph.output, node=graph.node)
    light.input.extend(graph.input)
    known = {info.name for info in graph.input}
    for tensor in graph.initializer:
        if math.prod(tensor.dims) <= 64:
            light.initializer.append(tensor)
        elif tensor.name not in known:
            kind, dims = tensor.data_type, tensor.dims
            light.input.append(onnx.helper.make_tensor_value_info(tensor.name, kind, dims))
    return onnx.ModelProto(
        ir_version=max(proto.ir_version, 4), opset_import=proto.opset_import, graph=light
    )


def _needed(nodes: Iterable[onnx.NodeProto], wanted: Sequence[str]) -> list[onnx.NodeProto]:
    """The nodes that the results follow from, in order."""
    names, kept = set(wanted), []
    for node in reversed(list(nodes)):
        if names.intersection(node.output):
            names.update(node.input)
            kept.append(node)
    return kept[::-1]


class _Names:
    """Where each module stands in the model."""

    def __init__(self, model: OnnxModel) -> None:
        self.model = model
        self.taken: set[int] = set()

    def place(self, module: Module, wish: str | None, node: Node) -> None:
        """Register a module under the name that its weights or its node have."""
        if id(module) in self.taken:
            return
        self.taken.add(id(module))
        wish = wish or _path(node, is_layer=isinstance(module._parameters.get("weight"), Parameter))
        parts = [_clean(part) for part in wish.split(".")]
        parts = [part for part in parts if part] or [node.kind.lower()]
        parent: Module = self.model
        for i, part in enumerate(parts[:-1]):
            inner = parent._modules.get(part)
            if inner is None and not hasattr(parent, part):
                inner = Part()
                parent.add_module(part, inner)
            if not isinstance(inner, Part):  # the name of a layer, which has no layers in it
                parts = ["_".join(parts[i:])]
                break
            parent = inner
        name, number = parts[-1], 0
        while name in parent._modules or hasattr(parent, name):
            number += 1
            name = f"{parts[-1]}_{number}"
        parent.add_module(name, module)


def _clean(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_")


def _path(node: Node, is_layer: bool) -> str:
    """The path in a node's name, as PyTorch writes it: /layer1/layer1.0/conv1/Conv.

    Args:
        is_layer: whether the last part, the operator, goes without saying.
    """
    name = node.proto.name
    if not name.startswith("/"):
        return f"{node.kind.lower()}"
    path: list[str] = []
    for part in name.strip("/").split("/"):
        if path and part.startswith(path[-1] + "."):
            path[-1] = part
        else:
            path.append(part)
    kind = re.sub(r"_\d+$", "", path[-1])
    if len(path) > 1 and (is_layer or re.sub(r"_\d+$", "", path[-2]) == kind.lower()):
        return ".".join(path[:-1])
    return ".".join([*path[:-1], kind.lower() if kind == node.kind else path[-1]])


def prefix_of(name: str) -> str | None:
    """The layer's name in that of a weight: `layer1.0.conv1` of `layer1.0.conv1.weight`."""
    for ending in (".weight", ".kernel", "/kernel:0", "/kernel", "_weight", "_W", ".weight_ih_l0"):
        if name.endswith(ending) and name[: -len(ending)]:
            stem = name[: -len(ending)]
            return (
                stem.replace("/", ".") if not stem.startswith("/") else stem[1:].replace("/", ".")
            )
    return None


def count_of(shape: Sequence[int], node: Node) -> int:
    """How many values a computed constant has. CheckpointError where that is out of all reason."""
    count = math.prod(shape)
    if count > FOLDED or any(n < 0 for n in shape):
        raise CheckpointError(
            f"onnx.load: {node}: a constant of shape {list(shape)[:8]} is too large"
        )
    return count


def filled(node: Node, layer: Any, weight: Any, bias: int) -> Any:
    """A layer with the weight of a node, and with its input of number `bias` where it has that."""
    layer.weight = weight
    layer.bias = node.parameter(bias) if node.has(bias) else None
    return layer
