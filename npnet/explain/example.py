"""The worked example of an op: computed at this moment, and held against finite differences."""

from __future__ import annotations

import ast
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

import npnet
from npnet import nn
from npnet.base.arrays import Array
from npnet.base.grad_mode import enable_grad, no_grad
from npnet.explain.explanation import Constant, Explanation
from npnet.nn import functional
from npnet.random import drawing_apart
from npnet.tape import Function, result
from npnet.tensor import Tensor

__all__ = ["BOUND", "Example", "computed", "functions_of"]

STEP = 1e-6
# Of the largest gradient: differences over a step of 1e-6 are off by 1e-9 for numbers around 1, and
# hardsigmoid's 1/6 of float32 by 1e-8.
BOUND = 1e-6
SEED = 0  # of masks and weights that an example draws
MOST_TERMS = 6  # of a sum that is written out
_ROOTS = {"F": functional, "npnet": npnet, "nn": nn}


@dataclass(frozen=True)
class Example:
    """An op on a few numbers.

    Attributes:
        call: what was computed.
        inputs: every array by name, constants too, and weights of layers that it makes.
        gradients: of those that have one; `differences` are the same by finite differences.
        output, output_gradient: y, and the dL/dy that the rest of a network would send back.
        jacobians: dy/dx by differences, (values of y, values of x), of each in `gradients`.
        largest: difference of gradients and differences, relative to the largest gradient.
        functions: the Functions on the tape, in the order in which they were applied.

    Example:
        >>> from npnet.explain import OPS, computed
        >>> example = computed(OPS["relu"])
        >>> example.call, example.agrees
        ('F.relu(x)', True)
    """

    call: str
    inputs: dict[str, Array]
    output: Array
    output_gradient: Array
    gradients: dict[str, Array]
    differences: dict[str, Array]
    jacobians: dict[str, Array]
    largest: float
    functions: list[type[Function]]

    @property
    def agrees(self) -> bool:
        """Whether the gradients are what finite differences give."""
        return self.largest <= BOUND

    def terms(self, name: str) -> str:
        """The chain rule, written out for one value: the one with most terms that fit a line."""
        jacobian, gradient = self.jacobians[name], self.gradients[name]
        flat = self.output_gradient.reshape(-1)
        there = np.abs(jacobian) > 1e-7  # smaller ones are the rounding of differences
        counts = there.sum(0)
        fits = np.where(counts <= MOST_TERMS, counts, -counts)
        at = int(fits.argmax())
        rows = np.flatnonzero(there[:, at])
        shown = [f"{_number(flat[k])} * {_number(jacobian[k, at])}" for k in rows[:MOST_TERMS]]
        more = f" + {len(rows) - MOST_TERMS} more" if len(rows) > MOST_TERMS else ""
        place = ", ".join(map(str, np.unravel_index(at, gradient.shape)))
        total = _number(gradient.reshape(-1)[at])
        where = f"[{place}]" if gradient.ndim else ""
        return f"g{name}{where} = {' + '.join(shown) or '0'}{more} = {total}"


def _number(value: float) -> str:
    text = f"{value:.4g}"
    text = "0" if text == "-0" else text
    return f"({text})" if text.startswith("-") else text


def computed(explanation: Explanation) -> Example:
    """Run the example: forward, backward, and a difference for each value of each input.

    Example:
        >>> from npnet.explain import OPS, computed
        >>> example = computed(OPS["relu"])
        >>> example.inputs["x"][0], example.output_gradient[0], example.gradients["x"][0]
        (array([ 0.5, -1. ,  2. ]), array([0.5, 0.5, 1.5]), array([0.5, 0. , 1.5]))
    """
    tree = ast.parse(explanation.call, mode="eval").body
    tensors = {name: _tensor(values) for name, values in explanation.inputs.items()}
    with enable_grad(), drawing_apart(SEED):
        run = _Run(tensors)
        y = run.value(tree)
    y = y[0] if isinstance(y, tuple) else y
    tensors = {**tensors, **run.weights}
    gy = _round_numbers(y.shape, explanation.call)
    functions = functions_of(y)
    y.backward(result(gy))
    gradients = {name: x.grad.array for name, x in tensors.items() if x.grad is not None}
    jacobians = {name: _jacobian(tree, tensors, name, run) for name in gradients}
    differences = {
        name: (gy.reshape(-1) @ jacobian).reshape(gradients[name].shape)
        for name, jacobian in jacobians.items()
    }
    off = max(float(np.abs(gradients[n] - differences[n]).max(initial=0)) for n in gradients)
    size = max(float(np.abs(g).max(initial=0)) for g in gradients.values())
    return Example(
        explanation.call,
        {name: x.array.copy() for name, x in tensors.items()},
        y.array.copy(),
        gy,
        gradients,
        differences,
        jacobians,
        off / max(size, 1.0),
        functions,
    )


