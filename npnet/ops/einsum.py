"""Einstein's sums: products of any number of tensors, summed over named axes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.arrays import Array
from npnet.ops import shape, views
from npnet.tape import Function

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["einsum"]

Labels = list[int]  # one number for each axis; equal ones are the same index


class EinSum(Function):
    """y[out] = sum over all other labels of the product;  each gradient is such a sum too.

        gx[labels] = sum over the labels that x has not, of gy and the other factors

    Labels that only x has are repeated in its gradient. No operand names a label twice, and sizes
    of one label are equal.
    """

    def __init__(self, inputs: list[Labels], out: Labels) -> None:
        self.inputs, self.out = inputs, out

    def forward(self, *xs: Array) -> Array:
        self.save_for_backward(*xs)
        return self._sum([*zip(xs, self.inputs, strict=True)], self.out)

    def _sum(self, terms: list[tuple[Array, Labels]], out: Labels) -> Array:
        given: list[Any] = [part for term in terms for part in term]
        return np.asarray(np.einsum(*given, out, optimize=len(terms) > 1), terms[0][0].dtype)

    def backward(self, gy: Array) -> tuple[Array, ...]:
        xs = self.saved
        return tuple(self._gradient(i, gy, xs) for i in range(len(xs)))

    def _gradient(self, i: int, gy: Array, xs: tuple[Array, ...]) -> Array:
        terms = [(gy, self.out)]
        terms += [(x, self.inputs[j]) for j, x in enumerate(xs) if j != i]
        known = {label for _, labels in terms for label in labels}
        g = self._sum(terms, [label for label in self.inputs[i] if label in known])
        alone = tuple(n for n, label in enumerate(self.inputs[i]) if label not in known)
        return np.broadcast_to(np.expand_dims(g, alone), xs[i].shape)


def _labels(equation: str, count: int) -> tuple[list[str], str | None]:
    """The subscripts of each operand, and of the result if they are given."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    parts = left.split(",")
    letters = (left + right).replace(",", "").replace("...", "")
    if not letters.isalpha() and letters:
        raise RuntimeError(f"einsum: subscripts must be letters, '...', ',' and '->': {equation!r}")
    if len(parts) != count:
        raise ValueError(f"einsum: {equation!r} is of {len(parts)} operands, got {count}")
    return parts, right if arrow else None


def _named_axes(part: str, ndim: int) -> Labels:
    """A label for each axis: letters by their code, those under `...` negative, aligned right."""
    before, dots, after = part.partition("...")
    hidden = ndim - len(before) - len(after)
    if hidden < 0 or (hidden and not dots) or "." in after:
        raise RuntimeError(f"einsum: {part!r} does not name the axes of an operand of {ndim}")
    return [*map(ord, before), *range(-hidden, 0), *map(ord, after)]


def _once(x: Tensor, labels: Labels) -> tuple[Tensor, Labels]:
    """The diagonal of axes of one label, so that each stands once."""
    labels = list(labels)
    while len(set(labels)) < len(labels):
        label = next(label for label in labels if labels.count(label) > 1)
        first = labels.index(label)
        second = labels.index(label, first + 1)
        if x.shape[first] != x.shape[second]:
            raise RuntimeError(f"einsum: axes of one label must be equal, got {x.shape}")
        x = views.diagonal(x, 0, first, second)
        labels = [n for i, n in enumerate(labels) if i not in (first, second)] + [label]
    return x, labels


def _numbered(labels: list[Labels], out: Labels) -> tuple[list[Labels], Labels]:
    """The labels as small numbers, which NumPy takes."""
    known = {label: i for i, label in enumerate(sorted({n for part in labels for n in part}))}
    return [[known[n] for n in part] for part in labels], [known[n] for n in out]


def einsum(equation: Any, *operands: Any) -> Tensor:
    """The sum of products that an equation names: "ij,jk->ik" is the matrix product.

    Each letter is an index; what does not stand behind `->` is summed over. `...` stands for all
    other axes, which are broadcast. Without `->`, the letters that stand once are kept, in
    alphabetical order.

    Args:
        operands: tensors, or one list of them. In NumPy's other form, `einsum(x, [0, 1], ...,
            [out])`, lists of numbers stand for the letters.

    Shape: "ij,jk->ik": (I, J), (J, K) -> (I, K).

    Raises:
        RuntimeError: sizes of one letter differ, or the letters are not as many as the axes.
        ValueError: there are more or fewer operands than the equation names.

    Example:
        >>> x, y = npnet.arange(6).reshape(2, 3), npnet.tensor([1, 10, 100])
        >>> npnet.einsum("ij,j->i", x, y), npnet.einsum("ij->j", x)
        (tensor([210, 543]), tensor([3, 5, 7]))
    """
    if not isinstance(equation, str):
        return _by_lists(equation, *operands)
    tensors = (
        operands[0] if len(operands) == 1 and isinstance(operands[0], (list, tuple)) else operands
    )
    parts, right = _labels(equation, len(tensors))
    hidden = max(
        x.ndim - len(p.replace("...", "")) if "..." in p else 0
        for x, p in zip(tensors, parts, strict=True)
    )
    pairs = [_once(x, _named_axes(p, x.ndim)) for x, p in zip(tensors, parts, strict=True)]
    counts = Counter(n for p in parts for n in p.replace("...", ""))
    if right is None:
        out = [*range(-hidden, 0), *sorted(ord(n) for n, times in counts.items() if times == 1)]
    else:
        before, dots, after = right.partition("...")
        out = [*map(ord, before), *(range(-hidden, 0) if dots else ()), *map(ord, after)]
    return _apply(equation, pairs, out)


def _apply(equation: str, pairs: list[tuple[Tensor, Labels]], out: Labels) -> Tensor:
    sizes: dict[int, int] = {}
    for x, labels in pairs:
        for n, label in zip(x.shape, labels, strict=True):
            if sizes.setdefault(label, n) == 1:
                sizes[label] = n
            elif n not in (1, sizes[label]):
                raise RuntimeError(
                    f"einsum: sizes of one label must be equal, got {sizes[label]} and {n} in "
                    f"{equation!r}"
                )
    if len(set(out)) < len(out) or any(label not in sizes for label in out):
        raise RuntimeError(f"einsum: the result of {equation!r} names an index twice, or a new one")
    if len({x.dtype for x, _ in pairs}) > 1:
        raise RuntimeError("einsum: operands must be of one dtype")
    alone = Counter(label for _, labels in pairs for label in labels)
    summed = any(alone[n] == 1 and n not in out for _, labels in pairs for n in labels)
    if summed and not pairs[0][0].is_floating_point():  # as `sum` does, in int64
        pairs = [(shape.cast(x, np.dtype(np.int64)), labels) for x, labels in pairs]
    whole = [shape.expand(x, [sizes[label] for label in labels]) for x, labels in pairs]
    return EinSum(*_numbered([labels for _, labels in pairs], out))(*whole)


def _by_lists(*given: Any) -> Tensor:
    """`einsum(x, [0, 1], y, [1, 2], [0, 2])`."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    tensors, lists = given[0 : len(given) // 2 * 2 : 2], [*given[1::2]]

    def text(numbers: Any) -> str:
        return "".join("..." if n is ... else letters[n] for n in numbers)

    equation = ",".join(map(text, lists))
    if len(given) % 2:
        equation += "->" + text(given[-1])
    return einsum(equation, *tensors)
