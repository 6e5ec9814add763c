"""The graph that is being written: its nodes, constants and names, and what each op becomes.

Names are those that PyTorch's exporters give: weights have the keys of `state_dict`, nodes the path
of the module that they are applied in, as `/layer1/0/conv1/Conv`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import helper, numpy_helper

from npnet.base.arrays import Array
from npnet.tape import Function
from npnet.tracing import Ref, Step, Trace

__all__ = ["Shapes", "Writer", "says", "writers"]

Shapes: TypeAlias = Sequence[tuple[int, ...]]  # one for each run
Write: TypeAlias = Callable[["Writer", Step], str]

writers: dict[type[Function], Write] = {}


def says(*kinds: type[Function]) -> Callable[[Write], Write]:
    """Note what writes ops of these classes."""

    def note(write: Write) -> Write:
        for kind in kinds:
            writers[kind] = write
        return write

    return note


class Writer:
    """A graph, node by node, of the network that was traced."""

    def __init__(self, trace: Trace, inputs: Sequence[str]) -> None:
        self.trace = trace
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self.shapes: dict[str, list[tuple[int, ...]]] = {}  # by name, in each run
        self.names: dict[Ref, str] = {}
        self.parts: dict[str, list[str]] = {}  # what a result is joined of, along its first axis
        self._inputs = list(inputs)
        self._used: set[str] = set(inputs)
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._reshaped: dict[str, str] = {}  # a reshape's result -> what it was made of
        self._sizes: dict[int, str] = {}
        self._path = ""
        self._weights: dict[str, str] = {}

    def write(self) -> list[str]:
        """Write all ops. Returns the names of the results."""
        for name, arrays in zip(self._inputs, self.trace.inputs, strict=True):
            self.shapes[name] = [a.shape for a in arrays]
        for i, name in enumerate(self._inputs):
            self.names.setdefault(("input", i), name)
        for i, step in enumerate(self.trace.steps):
            write = writers.get(step.kind)
            if write is None:
                raise self.unsaid(step, "this op has no form in ONNX that npnet knows")
            self._path = step.path
            name = write(self, step)
            self.names["step", i] = name
            self.shapes[name] = [a.shape for a in step.arrays]
        return [self.name(ref) for ref in self.trace.outputs]

    def standardise(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Let the graph take pixels from 0 to 255, and the network (x / 255 - mean) / std."""
        dtype = self.trace.inputs[0][0].dtype
        self._path = "preprocess"
        x = self.node("Div", [self._inputs[0], self.constant(255, dtype)])
        for kind, values in (("Sub", mean), ("Div", std)):
            column = np.asarray(values, dtype).reshape(1, -1, 1, 1)
            x = self.node(kind, [x, self.constant(column)])
        self.names["input", 0] = x
        self.shapes[x] = [a.shape for a in self.trace.inputs[0]]

    def graph(self, results: Sequence[str], names: Sequence[str], with_softmax: bool) -> Any:
        """What was written, without what nobody uses, and its results under these names."""
        ends = []
        self._path = ""
        for i, (y, name) in enumerate(zip(results, names, strict=True)):
            if with_softmax and not i:
                y = self.node("Softmax", [y], axis=1)
            self.nodes.append(helper.make_node("Identity", [y], [name], name=f"{name}_result"))
            ends.append(
                self._info(
                    name,
                    [a.shape for a in self.trace.arrays(self.trace.outputs[i])],
                    self.trace.arrays(self.trace.outputs[i])[0].dtype,
                )
            )
        begins = [
            self._info(name, [a.shape for a in arrays], arrays[0].dtype)
            for name, arrays in zip(self._inputs, self.trace.inputs, strict=True)
        ]
        nodes = _named_results(_needed(self.nodes, names), names)
        used = {x for node in nodes for x in node.input}
        initializers = [t for name, t in self.initializers.items() if name in used]
        return helper.make_graph(nodes, "npnet", begins, ends, initializers)

    def _info(self, name: str, shapes: Shapes, dtype: Any) -> Any:
        """Type and shape of an input or a result; a free size has its name."""
        sizes: list[int | str | None] = []
        for column in zip(*shapes, strict=True):
            moved = [i for i, n in enumerate(column[2:]) if n != column[0]]
            size = self.trace.sizes[moved[0]] if len(moved) == 1 else None
            if not moved:
                sizes.append(column[0])
            elif size and (column[0], column[2 + moved[0]]) == (size.base, size.other):
                sizes.append(size.name)
            else:
                sizes.append(None)
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), sizes)

    @staticmethod
    def unsaid(step: Step, why: str) -> NotImplementedError:
        """An op that can't be exported, named with its layer."""
        return NotImplementedError(f"export: {step}: {why}")

    # ---- nodes -----------------------------------------------------------------------------------

    def node(
        self,
        kind: str,
        inputs: Sequence[str],
        shapes: Shapes | None = None,
        outputs: Sequence[str] = ("output_0",),
        **attributes: Any,
    ) -> str:
        """A node; returns the name of its first result.

        Args:
            inputs: names; "" where an optional one is left out.
            shapes: of the first result, where somebody will ask for it before the step is done.
            outputs: what to call each result; "" for one that is not wanted.
        """
        where = "/" + self._path.replace(".", "/") if self._path else ""
        name = self._unused(f"{where}/{kind}")
        results = [f"{name}_{output}" if output else "" for output in outputs]
        given = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(helper.make_node(kind, list(inputs), results, name=name, **given))
        if shapes is not None:
            self.shapes[results[0]] = list(shapes)
        return results[0]

    def _unused(self, name: str) -> str:
        found, i = name, 0
        while found in self._used:
            i += 1
            found = f"{name}_{i}"
        self._used.add(found)
        return found

    # ---- values ----------------------------------------------------------------------------------

    def inputs(self, step: Step) -> list[str]:
        """The names of an op's inputs."""
        return [self.name(ref) for ref in step.inputs]

    def shapes_of(self, ref: Ref) -> list[tuple[int, ...]]:
        """The shape of an op's input in each run."""
        return [a.shape for a in self.trace.arrays(ref)]

    def name(self, ref: Ref) -> str:
        """The name of a value; a leaf becomes an initializer when it is first used."""
        if ref in self.names:
            return self.names[ref]
        leaf = self.trace.leaves[ref[1]]
        if leaf.name is not None:
            name = self.weight(leaf.name, leaf.arrays[0])
        elif (found := self._detached(leaf.arrays)) is not None:
            name = found
        elif len({a.shape for a in leaf.arrays}) > 1:
            name = self._spread(leaf.arrays)
        else:
            name = self.constant(self.same(leaf.arrays, "a constant"))
        self.names[ref] = name
        self.shapes[name] = [a.shape for a in leaf.arrays]
        return name

    def _detached(self, arrays: list[Array]) -> str | None:
        """What a constant that follows from the input is: the values, or the largest, of a step.

        So it is where a value was detached, or taken off for the sake of the numbers, as logsumexp
        does. It is known by being the same to the bit in all runs.
        """
        if arrays[0].dtype.kind != "f" or np.array_equal(arrays[0], arrays[1]):
            return None
        for ref in reversed([ref for ref in self.names if ref[0] != "leaf"]):
            for kind, choose in (("", None), ("ReduceMax", np.max), ("ReduceMin", np.min)):
                values = self.trace.arrays(ref)
                axes = _shrunk(values[0].shape, arrays[0].shape)
                if axes is None or (choose is None) != (not axes):
                    continue
                if choose is not None:
                    values = [choose(a, axis=tuple(axes), keepdims=True) for a in values]
                if all(np.array_equal(a, b) for a, b in zip(values, arrays, strict=True)):
                    if choose is None:
                        return self.names[ref]
                    given = [self.names[ref], self.constant(axes, np.int64)]
                    return self.node(kind, given, keepdims=1)
        return None

    def same(self, arrays: Sequence[Array], what: str) -> Array:
        """What is the same in all runs. ValueError if it is not: it was computed of the input."""
        first = arrays[0]
        for other in arrays[1:]:
            if not np.array_equal(first, other, equal_nan=first.dtype.kind == "f"):
                raise ValueError(
                    f"export: {what} {self._where()}follows from the input by something that is "
                    "not recorded (argmax, a comparison, detach(), an index), and would be frozen "
                    "as it was in the sample"
                )
        return first

    def _where(self) -> str:
        return f"in {self._path} " if self._path else ""

    def _spread(self, arrays: Sequence[Array]) -> str:
        """A constant as large as a free size says, where it is the same all along it."""
        shapes = [a.shape for a in arrays]
        if len({len(shape) for shape in shapes}) == 1:
            free = [len(set(sizes)) > 1 for sizes in zip(*shapes, strict=True)]
            place = tuple(slice(0, 1) if is_free else slice(None) for is_free in free)
            cores = [a[place] for a in arrays]
            if all(np.array_equal(c, cores[0]) for c in cores) and all(
                np.array_equal(np.broadcast_to(c, a.shape), a)
                for c, a in zip(cores, arrays, strict=True)
            ):
                return self.node("Expand", [self.constant(cores[0]), self.sizes(shapes)])
        raise ValueError(
            f"export: a constant {self._where()}is of shape {shapes[0]} here and "
            f"{next(s for s in shapes if s != shapes[0])} for another batch, and its values differ "
            "along it; make it of the input, or give dynamic_axes={} to fix all sizes"
        )

    def weight(self, name: str, array: Array) -> str:
        """An initializer under a name of `state_dict`."""
        if name not in self._weights:
            self._weights[name] = self._unused(name)
            self._initialize(self._weights[name], array)
        return self._weights[name]

    def known(self, array: Array, hint: str) -> str:
        """An array that an op holds: under its name in `state_dict` if it is there."""
        path = f"{self._path}." if self._path else ""
        state = self.trace.state
        for name in (path + hint, *state):
            if name in state and np.array_equal(state[name], array):
                return self.weight(name, state[name])
        return self.constant(array)

    def constant(self, values: Any, dtype: Any = None) -> str:
        """An initializer without a name of its own; equal ones are one."""
        array = np.asarray(values, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = self._constants[key] = self._unused(f"constant_{len(self._constants)}")
            self._initialize(name, array)
        return self._constants[key]

    def _initialize(self, name: str, array: Array) -> None:
        self.initializers[name] = numpy_helper.from_array(
            np.ascontiguousarray(array).reshape(array.shape), name
        )
        self.shapes[name] = [array.shape] * self.runs

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return 2 + len(self.trace.sizes)

    # ---- shapes ----------------------------------------------------------------------------------

    def fixed(self, step: Step, values: Sequence[Any], what: str) -> Any:
        """A number that an op has in all runs. NotImplementedError if it follows a free size."""
        if any(value != values[0] for value in values[1:]):
            raise self.unsaid(
                step,
                f"its {what} follows from a size that shall be free; leave that axis out of "
                "dynamic_axes",
            )
        return values[0]

    def sizes(self, shapes: Shapes) -> str:
        """A shape as a value of the graph, computed where sizes are free."""
        if all(shape == shapes[0] for shape in shapes):
            return self.constant(shapes[0], np.int64)
        return self.node(
            "Concat", [self.size(column) for column in zip(*shapes, strict=True)], axis=0
        )

    def size(self, values: Sequence[int]) -> str:
        """One number, as an array (1,), that is a * n + b of one free size n."""
        moved = [i for i, v in enumerate(values[2:]) if v != values[0]]
        if not moved:
            return self.constant([values[0]], np.int64)
        size = self.trace.sizes[moved[0]]
        slope, rest = divmod(values[2 + moved[0]] - values[0], size.other - size.base)
        if len(moved) > 1 or rest:
            names = " and ".join(self.trace.sizes[i].name for i in moved)
            raise NotImplementedError(
                f"export: a size {self._where()}follows from {names} in a way that npnet can't "
                "write down; leave all but one out of dynamic_axes"
            )
        n = self._free(moved[0])
        offset = values[0] - slope * size.base
        if slope != 1:
            n = self.node("Mul", [n, self.constant([slope], np.int64)])
        return self.node("Add", [n, self.constant([offset], np.int64)]) if offset else n

    def _free(self, i: int) -> str:
        """A free size as an array (1,)."""
        if i not in self._sizes:
            number, axis = self.trace.sizes[i].axes[0]
            shape = self.node("Shape", [self._inputs[number]])
            self._sizes[i] = self.node("Gather", [shape, self.constant([axis], np.int64)], axis=0)
        return self._sizes[i]

    def reshape(self, x: str, shapes: Shapes) -> str:
        """`x` in other shapes; reshapes one after the other become one, or none."""
        x = self._reshaped.get(x, x)
        olds = self.shapes[x]
        if list(olds) == list(shapes):
            return x
        y = self._reshape(x, olds, shapes)
        self.shapes[y], self._reshaped[y] = list(shapes), x
        return y

    def _reshape(self, x: str, olds: Shapes, news: Shapes) -> str:
        columns = list(zip(*news, strict=True))
        batches = [old[:1] for old in olds] == [new[:1] for new in news]
        if len(columns) == 2 and batches and len(olds[0]) > 1 and len(set(columns[0])) > 1:
            return self.node("Flatten", [x], axis=1)
        target, left = [], 0
        for axis, column in enumerate(columns):
            if len(set(column)) == 1:
                target.append(column[0])
            elif all(
                axis < len(old) and old[axis] == n for old, n in zip(olds, column, strict=True)
            ):
                target.append(0)
            else:
                target.append(-1)
                left += 1
        if left > 1 or any(column == 0 for column in news[0]):
            return self.node("Reshape", [x, self.sizes(news)], allowzero=1)
        return self.node("Reshape", [x, self.constant(target, np.int64)])


def _shrunk(old: tuple[int, ...], new: tuple[int, ...]) -> list[int] | None:
    """The axes that have become of size 1; None where others differ."""
    if len(old) != len(new) or any(a != b and b != 1 for a, b in zip(old, new, strict=True)):
        return None
    return [axis for axis, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]


def _needed(nodes: list[onnx.NodeProto], results: Sequence[str]) -> list[onnx.NodeProto]:
    """The nodes that the results follow from."""
    wanted, kept = set(results), []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]


def _named_results(nodes: list[onnx.NodeProto], results: Sequence[str]) -> list[onnx.NodeProto]:
    """The nodes that give the results by themselves, where no Identity is needed for that."""
    made = {y: node for node in nodes for y in node.output}
    uses = [x for node in nodes for x in node.input]
    for node in list(nodes):
        if node.op_type == "Identity" and node.output[0] in results:
            (x,) = node.input
            if x in made and uses.count(x) == 1:
                nodes.remove(node)
                outputs = made[x].output
                outputs[list(outputs).index(x)] = node.output[0]
    return nodes
