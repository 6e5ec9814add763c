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
    has_two: ClassVar[bool] = False  # whether a cell does more with a and b than add them

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
        a = _sums.multiply(x.reshape(-1, size), w_ih.T).reshape(length, batch, -1)
        a += b_ih if self.has_two else b_ih + b_hh
        h, width = h.copy(), h.shape[1]
        y = np.zeros((length + 1 + self.has_cell, *c.shape), x.dtype)
        for t, n in self.steps(length, batch):
            self.before[t] = h
            b = h[:n] @ w_hh.T
            if self.has_two:
                b += b_hh
            h[:n] = self.cell(t, n, a[t, :n], b, h[:n])
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
        gb = np.zeros_like(ga) if self.has_two else ga
        gh = gy[length, :, :width].copy()
        self.gc = gy[length + 1].copy() if self.has_cell else np.zeros_like(gy[length])
        self.gw_hr = None if w_hr is None else np.zeros_like(w_hr)
        for t, n in reversed(self.steps(length, batch)):
            g = gh[:n] + gy[t, :n, :width]
            through = self.cell_backward(t, n, g, ga[t, :n], gb[t, :n])
            np.matmul(gb[t, :n], w_hh, out=gh[:n])
            if through is not None:
                gh[:n] += through
        a, b = ga.reshape(length * batch, -1), gb.reshape(length * batch, -1)
        gx = _sums.multiply(a, w_ih).reshape(x.shape) if self.needs_input_grad[0] else None
        gw_ih = _sums.multiply(a.T, x.reshape(-1, size))
        gw_hh = _sums.multiply(b.T, self.before.reshape(length * batch, -1))
        gb_ih = _sums.add_up(a, (0,))
        biases = gb_ih, _sums.add_up(b, (0,)) if self.has_two else gb_ih
        gradients = gx, gh, self.gc, gw_ih, gw_hh, *biases
        return gradients if w_hr is None else (*gradients, self.gw_hr)

    def begin(self, length: int, batch: int, hidden: int, dtype: np.dtype[Any]) -> None:
        """Make room for what the cell keeps of each step."""
        self.kept = np.zeros((length, batch, (self.gates + 1) * hidden), dtype)

    def cell(self, t: int, n: int, a: Array, b: Array, h: Array) -> Array:
        """The next h of the first n sequences."""
        raise NotImplementedError

    def cell_backward(self, t: int, n: int, g: Array, ga: Array, gb: Array) -> Array | None:
        """From the gradient of h_t, what goes straight to h_{t-1}.

        Those of a_t and b_t are written to ga and gb, which are one if `has_two` is not set.
        """
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

    def cell_backward(self, t: int, n: int, g: Array, ga: Array, gb: Array) -> None:
        h = self.kept[t, :n, : g.shape[1]]
        ga[...] = np.where(h > 0, g, g.dtype.type(0)) if self.relu else g * (1 - h * h)


class GRU(Recurrent):
    """r, z = sigmoid(a + b), n = tanh(a_n + r b_n), h = (1 - z) n + z h'.

    gn = g (1 - z) (1 - n^2), gr = gn b_n r (1 - r), gz = g (h' - n) z (1 - z);
    ga = (gr, gz, gn), gb = (gr, gz, gn r), and g z goes straight to h'.

    Source: Cho et al. (2014), arXiv:1406.1078, eqs. 5-8; r inside W_hn's product as in cuDNN.
    """

    gates = 3
    has_two = True

    def cell(self, t: int, n: int, a: Array, b: Array, h: Array) -> Array:
        size = h.shape[1]
        both, (r, z, new, kept_b) = self.kept[t, :n, : 2 * size], _parts(self.kept[t, :n], size)
        sigmoid_of(np.add(a[:, : 2 * size], b[:, : 2 * size], out=both), out=both)
        kept_b[...] = b[:, 2 * size :]
        np.multiply(r, kept_b, out=new)
        np.add(new, a[:, 2 * size :], out=new)
        np.tanh(new, out=new)
        return new + z * (h - new)

    def cell_backward(self, t: int, n: int, g: Array, ga: Array, gb: Array) -> Array:
        size = g.shape[1]
        r, z, new, b = _parts(self.kept[t, :n], size)
        gr, gz, gn = _parts(ga, size)
        np.multiply(g * (1 - z), 1 - new * new, out=gn)
        np.multiply(gn * b, r * (1 - r), out=gr)
        through = g * z
        np.multiply(through * (1 - z), self.before[t, :n] - new, out=gz)
        gb[:, : 2 * size] = ga[:, : 2 * size]
        np.multiply(gn, r, out=gb[:, 2 * size :])
        return through


