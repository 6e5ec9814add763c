"""LBFGS: steps by an estimate of the second derivative from the last few gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError
from npnet.base.grad_mode import enable_grad
from npnet.optim._line_search import Point, strong_wolfe
from npnet.optim._options import as_numbers, check_option
from npnet.optim.optimizer import Group, Optimizer, Params, State
from npnet.tensor import Tensor

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """Limited-memory BFGS, for gradients of all the data; `step` needs a closure.

        s = last change of p, y = last change of g, kept for history_size steps with y.s > 1e-10
        d = -H g, H from these by the two loops, from (y.s / y.y) I
        p <- p + t * d,  t = lr, in the first step lr * min(1, 1 / |g|_1), or by the line search

    One `step` makes up to max_iter of these.

    Args:
        params: one group; its options are those of all.
        lr: the step size, or what the line search tries first.
        max_iter: iterations in one `step`.
        max_eval: calls of the closure in one `step`; default max_iter * 5 // 4.
        tolerance_grad: stop when no gradient is larger.
        tolerance_change: stop when no parameter, or the loss, changes more.
        history_size: how many changes are kept.
        line_search_fn: None or "strong_wolfe".

    State, of the first parameter for all: func_evals, n_iter, d, t, old_dirs (y), old_stps (s),
    ro (1 / y.s), H_diag, prev_flat_grad, prev_loss, al.

    Raises:
        ValueError: lr is below 0 or NaN, or there is more than one group.
        TypeError: `step` has no closure.
        RuntimeError: `step` knows no such line_search_fn.

    Example:
        >>> x = nn.Parameter(npnet.tensor([5.0]))
        >>> optimizer = optim.LBFGS([x], line_search_fn="strong_wolfe")
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = ((x - 2) ** 2).sum()
        ...     loss.backward()
        ...     return loss
        >>> loss = optimizer.step(closure)
        >>> x.detach().round(decimals=2)
        tensor([2.])

    Source: Nocedal, Wright (2006), algorithms 7.4 and 7.5.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS: it has no options for some parameters alone; give one group")

    def check(self, group: Group) -> None:
        check_option("LBFGS", "lr", group["lr"], least=0)
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError(
                "LBFGS: line_search_fn must be None or 'strong_wolfe', got "
                f"{group['line_search_fn']!r}"
            )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Up to max_iter steps.

        Args:
            closure: computes the loss, with its gradients: zero_grad, loss, backward.

        Returns:
            The first loss.
        """
        if closure is None:
            raise TypeError("LBFGS: step needs a closure that computes the loss and its gradients")
        group = self.param_groups[0]
        self._check_group(group)
        for p in group["params"]:
            if not p.array.flags.writeable:
                raise ShapeError("LBFGS: a parameter lies on read-only memory; give it a copy")
        with np.errstate(all="ignore"):
            return _Search(self, enable_grad()(closure), as_numbers(group)).run()

    def _load_values(self, key: int, p: Tensor, values: Mapping[str, Any], group: Group) -> State:
        return {name: _as_arrays(value) for name, value in values.items()}


def _as_arrays(value: Any) -> Any:
    """What a state_dict holds, npnet's or PyTorch's, copied, with arrays in place of tensors."""
    if isinstance(value, (list, tuple)):
        return [_as_arrays(v) for v in value]
    if isinstance(value, (int, float, type(None))):
        return value
    array = np.asarray(value.array if isinstance(value, Tensor) else value)
    return array.copy() if array.ndim else array.item()


class _Search:
    """One `step`: the parameters as one vector, and what is kept from the steps before."""

    def __init__(self, optimizer: LBFGS, closure: Callable[[], Any], options: Group) -> None:
        self.params, self.closure, self.options = options["params"], closure, options
        self.state = optimizer.state[self.params[0]]
        self.state.setdefault("func_evals", 0)
        self.state.setdefault("n_iter", 0)

    def run(self) -> Any:
        o, state = self.options, self.state
        first = self.closure()
        loss, g, evaluations = float(first), self._gradient(), 1
        state["func_evals"] += 1
        if self._is_small(g):
            return first
        for i in range(1, o["max_iter"] + 1):
            state["n_iter"] += 1
            d = self._direction(g)
            state["d"], state["prev_flat_grad"], state["prev_loss"] = d, g.copy(), loss
            before, t = loss, o["lr"]
            if state["n_iter"] == 1:
                t *= min(1.0, 1.0 / float(np.abs(g).sum()))
            state["t"] = t
            slope = float(g @ d)
            if slope > -o["tolerance_change"]:
                break
            calls = 0
            if o["line_search_fn"] is not None:
                start = Point(0.0, loss, g, slope)
                most = o["max_eval"] - evaluations
                found, calls = strong_wolfe(self._tried(d), t, d, start, most)
                loss, g, state["t"] = found.f, found.g, found.t
                self._move(found.t, d)
            else:
                self._move(t, d)
                if i < o["max_iter"]:
                    loss, g, calls = float(self.closure()), self._gradient(), 1
            evaluations += calls
            state["func_evals"] += calls
            if evaluations >= o["max_eval"] or self._is_small(g):
                break
            changes = float(np.abs(d * state["t"]).max()), abs(loss - before)
            if changes[0] <= o["tolerance_change"] or changes[1] < o["tolerance_change"]:
                break
        return first

    def _direction(self, g: Array) -> Array:
        """-H g, after what the last step has shown was taken into H."""
        state = self.state
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return -g
        ys, ss, inverses = state["old_dirs"], state["old_stps"], state["ro"]
        y, s = g - state["prev_flat_grad"], state["d"] * state["t"]
        product = float(y @ s)
        if product > 1e-10:
            if len(ys) == self.options["history_size"]:
                for kept in (ys, ss, inverses):
                    del kept[0]
            ys.append(y)
            ss.append(s)
            inverses.append(1.0 / product)
            state["H_diag"] = product / float(y @ y)
        shares = state.setdefault("al", [None] * self.options["history_size"])
        d = -g
        for i in reversed(range(len(ys))):
            shares[i] = float(ss[i] @ d) * inverses[i]
            d -= shares[i] * ys[i]
        d *= state["H_diag"]
        for i in range(len(ys)):
            d += (shares[i] - float(ys[i] @ d) * inverses[i]) * ss[i]
        return d

    def _is_small(self, g: Array) -> bool:
        return bool(np.abs(g).max() <= self.options["tolerance_grad"])

    def _gradient(self) -> Array:
        """The gradients of all parameters, one after the other; 0 where there is none."""
        parts = [
            np.zeros(p.array.size, p.dtype) if p.grad is None else p.grad.array.reshape(-1)
            for p in self.params
        ]
        return np.concatenate(parts)

    def _move(self, t: float, d: Array) -> None:
        place = 0
        for p in self.params:
            p.array[...] += t * d[place : place + p.array.size].reshape(p.shape)
            p._version.writes += 1
            place += p.array.size

    def _tried(self, d: Array) -> Callable[[float], tuple[float, Array]]:
        """What evaluates the loss a step away, and puts the parameters back."""
        start = [p.array.copy() for p in self.params]

        def at(t: float) -> tuple[float, Array]:
            self._move(t, d)
            loss, g = float(self.closure()), self._gradient()
            for p, values in zip(self.params, start, strict=True):
                p.array[...] = values
                p._version.writes += 1
            return loss, g

        return at
