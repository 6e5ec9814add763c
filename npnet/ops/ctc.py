"""Connectionist temporal classification: sequences of labels without their places in time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError, not_tensors
from npnet.ops import arithmetic, reduce, shape
from npnet.ops.dtypes import check_dtypes
from npnet.ops.loss import reduction_of
from npnet.tape import Function, Variable, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["ctc_loss"]


class CTC(Function):
    """-log of the sum, over all paths that are the labels, of the products of their probabilities.

    A path names a class at each time; without repetitions, and then without blanks, it is the
    labels. With l' the labels with blanks before, between and after them, (L,) = 2 * S + 1, and
    p_t(k) = exp(x_tk), the probability of all paths to l'_s at t, and that of all from there on:

        a_t(s) = (a_{t-1}(s) + a_{t-1}(s-1) + [l'_s no blank nor l'_{s-2}] a_{t-1}(s-2)) p_t(l'_s)
        b_t(s) = b_{t+1}(s) p_{t+1}(l'_s) + b_{t+1}(s+1) p_{t+1}(l'_{s+1})
                 + [the same of s+2] b_{t+1}(s+2) p_{t+1}(l'_{s+2})
        y = -log(a_T(L) + a_T(L-1))
        gx_tk = gy * (exp(x_tk) - the sum of a_t(s) b_t(s) where l'_s = k, over exp(-y))

    all in logarithms. As in PyTorch, gx is that of logits whose log-softmax x is: through
    `log_softmax`, whose backward takes off the sum over k, it is the same.

    Args:
        labels: l' of each sequence, blanks where it has ended, (N, L).
        steps, sizes: T and S of each, (N,).
        blank: the class that is none.
        zero_infinity: y and gx are 0 where no path is long enough.

    Source: Graves et al. (2006), eqs. 6-8, 10-11 and 16.
    """

    def __init__(
        self, labels: Array, steps: Array, sizes: Array, blank: int, zero_infinity: bool
    ) -> None:
        self.labels, self.steps, self.sizes = labels, steps, sizes
        self.zero_infinity = zero_infinity
        self.jumps = np.zeros(labels.shape, bool)  # over the blank from s - 2 to s
        self.jumps[:, 2:] = (labels[:, 2:] != blank) & (labels[:, 2:] != labels[:, :-2])

    def forward(self, x: Array) -> Array:  # (T, N, C) -> (N,)
        self.save_for_backward(x)
        n = np.arange(x.shape[1])
        self.emitted = x[:, n[:, None], self.labels]  # (T, N, L)
        a = np.full_like(self.emitted, -np.inf)
        if len(x):
            a[0, :, :1] = self.emitted[0, :, :1]
            a[0, :, 1:2] = np.where(self.sizes[:, None] > 0, self.emitted[0, :, 1:2], -np.inf)
        for t in range(1, len(x)):
            a[t] = self._step(a[t - 1], self.jumps, 1) + self.emitted[t]
        self.a = a
        self.y = -self._ends(a, n)
        if not self.zero_infinity:
            return self.y.copy()  # what is given may be written to
        return np.where(np.isinf(self.y), 0, self.y).astype(x.dtype)

    @staticmethod
    def _step(before: Array, jumps: Array, by: int) -> Array:
        """log of the sum of what comes from s, from its neighbour, and over a blank."""
        near, far = np.full_like(before, -np.inf), np.full_like(before, -np.inf)
        if by > 0:
            near[:, 1:], far[:, 2:] = before[:, :-1], before[:, :-2]
        else:
            near[:, :-1], far[:, :-2] = before[:, 1:], before[:, 2:]
        far[~jumps] = -np.inf
        return np.logaddexp(np.logaddexp(before, near), far)

    def _ends(self, a: Array, n: Array) -> Array:
        """log of the probability of the labels."""
        if not len(a):
            return np.where(self.sizes == 0, 0, -np.inf).astype(a.dtype)
        last = a[np.maximum(self.steps - 1, 0), n]  # (N, L)
        final = last[n, 2 * self.sizes]
        label = np.where(self.sizes > 0, last[n, np.maximum(2 * self.sizes - 1, 0)], -np.inf)
        ends = np.logaddexp(final, label.astype(a.dtype))
        nothing = np.where(self.sizes == 0, 0, -np.inf)  # of no time at all
        return np.where(self.steps > 0, ends, nothing).astype(a.dtype)

    def _rest(self) -> Array:
        """log of b."""
        b = np.full_like(self.a, -np.inf)
        n = np.arange(b.shape[1])
        onward = np.zeros_like(self.jumps)
        onward[:, :-2] = self.jumps[:, 2:]
        ends = np.full(b.shape[1:], -np.inf, b.dtype)
        ends[n, 2 * self.sizes] = 0
        ends[n[self.sizes > 0], 2 * self.sizes[self.sizes > 0] - 1] = 0
        for t in range(len(b) - 1, -1, -1):
            if t + 1 < len(b):
                b[t] = self._step(b[t + 1] + self.emitted[t + 1], onward, -1)
            over = self.steps == t + 1
            b[t, over] = ends[over]
        return b

    def backward(self, gy: Array) -> tuple[Array]:  # (N,) -> (T, N, C)
        (x,) = self.saved
        times = np.arange(len(x))[:, None] < self.steps  # (T, N)
        shares = np.exp(self.a + self._rest() + self.y[:, None])  # (T, N, L)
        classes = np.arange(x.shape[2])
        is_class = (self.labels[:, :, None] == classes).astype(x.dtype)  # (N, L, C)
        found = np.matmul(shares.transpose(1, 0, 2), is_class).transpose(1, 0, 2)
        gx = np.where(times[:, :, None], (np.exp(x) - found) * gy[:, None], 0)
        if self.zero_infinity:
            gx[:, np.isinf(self.y)] = 0
        return (gx.astype(x.dtype, copy=False),)


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sequence[int],
    target_lengths: Tensor | Sequence[int],
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """How unlikely sequences of labels are, whenever each label comes.

        loss = -log of the sum of the probabilities of all paths that are the labels

    Shape: log_probs (T, N, C) -> (N,) before it is reduced, or (T, C) -> ().

    Args:
        log_probs: of each class at each time; `log_softmax` of logits.
        targets: whole numbers (N, S), or all one after the other (sum of target_lengths,).
        input_lengths: how many times of each sequence count, at most T.
        target_lengths: how many labels each has.
        blank: the class that is no label.
        reduction: "none", "sum", or "mean" of the losses divided by their numbers of labels.
        zero_infinity: 0, without gradient, in place of an infinite loss where times are too few.

    Raises:
        RuntimeError: lengths or labels do not fit `log_probs` and `targets`, or `blank` is no
            class.

    Example:
        >>> log_probs = F.log_softmax(npnet.zeros(2, 1, 3), dim=2)  # two times, three classes alike
        >>> F.ctc_loss(log_probs, npnet.tensor([[1]]), [2], [1])  # 3 of 9 paths: 11, 01, 10
        tensor(1.0986)

    Source: Graves et al. (2006), see `CTC`.
    """
    for x in (log_probs, targets):
        if not isinstance(x, Variable):
            raise not_tensors("ctc_loss", x)
    check_dtypes("ctc_loss", log_probs)
    reduction = reduction_of("ctc_loss", reduction)
    if log_probs.ndim not in (2, 3):
        raise ShapeError(f"ctc_loss: log_probs must be (T, N, C) or (T, C), got {log_probs.shape}")
    x = log_probs if log_probs.ndim == 3 else shape.unsqueeze(log_probs, 1)
    times, count, classes = x.shape
    if not 0 <= blank < classes:
        raise RuntimeError(f"ctc_loss: blank must be a class of {classes}, got {blank}")
    steps = _lengths("input_lengths", input_lengths, count, times)
    sizes = _lengths("target_lengths", target_lengths, count, None)
    labels = _with_blanks(targets.array.astype(np.int64), sizes, blank, classes)
    losses = CTC(labels, steps, sizes, blank, zero_infinity)(x)
    if reduction == "mean":
        divisors = result(np.maximum(sizes, 1).astype(losses.dtype))
        return reduce.mean(arithmetic.div(losses, divisors))
    if reduction == "sum":
        return reduce.sum(losses)
    return losses if log_probs.ndim == 3 else shape.squeeze(losses, 0)


def _lengths(name: str, given: Tensor | Sequence[int], count: int, most: int | None) -> Array:
    values = np.atleast_1d(np.asarray(given.array if isinstance(given, Variable) else given))
    if values.size and values.dtype.kind not in "iu":
        raise RuntimeError(f"ctc_loss: {name} must be integers, got {values.dtype}")
    if values.shape != (count,):
        raise RuntimeError(
            f"ctc_loss: {name} must be ({count},), one for each sequence, got {values.shape}"
        )
    if values.size and (values.min() < 0 or (most is not None and values.max() > most)):
        limit = "" if most is None else f" to {most}"
        raise RuntimeError(f"ctc_loss: {name} must be from 0{limit}, got {values.tolist()}")
    return values.astype(np.int64)


def _with_blanks(targets: Array, sizes: Array, blank: int, classes: int) -> Array:
    """l' of each sequence, (N, 2 * S + 1)."""
    longest = int(sizes.max(initial=0))
    labels = np.full((len(sizes), 2 * longest + 1), blank, np.int64)
    if targets.ndim == 1 and len(sizes) == 1:
        targets = targets[None]
    if targets.ndim == 2:
        if len(targets) != len(sizes) or targets.shape[1] < longest:
            raise RuntimeError(
                f"ctc_loss: targets must be ({len(sizes)}, {longest}) or wider, got {targets.shape}"
            )
        rows = [row[:n] for row, n in zip(targets, sizes, strict=True)]
    elif targets.ndim == 1 and len(targets) == sizes.sum():
        rows = np.split(targets, np.cumsum(sizes)[:-1])
    else:
        raise RuntimeError(
            f"ctc_loss: targets must be (N, S) or ({sizes.sum()},), the sum of target_lengths; got "
            f"{targets.shape}"
        )
    for line, row in zip(labels, rows, strict=True):
        if row.size and not 0 <= row.min() <= row.max() < classes:
            raise RuntimeError(
                f"ctc_loss: targets must be from 0 to {classes - 1}, got {row.tolist()}"
            )
        line[1 : 2 * len(row) : 2] = row
    return labels
