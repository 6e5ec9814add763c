"""What a forward pass computes, read off the tape: its ops in order, and what changes with sizes.

The model is run several times: on the sizes of the sample, on the same sizes with other values, and
once for each size that shall be free (the batch's, say) with that size changed. What the runs have
in common is the network; what differs between the first two is no constant, so that a value which
was computed beside the tape can't be written down as one; and how a shape follows from a free
size shows in the run where that size is another.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.grad_mode import enable_grad, state
from npnet.nn import Embedding, EmbeddingBag, Module
from npnet.ops.embedding import Embedding as EmbeddingOp
from npnet.ops.shape import Reshape
from npnet.random import drawing_apart
from npnet.tape import Function, Variable, result
from npnet.tensor import Tensor
from npnet.tracing.values import Reads

__all__ = ["Leaf", "Ref", "Size", "Step", "Trace", "evaluating", "flat", "like", "trace"]

Ref = tuple[str, int]  # ("input", i), ("leaf", k) or ("step", k)


@dataclass(frozen=True)
class Size:
    """A size that is free in the exported graph: which axes have it, and what it is in the runs.

    Attributes:
        axes: (number of the input, axis).
        base, other: in most of the runs, and in the one that is there for it.
    """

    name: str
    axes: tuple[tuple[int, int], ...]
    base: int
    other: int


@dataclass
class Leaf:
    """A tensor that no op on the tape has made: a parameter, a buffer, a constant."""

    name: str | None
    arrays: list[Array]  # of each run


@dataclass
class Step:
    """One op of the network.

    Attributes:
        ops: the Function of each run, applied by NumPy.
        inputs: where its inputs come from.
        path: name of the innermost module that it was applied in.
        arrays: its result in each run.
    """

    ops: list[Any]  # what says a kind knows the attributes of its Functions
    inputs: list[Ref]
    path: str
    arrays: list[Array]

    @property
    def kind(self) -> type[Function]:
        """The class of the op."""
        return type(self.ops[0])

    @property
    def op(self) -> Any:
        """The op of the first run."""
        return self.ops[0]

    def __str__(self) -> str:
        name = self.kind.__name__
        return f"{name} in {self.path}" if self.path else name


@dataclass
class Trace:
    """A network as it was recorded.

    Attributes:
        sizes: the free ones; run 2 + i is the one where sizes[i] is another.
        inputs: the arrays of each input in each run.
        outputs: where the results come from.
        names: of the results, where the model gave a dict.
        reads: where the model made numbers or conditions of what follows from its input.
    """

    sizes: list[Size]
    inputs: list[list[Array]]
    leaves: list[Leaf]
    steps: list[Step]
    outputs: list[Ref]
    names: list[str] | None
    state: dict[str, Array] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)

    def arrays(self, ref: Ref) -> list[Array]:
        """The values of an input, a leaf or a step in each run."""
        where, i = ref
        if where == "input":
            return self.inputs[i]
        return self.leaves[i].arrays if where == "leaf" else self.steps[i].arrays


@dataclass
class _Run:
    """One recorded forward pass."""

    nodes: list[Function]
    inputs: list[Tensor]
    outputs: list[Tensor]
    names: list[str] | None
    paths: dict[int, str]
    rows: dict[int, Tensor]  # of an embedding, the numbers that it was given
    reads: list[str]


def trace(model: Module, samples: Sequence[Array], sizes: Sequence[Size]) -> Trace:
    """Record `model` on batches like the samples.

    Raises:
        ValueError: what it does depends on the values of its input, or on a size that is free.
    """
    rng = np.random.default_rng(0)
    shapes = [_shapes(samples, sizes, ()) for _ in range(2)]
    shapes += [_shapes(samples, sizes, (size,)) for size in sizes]
    parameters = _names(model)
    runs = []
    for i, given in enumerate(shapes):
        arrays = [like(x, shape, rng) for x, shape in zip(samples, given, strict=True)]
        try:
            runs.append(_run(model, arrays))
        except Exception as error:
            if i < 2:
                raise
            size = sizes[i - 2]
            raise ValueError(
                f"export: {size.name} can't be free: the model does not run where it is "
                f"{size.other} in place of {size.base} ({error}); leave it out of dynamic_axes"
            ) from error
    return _joined(runs, list(sizes), parameters)


def _inner_op(node: Function) -> Function:
    """The op as NumPy does it; kernels hold it."""
    op = getattr(node, "op", None)
    return op if isinstance(op, Function) else node


def _names(model: Module) -> dict[int, tuple[str, Tensor]]:
    """The parameters and buffers by their ids, with PyTorch's names."""
    named: dict[int, tuple[str, Tensor]] = {}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        named.setdefault(id(tensor), (name, tensor))
    return named


