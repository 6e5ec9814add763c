"""Recurrent layers: one layer, in one direction, over a whole sequence, is one Function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from npnet.base.arrays import Array
from npnet.ops import _sums
from npnet.ops.activation import sigmoid_of
from npnet.tape import Function

if TYPE_CHECKING:
    pass

__all__ = ["GRU", "LSTM", "RNN", "Recurrent"]


class Recurrent(Function):
    """h_t = cell(a_t, b_t, h_{t-1}), a_t = W_ih x_t + b_ih, b_t = W_hh h_{t-1} + b_hh.

    From the gradients ga_t and gb_t of a cell's gates follow those of the weights, of all steps at
    once: gW_ih = sum of ga_t x_t^T, gW_hh = sum of gb_t h_{t-1}^T, gx_t = W_ih^T ga_t; and from
    step to step gh_{t-1} = W_hh^T gb_t + what goes straight through the cell.

    The result has the outputs of all steps (T, N, P) and then the last h, and the last c.

    Args:
        reverse: go from the last step to the first.
        counts: how many of the sequences, which are sorted by length, each step has; None for all.
    """

    gates: ClassVar[int]
    has_cell: ClassVar[bool] = False

    def __init__(self, reverse: bool, counts: Sequence[int] | None) -> None:
        self.reverse, self.counts = reverse, counts

    def steps(self, length: int, batch: int) -> list[tuple[int, int]]:
        """Each step with the number of sequences that reach it, in the order they are done."""
        counts = [batch] * length if self.counts is None else self.counts
        steps = list(enumerate(counts))
        return steps[::-1] if self.reverse else steps

    def forward(
        self,
        x: Array,  # (T, N, I)
        h: Array,  # (N, P)
        c: Array,  # (N, H)
        w_ih: Array,  # (G, I)
        w_hh: Array,  # (G, P)
        b_ih: Array,  # (G,)
        b_hh: Array,
        w_hr: Array | None = None,  # (P, H)
    ) -> Array:  # (T + 2, N, H), or (T + 1, N, H) without c
        self.save_for_backward(x, w_ih, w_hh, w_hr)
        length, batch, size = x.shape
        self.begin(length, batch, c.shape[1], x.dtype)
        self.before, self.c = np.empty((length, *h.shape), x.dtype), c.copy()
        a = _sums.multiply(x.reshape(-1, size), w_ih.T).reshape(length, batch, -1) + b_ih
        h, width = h.copy(), h.shape[1]
        y = np.zeros((length + 1 + self.has_cell, *c.shape), x.dtype)
        for t, n in self.steps(length, batch):
            self.before[t] = h
            h[:n] = self.cell(t, n, a[t, :n], h[:n] @ w_hh.T + b_hh, h[:n])
            y[t, :n, :width] = h[:n]
        y[length, :, :width] = h
        if self.has_cell:
            y[length + 1] = self.c
        return y

    def backward(self, gy: Array) -> tuple[Array | None, ...]:
        x, w_ih, w_hh, w_hr = self.saved
        length, batch, size = x.shape
        width = self.before.shape[2]
        ga = np.zeros((length, batch, len(w_ih)), gy.dtype)
        gb = np.zeros_like(ga)
        gh = gy[length, :, :width].copy()
        self.gc = gy[length + 1].copy() if self.has_cell else np.zeros_like(gy[length])
        self.gw_hr = None if w_hr is None else np.zeros_like(w_hr)
        for t, n in reversed(self.steps(length, batch)):
            g = gh[:n] + gy[t, :n, :width]
            ga[t, :n], gb[t, :n], through = self.cell_backward(t, n, g)
            gh[:n] = gb[t, :n] @ w_hh
            if through is not None:
                gh[:n] += through
        a, b = ga.reshape(length * batch, -1), gb.reshape(length * batch, -1)
        gx = _sums.multiply(a, w_ih).reshape(x.shape) if self.needs_input_grad[0] else None
        gw_ih = _sums.multiply(a.T, x.reshape(-1, size))
        gw_hh = _sums.multiply(b.T, self.before.reshape(length * batch, -1))
        biases = _sums.add_up(a, (0,)), _sums.add_up(b, (0,))
        gradients = gx, gh, self.gc, gw_ih, gw_hh, *biases
        return gradients if w_hr is None else (*gradients, self.gw_hr)

    def begin(self, length: int, batch: int, hidden: int, dtype: np.dtype[Any]) -> None:
        """Make room for what the cell keeps of each step."""
        self.kept = np.zeros((length, batch, (self.gates + 1) * hidden), dtype)

    def cell(self, t: int, n: int, a: Array, b: Array, h: Array) -> Array:
        """The next h of the first n sequences."""
        raise NotImplementedError

    def cell_backward(self, t: int, n: int, g: Array) -> tuple[Array, Array, Array | None]:
        """From the gradient of h_t: those of a_t and b_t, and what goes straight to h_{t-1}."""
        raise NotImplementedError


class RNN(Recurrent):
    """h = tanh(a + b), or max(a + b, 0);  ga = gb = g (1 - h^2), or g where h > 0."""

    gates = 1

    def __init__(self, reverse: bool, counts: Sequence[int] | None, relu: bool = False) -> None:
        super().__init__(reverse, counts)
        self.relu = relu

    def cell(self, t: int, n: int, a: Array, b: Array, h: Array) -> Array:
        total = a + b
        new: Array = np.maximum(total, 0) if self.relu else np.tanh(total)
        self.kept[t, :n, : new.shape[1]] = new
        return new

    def cell_backward(self, t: int, n: int, g: Array) -> tuple[Array, Array, Array | None]:
        h = self.kept[t, :n, : g.shape[1]]
        ga = np.where(h > 0, g, g.dtype.type(0)) if self.relu else g * (1 - h * h)
        return ga, ga, None


class GRU(Recurrent):
    """r, z = sigmoid(a + b), n = tanh(a_n + r b_n), h = (1 - z) n + z h'.

    gn = g (1 - z) (1 - n^2), gr = gn b_n r (1 - r), gz = g (h' - n) z (1 - z);
    ga = (gr, gz, gn), gb = (gr, gz, gn r), and g z goes straight to h'.

    Source: Cho et al. (2014), arXiv:1406.1078, eqs. 5-8; r inside W_hn's product as in cuDNN.
    """

    gates = 3

    def cell(self, t: int, n: int, a: Array, b: Array, h: Array) -> Array:
        size = h.shape[1]
        both = sigmoid_of(a[:, : 2 * size] + b[:, : 2 * size])
        r, z = both[:, :size], both[:, size:]
        new = np.tanh(a[:, 2 * size :] + r * b[:, 2 * size :])
        self.kept[t, :n] = np.concatenate([both, new, b[:, 2 * size :]], 1)
        return new + z * (h - new)

    def cell_backward(self, t: int, n: int, g: Array) -> tuple[Array, Array, Array | None]:
        r, z, new, b = np.split(self.kept[t, :n], 4, 1)
        gn = g * (1 - z) * (1 - new * new)
        gr = gn * b * r * (1 - r)
        gz = g * (self.before[t, :n] - new) * z * (1 - z)
        return np.concatenate([gr, gz, gn], 1), np.concatenate([gr, gz, gn * r], 1), g * z


class LSTM(Recurrent):
    """i, f, o = sigmoid(a + b), k = tanh(a + b), c = f c' + i k, h = o tanh(c), W_hr h if given.

    gc += g o (1 - tanh(c)^2);  gi = gc k, gf = gc c', gk = gc i, go = g tanh(c), each times the
    gate's slope; gc' = gc f.

    Source: Gers, Schmidhuber, Cummins (2000); Sak et al. (2014), arXiv:1402.1128, for W_hr.
    """

    gates = 4
    has_cell = True

    def begin(self, length: int, batch: int, hidden: int, dtype: np.dtype[Any]) -> None:
        super().begin(length, batch, hidden, dtype)
        self.c_before = np.zeros((length, batch, hidden), dtype)

    def cell(self, t: int, n: int, a: Array, b: Array, h: Array) -> Array:
        size, total = self.c.shape[1], a + b
        i, f, o = (sigmoid_of(total[:, k * size : (k + 1) * size]) for k in (0, 1, 3))
        k = np.tanh(total[:, 2 * size : 3 * size])
        self.c_before[t, :n] = self.c[:n]
        self.c[:n] = f * self.c[:n] + i * k
        tanh_c = np.tanh(self.c[:n])
        self.kept[t, :n] = np.concatenate([i, f, k, o, tanh_c], 1)
        w_hr, y = self._saved[3], o * tanh_c
        return y if w_hr is None else y @ w_hr.T  # type: ignore[union-attr]

    def cell_backward(self, t: int, n: int, g: Array) -> tuple[Array, Array, Array | None]:
        i, f, k, o, tanh_c = np.split(self.kept[t, :n], 5, 1)
        w_hr = self._saved[3]
        if isinstance(w_hr, np.ndarray):
            self.gw_hr += g.T @ (o * tanh_c)
            g = g @ w_hr
        gc = self.gc[:n] + g * o * (1 - tanh_c * tanh_c)
        gi, gf, gk = gc * k, gc * self.c_before[t, :n], gc * i
        slopes = i * (1 - i), f * (1 - f), 1 - k * k, o * (1 - o)
        gradients = zip((gi, gf, gk, g * tanh_c), slopes, strict=True)
        ga = np.concatenate([one * slope for one, slope in gradients], 1)
        self.gc[:n] = gc * f
        return ga, ga, None
