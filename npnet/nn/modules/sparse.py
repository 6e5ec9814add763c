"""Rows of a trained table, one by one and in bags."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from npnet import creation
from npnet.base.checks import ShapeError
from npnet.base.grad_mode import no_grad
from npnet.nn import functional as F
from npnet.nn import init
from npnet.nn.module import Module
from npnet.nn.parameter import Parameter
from npnet.tensor import Tensor

__all__ = ["Embedding", "EmbeddingBag"]


class Embedding(Module):
    """The rows of a trained table that integers name.  Shape: (...) -> (..., embedding_dim).

    Args:
        padding_idx: a row of zeros at first, that receives no gradient.
        max_norm, norm_type, scale_grad_by_freq, sparse: see `functional.embedding`.
        _weight: the table, in place of normally distributed numbers.
        _freeze: whether it is not trained.

    Raises:
        IndexError: an integer is no row.
        RuntimeError: the input is no int32 or int64.
        ValueError: padding_idx is no row.
        NotImplementedError: sparse is true.

    Example:
        >>> layer = nn.Embedding(10, 3, padding_idx=0)
        >>> layer(npnet.tensor([[1, 2, 0]])).shape
        (1, 3, 3)
        >>> layer(npnet.tensor(0)).tolist()
        [0.0, 0.0, 0.0]

    Source: Bengio et al. (2003), section 2.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        if sparse:
            raise NotImplementedError("Embedding: sparse=True is not supported")
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ValueError(
                    f"Embedding: padding_idx must be a row of {num_embeddings}, got {padding_idx}"
                )
            padding_idx %= num_embeddings
        self.padding_idx, self.max_norm, self.norm_type = padding_idx, max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        size = (num_embeddings, embedding_dim)
        if _weight is None:
            table = creation.empty(size, dtype=dtype, device=device)
            self.weight = Parameter(table, requires_grad=not _freeze)
            self.reset_parameters()
            return
        if _weight.shape != size:
            raise ShapeError(f"Embedding: _weight must be {size}, got {_weight.shape}")
        self.weight = Parameter(_weight, requires_grad=not _freeze)

    def reset_parameters(self) -> None:
        """Draw the table anew, the padding's row 0."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0)

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """An Embedding on a table (V, D), which is not trained unless `freeze` is False."""
        if embeddings.ndim != 2:
            raise ShapeError(f"from_pretrained: the table must be (V, D), got {embeddings.shape}")
        rows, columns = embeddings.shape
        return cls(
            rows,
            columns,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            embeddings,
            freeze,
        )

    def extra_repr(self) -> str:
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        defaults = {"padding_idx": None, "max_norm": None, "norm_type": 2, "scale_grad_by_freq": 0}
        parts += [f"{n}={getattr(self, n)}" for n, v in defaults.items() if getattr(self, n) != v]
        return ", ".join(parts)


class EmbeddingBag(Module):
    """The sum, mean or largest of the rows of a trained table that each bag of integers names.

    Shape: (B, N), or (K,) with offsets (B,) -> (B, embedding_dim); see `functional.embedding_bag`.

    Args:
        max_norm, norm_type, scale_grad_by_freq, mode, sparse, include_last_offset: see there.
        _weight: the table, in place of normally distributed numbers.
        padding_idx: a row of zeros at first, that counts in no bag and receives no gradient.

    Raises:
        IndexError: an integer is no row.
        ValueError: mode is unknown, (K,) has no offsets, or (B, N) has.
        RuntimeError: offsets do not ascend from 0.
        NotImplementedError: sparse is true.

    Example:
        >>> table = npnet.tensor([[1.0, 1.0], [2.0, 4.0], [5.0, 5.0]])
        >>> layer = nn.EmbeddingBag.from_pretrained(table, mode="sum")
        >>> layer(npnet.tensor([0, 1, 2]), offsets=npnet.tensor([0, 2]))
        tensor([[3., 5.],
                [5., 5.]])

    Source: Joulin et al. (2017), arXiv:1607.01759, section 2: the mean of words' vectors.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        if sparse:
            raise NotImplementedError("EmbeddingBag: sparse=True is not supported")
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ValueError(
                    f"EmbeddingBag: padding_idx must be a row of {num_embeddings}, got "
                    f"{padding_idx}"
                )
            padding_idx %= num_embeddings
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.max_norm, self.norm_type, self.mode = max_norm, norm_type, mode
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self.include_last_offset, self.padding_idx = include_last_offset, padding_idx
        size = (num_embeddings, embedding_dim)
        if _weight is None:
            self.weight = Parameter(creation.empty(size, dtype=dtype, device=device))
            self.reset_parameters()
            return
        if _weight.shape != size:
            raise ShapeError(f"EmbeddingBag: _weight must be {size}, got {tuple(_weight.shape)}")
        self.weight = Parameter(_weight)

    def reset_parameters(self) -> None:
        """Draw the table anew, the padding's row 0."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0)

    def forward(
        self,
        input: Tensor,
        offsets: Tensor | None = None,
        per_sample_weights: Tensor | None = None,
    ) -> Tensor:
        return F.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """An EmbeddingBag on a table (V, D), which is not trained unless `freeze` is False."""
        if embeddings.ndim != 2:
            raise ShapeError(
                f"from_pretrained: the table must be (V, D), got {tuple(embeddings.shape)}"
            )
        rows, columns = embeddings.shape
        bag = cls(
            rows,
            columns,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            mode=mode,
            sparse=sparse,
            _weight=embeddings,
            include_last_offset=include_last_offset,
            padding_idx=padding_idx,
        )
        bag.weight.requires_grad = not freeze
        return bag

    def extra_repr(self) -> str:
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        defaults = {"max_norm": None, "norm_type": 2, "scale_grad_by_freq": False}
        parts += [f"{n}={getattr(self, n)}" for n, v in defaults.items() if getattr(self, n) != v]
        parts.append(f"mode={self.mode!r}")
        if self.padding_idx is not None:
            parts.append(f"padding_idx={self.padding_idx}")
        return ", ".join(parts)