def _shapes(
    samples: Sequence[Array], sizes: Sequence[Size], others: Sequence[Size]
) -> list[tuple[int, ...]]:
    shapes = [list(x.shape) for x in samples]
    for size in sizes:
        for i, axis in size.axes:
            shapes[i][axis] = size.other if size in others else size.base
    return [tuple(shape) for shape in shapes]


def like(sample: Array, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Values of the sample, in another order; of one that is all alike, random ones."""
    values = np.unique(sample)
    if sample.dtype.kind == "f" and (len(values) < 2 or not np.isfinite(values).all()):
        return rng.standard_normal(shape).astype(sample.dtype)
    return rng.choice(values, shape).astype(sample.dtype)


@contextlib.contextmanager
def _traced() -> Iterator[None]:
    before, state.traced = state.traced, True
    try:
        with drawing_apart(), enable_grad():
            yield
    finally:
        state.traced = before


@contextlib.contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Let all modules be in evaluation; afterwards each is what it was."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        for module, _ in modes:
            module.training = False
        yield
    finally:
        for module, mode in modes:
            module.training = mode


class _Places:
    """Which module each op is applied in, by hooks that are there during one forward pass."""

    def __init__(self, model: Module) -> None:
        self.stack: list[tuple[str, int]] = []
        self.spans: list[tuple[int, int, str]] = []  # inner ones first
        self.given: list[tuple[int, Tensor]] = []
        self.handles: list[Any] = []
        for name, module in model.named_modules():
            self.handles.append(module.register_forward_pre_hook(self._enter(name)))
            self.handles.append(module.register_forward_hook(self._leave))

    def _enter(self, name: str) -> Any:
        def enter(module: Module, args: tuple[Any, ...]) -> None:
            now = next(Function._counter)
            self.stack.append((name, now))
            if isinstance(module, (Embedding, EmbeddingBag)) and isinstance(args[0], Tensor):
                self.given.append((now, args[0]))

        return enter

    def _leave(self, module: Module, args: Any, output: Any) -> None:
        name, first = self.stack.pop()
        self.spans.append((first, next(Function._counter), name))

    def of(self, order: int) -> str:
        """The name of the innermost module."""
        return next((name for first, last, name in self.spans if first < order < last), "")

    def rows(self, order: int) -> Tensor | None:
        """What the last embedding that was entered before was given."""
        before = [x for first, x in self.given if first < order]
        return before[-1] if before else None

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()


def _run(model: Module, arrays: Sequence[Array]) -> _Run:
    inputs = [result(array.copy()) for array in arrays]
    for x in inputs:
        x._wants = True  # also integers, whose views shall be on the tape
    with evaluating(model), _traced():
        places = _Places(model)
        try:
            with Reads(inputs) as reads:
                y = model(*inputs)
            outputs, names = flat(y)
        finally:
            places.remove()
    roots = [y._edge() for y in outputs]
    rows: dict[int, Tensor] = {}
    nodes: dict[int, Function] = {}
    ahead = [edge for edge in roots if isinstance(edge, Function)]
    while ahead:
        node = ahead.pop()
        if id(node) in nodes:
            continue
        nodes[id(node)] = node
        ahead += [p for p in node.parents if isinstance(p, Function)]
        if isinstance(node, EmbeddingOp):
            given = _rows_of(node, places, inputs)
            if given is not None:
                rows[id(node)] = given
                edge = given._edge()
                ahead += [edge] if isinstance(edge, Function) else []
    ordered = sorted(nodes.values(), key=lambda node: node.order)
    paths = {id(node): places.of(node.order) for node in ordered}
    return _Run(ordered, inputs, outputs, names, paths, rows, reads.found)


def _rows_of(node: EmbeddingOp, places: _Places, inputs: Sequence[Tensor]) -> Tensor | None:
    """The tensor on the tape whose values an embedding took its rows from."""
    given = places.rows(node.order)
    for x in (*([] if given is None else [given]), *inputs):
        if x._wants and x.dtype.kind in "iu" and np.array_equal(x.array, node.rows):
            return x
    return None


def flat(y: Any) -> tuple[list[Tensor], list[str] | None]:
    """The results of a model, and their names if it gives a dict."""
    if isinstance(y, Mapping):
        values, _ = flat(list(y.values()))
        return values, [str(name) for name in y]
    parts = list(y) if isinstance(y, (tuple, list)) else [y]
    found: list[Tensor] = []
    for part in parts:
        if isinstance(part, (tuple, list)):
            found += flat(part)[0]
        elif isinstance(part, Tensor):
            found.append(part)
        elif part is not None:
            raise ValueError(
                f"export: the model must return tensors, or tuples, lists or a dict of them; got a "
                f"{type(part).__name__}"
            )
    return found, None


class _Reader:
    """One run's nodes and leaves by the numbers that they have in all runs."""

    def __init__(self, run: _Run, named: dict[int, tuple[str, Tensor]]) -> None:
        self.run, self.named = run, named
        self.known: dict[int, Ref] = {id(x): ("input", i) for i, x in enumerate(run.inputs)}
        self.leaves: list[tuple[str | None, Array]] = []
        self.steps: list[tuple[Function, list[Ref], str]] = []
        self.keep: list[Any] = []  # ids are of objects that are there
        for node in run.nodes:
            edges: list[Any] = list(node.parents)
            if id(node) in run.rows:
                edges.append(run.rows[id(node)]._edge())
            refs = [self.ref(edge) for edge in edges]
            self._add(_inner_op(node), refs, run.paths[id(node)], node)

    def _add(self, op: Function, refs: list[Ref], path: str, key: object) -> Ref:
        self.steps.append((op, refs, path))
        self.keep.append(key)
        ref = self.known[id(key)] = ("step", len(self.steps) - 1)
        return ref

    def ref(self, edge: Any) -> Ref:
        """Where an op's input comes from."""
        if id(edge) in self.known:
            return self.known[id(edge)]
        if not isinstance(edge, Variable):
            raise ValueError("export: an op on the tape has an input that is none of the model's")
        base = edge._base
        if base is not None and id(base) in self.named and _is_whole(edge.array, base.array):
            leaf = self.ref(base)  # a frozen weight in another shape, which is not on the tape
            return self._add(Reshape(edge.array.shape), [leaf], "", edge)
        name = self.named[id(edge)][0] if id(edge) in self.named else None
        self.leaves.append((name, edge.array))
        self.keep.append(edge)
        ref = self.known[id(edge)] = ("leaf", len(self.leaves) - 1)
        return ref


def _is_whole(view: Array, base: Array) -> bool:
    """Whether a view is all of an array, in its order."""
    return view.size == base.size and view.flags.c_contiguous and base.flags.c_contiguous


def _joined(runs: list[_Run], sizes: list[Size], named: dict[int, tuple[str, Tensor]]) -> Trace:
    """The runs as one network. ValueError if they are not."""
    readers = [_Reader(run, named) for run in runs]
    first = readers[0]
    outputs = [[_output(reader, y) for y in reader.run.outputs] for reader in readers]
    for i, reader in enumerate(readers):
        kinds = [(type(op), refs) for op, refs, _ in reader.steps]
        if kinds != [(type(op), refs) for op, refs, _ in first.steps] or outputs[i] != outputs[0]:
            why = "the values of its input" if i == 1 else f"the size {sizes[i - 2].name}"
            raise ValueError(
                f"export: which ops the model applies depends on {why}, so that one graph can't "
                "say it; take the branch out of forward"
            )
    leaves = [
        Leaf(name, [reader.leaves[k][1] for reader in readers])
        for k, (name, _) in enumerate(first.leaves)
    ]
    arrays = {id(t): t.array for _, t in named.values()}
    whole = Trace(
        sizes=sizes,
        inputs=[[run.inputs[i].array for run in runs] for i in range(len(runs[0].inputs))],
        leaves=leaves,
        steps=[],
        outputs=outputs[0],
        names=runs[0].names,
        state={name: arrays[id(t)] for name, t in named.values()},
        reads=runs[0].reads,
    )
    for k, (_, refs, path) in enumerate(first.steps):
        ops = [reader.steps[k][0] for reader in readers]
        step = Step(ops, refs, path, [])
        step.arrays = _computed(step, whole)
        whole.steps.append(step)
    return whole


def _output(reader: _Reader, y: Tensor) -> Ref:
    edge = y._edge()
    if id(edge) not in reader.known:
        raise ValueError(
            "export: a result of the model does not depend on its input by ops that are recorded "
            f"(argmax, comparisons and detach() are not); it is {y.dtype}, shape {tuple(y.shape)}"
        )
    return reader.known[id(edge)]


def _unsaid(op: Any) -> str:
    """Why an op that is more than a forward of arrays has no place in a graph."""
    node = op.parents[0] if hasattr(op, "place") else op  # of one of several results
    if hasattr(node, "cls"):
        return f"{node.cls.__name__}, an autograd.Function of one's own, can't be said in a graph"
    return (
        "an in-place write to a part of a tensor can't be said in a graph; "
        "make the whole by cat() or where()"
    )


def _computed(step: Step, whole: Trace) -> list[Array]:
    """The values of a step in each run, computed anew."""
    if not hasattr(step.op, "forward"):
        raise NotImplementedError(f"export: {step}: {_unsaid(step.op)}")
    results = []
    for t, op in enumerate(step.ops):
        given = [whole.arrays(ref)[t] for ref in step.inputs]
        if isinstance(op, EmbeddingOp):
            given = given[:1]
        op.needs_input_grad = (False,) * len(given)
        with np.errstate(all="ignore"):
            results.append(np.asarray(op.forward(*given)))
    return results