class LSTM(Recurrent):
    """i, f, o = sigmoid(a + b), k = tanh(a + b), c = f c' + i k, h = o tanh(c), W_hr h if given.

    gc += g o (1 - tanh(c)^2);  gi = gc k, gf = gc c', gk = gc i, go = g tanh(c), each times the
    gate's slope; gc' = gc f.

    Source: Gers, Schmidhuber, Cummins (2000); Sak et al. (2014), arXiv:1402.1128, for W_hr.
    """

    begins = True
    gates = 4
    has_cell = True

    def begin(self, length: int, batch: int, hidden: int, dtype: np.dtype[Any]) -> None:
        super().begin(length, batch, hidden, dtype)
        self.c_before = np.zeros((length, batch, hidden), dtype)

    def cell(self, t: int, n: int, a: Array, b: Array, h: Array) -> Array:
        c, size, kept = self.c[:n], self.c.shape[1], self.kept[t, :n]
        i, f, k, o, tanh_c = _parts(kept, size)
        np.add(a, b, out=kept[:, : 4 * size])
        sigmoid_of(kept[:, : 2 * size], out=kept[:, : 2 * size])
        np.tanh(k, out=k)
        sigmoid_of(o, out=o)
        self.c_before[t, :n] = c
        np.multiply(c, f, out=c)
        np.add(c, i * k, out=c)
        np.tanh(c, out=tanh_c)
        return self.projected(o * tanh_c)

    def projected(self, h: Array) -> Array:
        """W_hr h, where there is one."""
        w_hr = self._saved[3]
        return h @ w_hr.T if isinstance(w_hr, np.ndarray) else h

    def unprojected(self, g: Array, kept: Array) -> Array:
        """The gradient of o tanh(c) from that of h; that of W_hr is added to."""
        w_hr = self._saved[3]
        if not isinstance(w_hr, np.ndarray):
            return g
        _, _, _, o, tanh_c = _parts(kept, self.gc.shape[1])
        self.gw_hr += g.T @ (o * tanh_c)
        return g @ w_hr

    def cell_backward(self, t: int, n: int, g: Array, ga: Array, gb: Array) -> None:
        gc, size = self.gc[:n], self.gc.shape[1]
        gates, (i, f, k, o, tanh_c) = self.kept[t, :n, : 4 * size], _parts(self.kept[t, :n], size)
        g = self.unprojected(g, self.kept[t, :n])
        np.add(gc, g * o * (1 - tanh_c * tanh_c), out=gc)
        np.multiply(1 - gates, gates, out=ga)  # the slopes, but that of k
        gi, gf, gk, go = _parts(ga, size)
        np.subtract(1, k * k, out=gk)
        np.multiply(gi, gc * k, out=gi)
        np.multiply(gf, gc * self.c_before[t, :n], out=gf)
        np.multiply(gk, gc * i, out=gk)
        np.multiply(go, g * tanh_c, out=go)
        np.multiply(gc, f, out=gc)


def _parts(x: Array, size: int) -> list[Array]:
    """Views of so many columns each."""
    return [x[:, at : at + size] for at in range(0, x.shape[1], size)]