def _tensor(values: Any) -> Tensor:
    constant = isinstance(values, Constant)
    array = np.array(values.values if isinstance(values, Constant) else values)
    x = result(array)
    return x.requires_grad_(array.dtype.kind == "f" and not constant)


def _round_numbers(shape: tuple[int, ...], key: str) -> Array:
    """Halves between -2 and 2, none 0: what a network behind would send back."""
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    signs = rng.integers(0, 2, shape) * 2 - 1
    return np.asarray(signs * rng.integers(1, 5, shape) / 2)


def _jacobian(tree: ast.expr, tensors: dict[str, Tensor], name: str, run: _Run) -> Array:
    """dy/dx by central differences, (values of y, values of x)."""
    array, columns = tensors[name].array, []
    for at in np.ndindex(array.shape):
        before, sides = array[at], []
        for step in (STEP, -STEP):
            array[at] = before + step
            with no_grad(), drawing_apart(SEED):
                y = run.value(tree)
            y = y[0] if isinstance(y, tuple) else y
            sides.append(y.array.reshape(-1).copy())
        array[at] = before
        columns.append((sides[0] - sides[1]) / (2 * STEP))
    return np.stack(columns, 1)


class _Run:
    """A call, computed: names of inputs, literals, and functions of npnet; nothing else.

    Attributes:
        weights: the parameters of layers that it made, rounded so that they can be read.
    """

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self.tensors = tensors
        self.weights: dict[str, Tensor] = {}
        self.layers: dict[str, nn.Module] = {}

    def value(self, node: ast.expr) -> Any:
        """What an expression gives."""
        match node:
            case ast.Name(id=name):
                return self.tensors[name] if name in self.tensors else _ROOTS[name]
            case ast.List(elts=elements) if any(isinstance(e, ast.Name) for e in elements):
                return [self.value(e) for e in elements]
            case ast.BinOp(left=left, op=op, right=right):
                a, b = self.value(left), self.value(right)
                match op:
                    case ast.Add():
                        return a + b
                    case ast.Sub():
                        return a - b
                    case ast.Mult():
                        return a * b
                    case ast.Div():
                        return a / b
            case ast.Attribute(value=owner, attr=name):  # npnet.linalg, x.repeat, svd(A).U
                return getattr(self.value(owner), name)
            case ast.Subscript(value=x, slice=at):
                return self.value(x)[self.value(at)]
            case ast.Slice(lower=a, upper=b, step=c):
                return slice(*(None if end is None else self.value(end) for end in (a, b, c)))
            case ast.Tuple(elts=elements):
                return tuple(self.value(e) for e in elements)
            case ast.Call(func=called):
                given = [self.value(a) for a in node.args]
                named = {str(k.arg): self.value(k.value) for k in node.keywords}
                match called:
                    case ast.Attribute(value=ast.Name(id="nn"), attr=name):
                        return self._layer(ast.unparse(node), name, given, named)
                return self.value(called)(*given, **named)
        return ast.literal_eval(node)

    def _layer(self, text: str, name: str, given: list[Any], named: dict[str, Any]) -> nn.Module:
        if text not in self.layers:
            layer: nn.Module = getattr(nn, name)(*given, **named).double()
            for key, parameter in layer.named_parameters():
                parameter.data = result(np.round(parameter.array, 1))
                self.weights[key] = parameter
            self.layers[text] = layer
        return self.layers[text]


def functions_of(y: Tensor) -> list[type[Function]]:
    """The classes of the Functions behind a result, in the order in which they were applied."""
    found: dict[int, Function] = {}
    ahead: list[Any] = [y.grad_fn]
    while ahead:
        node = ahead.pop()
        if isinstance(node, Function) and id(node) not in found:
            found[id(node)] = node
            ahead += node.parents
    ordered = sorted(found.values(), key=lambda node: node.order)
    return list(dict.fromkeys(type(node) for node in ordered))
