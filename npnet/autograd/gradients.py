"""Derivatives of several results at once, into `grad` or as a tuple."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from npnet.base.arrays import Array
from npnet.tape import Variable, result, walk_back
from npnet.tape import inputs_of as _inputs_of
from npnet.tensor import Tensor

__all__ = ["backward", "grad"]

Tensors: TypeAlias = Tensor | Sequence[Tensor]
Gradients: TypeAlias = Tensor | Sequence[Tensor | None] | None

_NOT_RECORDED = "derivatives here are NumPy's, which are not recorded"


def backward(
    tensors: Tensors,
    grad_tensors: Gradients = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Gradients = None,
    inputs: Tensors | None = None,
) -> None:
    """Add the derivatives of several tensors to the `grad` of every leaf that they depend on.

    Args:
        tensors: what is differentiated.
        grad_tensors: what each derivative is multiplied with from the left, of the tensor's shape;
            may be left out, or None, for tensors of one single value.
        retain_graph: keep what was saved, so that the graph can be gone through again.
        grad_variables: the old name of `grad_tensors`.
        inputs: tensors, leaves or not, whose `grad` alone is filled.

    Raises:
        RuntimeError: as `Tensor.backward`; `inputs` is empty.
        NotImplementedError: create_graph is asked for.

    Example:
        >>> x = npnet.tensor([1.0, 3.0], requires_grad=True)
        >>> npnet.autograd.backward([x * x], [npnet.tensor([1.0, 10.0])])
        >>> x.grad
        tensor([ 2., 60.])
    """
    if create_graph:
        raise NotImplementedError(f"backward: create_graph is not supported: {_NOT_RECORDED}")
    if grad_variables is not None:
        if grad_tensors is not None:
            raise RuntimeError(
                "backward: grad_tensors and grad_variables (the old name) are both given; pass one"
            )
        grad_tensors = grad_variables
    only = None if inputs is None else _inputs_of("backward", inputs)
    roots = _roots("backward", tensors, grad_tensors)
    with np.errstate(all="ignore"):
        walk_back(roots, bool(retain_graph), only)


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Gradients = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor, ...]:
    """The derivatives of `outputs`, summed, by each of `inputs`; no `grad` is changed.

    Args:
        outputs: what is differentiated.
        inputs: leaves or results that it depends on.
        grad_outputs: what each derivative is multiplied with from the left, of the output's shape;
            may be left out, or None, for outputs of one single value.
        retain_graph: keep what was saved, so that the graph can be gone through again.
        only_inputs: only True is known.
        allow_unused: give None for an input that no output depends on, instead of an error.
        materialize_grads: give zeros for it.

    Raises:
        RuntimeError: as `Tensor.backward`; an input is not used.
        NotImplementedError: create_graph or is_grads_batched is asked for.

    Example:
        >>> x = npnet.tensor([1.0, 3.0], requires_grad=True)
        >>> npnet.autograd.grad((x * x).sum(), x)
        (tensor([2., 6.]),)
        >>> x.grad is None
        True
    """
    if create_graph:
        raise NotImplementedError(f"grad: create_graph is not supported: {_NOT_RECORDED}")
    if is_grads_batched:
        raise NotImplementedError("grad: is_grads_batched is not supported; call grad in a loop")
    if materialize_grads and allow_unused is False:
        raise ValueError("grad: with materialize_grads, allow_unused must be None or True")
    wanted = _inputs_of("grad", inputs)
    roots = _roots("grad", outputs, grad_outputs)
    found: dict[int, Array] = {}
    with np.errstate(all="ignore"):
        walk_back(roots, bool(retain_graph), wanted, found)
    return tuple(
        [_found(x, i, found, bool(allow_unused), materialize_grads) for i, x in enumerate(wanted)]
    )


def _found(
    x: Variable, place: int, found: dict[int, Array], allow_unused: bool, materialize: bool
) -> Any:
    """The gradient of an input."""
    g = found.get(id(x._edge()))
    if g is not None:
        return result(np.array(g, x.dtype))  # memory of its own
    if materialize:
        return result(np.zeros(x.shape, x.dtype))
    if not allow_unused:
        raise RuntimeError(
            f"grad: the outputs do not depend on the input at {place}; pass allow_unused=True to "
            "get None for it"
        )
    return None


def _roots(op: str, outputs: Tensors, gradients: Gradients) -> list[tuple[Variable, Array]]:
    """Where a walk begins, with what arrives there; checked."""
    ends = (outputs,) if isinstance(outputs, Variable) else tuple(outputs)
    given: tuple[Any, ...] = (None,) * len(ends)
    if gradients is not None:
        given = (gradients,) if isinstance(gradients, Variable) else tuple(gradients)
    if len(given) != len(ends):
        raise RuntimeError(f"{op}: got {len(ends)} tensors and {len(given)} gradients")
    for i, y in enumerate(ends):
        if not isinstance(y, Variable):
            raise TypeError(f"{op}: can differentiate tensors, got a {type(y).__name__} at {i}")
    return [y._root(g) for y, g in zip(ends, given, strict=True)]
