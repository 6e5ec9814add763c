"""A softmax over many classes, most of which are rare: cheaper, as rare classes share rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from npnet.nn import functional as F
from npnet.nn.module import Module
from npnet.nn.modules.container import ModuleList, Sequential
from npnet.nn.modules.linear import Linear
from npnet.ops import indexing, reduce, scattering, shape
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class _ASMoutput(NamedTuple):
    output: Tensor  # the log-probability of each target
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """The log-probabilities of classes, of which the frequent come first, and their mean loss.

        log p(k) = head_k                                     k < cutoffs[0]
        log p(k) = head_{cutoffs[0] + i} + tail_i(x)_{k - cutoffs[i]}      k in cluster i

    The head is a log-softmax over the frequent classes and one place for each cluster of rare
    ones; the tail of a cluster, a log-softmax over its classes, from
    `in_features // div_value**(i + 1)` features.

    Shape: input (N, in_features), target (N,) -> output (N,), loss ().

    Args:
        cutoffs: where each cluster begins, ascending, from 1 to n_classes - 1.
        div_value: by how much each cluster has fewer features than the one before.
        head_bias: whether the head has a bias.

    Raises:
        ValueError: cutoffs are not whole numbers that ascend from 1 to n_classes - 1.
        RuntimeError: a target is no class, or there are not as many targets as inputs.
        ShapeError: input does not end in in_features.

    Example:
        >>> layer = nn.AdaptiveLogSoftmaxWithLoss(16, 100, cutoffs=[10, 50])
        >>> output, loss = layer(npnet.zeros(4, 16), npnet.tensor([0, 9, 10, 99]))
        >>> output.shape, loss.shape
        ((4,), ())

    Source: Grave et al. (2017), arXiv:1609.04309, section 4.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        ends = list(cutoffs)
        if (
            not ends
            or ends != sorted(set(ends))
            or any(int(c) != c for c in ends)
            or not 0 < ends[0] <= ends[-1] < n_classes
        ):
            raise ValueError(
                "AdaptiveLogSoftmaxWithLoss: cutoffs must be whole numbers that ascend, from 1 to "
                f"n_classes - 1 = {n_classes - 1}; got {cutoffs}"
            )
        self.in_features, self.n_classes, self.cutoffs = in_features, n_classes, [*ends, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size, self.n_clusters = ends[0], len(ends)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device=device, dtype=dtype)
        self.tail = ModuleList()
        for i, (begin, end) in enumerate(self._clusters()):
            features = int(in_features // div_value ** (i + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, features, bias=False, device=device, dtype=dtype),
                    Linear(features, end - begin, bias=False, device=device, dtype=dtype),
                )
            )

    def _clusters(self) -> list[tuple[int, int]]:
        """Where the classes of each cluster begin and end."""
        return list(zip(self.cutoffs[:-1], self.cutoffs[1:], strict=True))

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.head.reset_parameters()
        for projection in self.tail:
            for layer in projection.children():
                layer.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        if target_.ndim > 1 or input_.ndim != target_.ndim + 1:
            raise RuntimeError(
                "AdaptiveLogSoftmaxWithLoss: takes an input (N, in_features) and a target (N,), or "
                f"one of each; got {tuple(input_.shape)} and {tuple(target_.shape)}"
            )
        if target_.ndim and len(input_) != len(target_):
            raise RuntimeError(
                "AdaptiveLogSoftmaxWithLoss: input and target must be of one size in the batch "
                f"dimension, got {len(input_)} and {len(target_)}"
            )
        single = target_.ndim == 0
        input = shape.unsqueeze(input_, 0) if single else input_
        output = self._of_targets(input, np.atleast_1d(target_.array))
        loss = reduce.mean(-output)
        return _ASMoutput(shape.squeeze(output, 0) if single else output, loss)

    def _of_targets(self, input: Tensor, target: npt.NDArray[Any]) -> Tensor:
        """The log-probability of each target, (N,)."""
        if target.size and not 0 <= target.min() <= target.max() < self.n_classes:
            raise RuntimeError(
                f"AdaptiveLogSoftmaxWithLoss: target values should be in [0, {self.n_classes - 1}],"
                f" but values in range [{target.min()}, {target.max()}] were found"
            )
        cluster = np.searchsorted(self.cutoffs, target, side="right")  # 0 is the shortlist
        place = np.where(cluster == 0, target, self.shortlist_size + cluster - 1)
        head = F.log_softmax(self.head(input), 1)
        output = _picked(head, place)
        for i, (begin, _) in enumerate(self._clusters()):
            rows = np.flatnonzero(cluster == i + 1)
            if rows.size:
                log_p = F.log_softmax(self.tail[i](indexing.get_item(input, rows)), 1)
                output = scattering.index_add(
                    output, 0, result(rows), _picked(log_p, target[rows] - begin)
                )
        return output

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes.  Shape: (N, in_features) -> (N, n_classes)."""
        head = F.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for i in range(self.n_clusters):
            at = self.shortlist_size + i
            parts.append(F.log_softmax(self.tail[i](input), 1) + head[:, at : at + 1])
        return shape.cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The most likely class of each, (N,); only where it may be a rare one, of all classes."""
        chosen = self.head(input).array.argmax(1)
        rows = np.flatnonzero(chosen >= self.shortlist_size)
        if rows.size:
            chosen[rows] = self.log_prob(indexing.get_item(input, rows)).array.argmax(1)
        return result(chosen)


def _picked(rows: Tensor, columns: npt.NDArray[Any]) -> Tensor:
    """One value of each row."""
    return shape.squeeze(indexing.gather(rows, 1, result(columns[:, None])), 1)
