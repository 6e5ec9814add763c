"""Sequences of different lengths in one tensor: padded, or packed one time step after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from npnet.base.checks import ShapeError
from npnet.ops import padding, shape
from npnet.ops.indexing import get_item
from npnet.ops.splitting import index_select
from npnet.tape import result
from npnet.tensor import Tensor, tensor

__all__ = [
    "PackedSequence",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class PackedSequence(NamedTuple):
    """Sequences, longest first, with all first steps, then all second ones, and so on.

    Attributes:
        data: the steps, (sum of lengths, ...).
        batch_sizes: of how many sequences each step is, (longest,).
        sorted_indices: which sequence is the first, second … by length; None where they came so.
        unsorted_indices: the other way round.

    Example:
        >>> packed = nn.utils.rnn.pack_sequence([npnet.tensor([1, 2, 3]), npnet.tensor([4])])
        >>> packed.data, packed.batch_sizes
        (tensor([1, 4, 2, 3]), tensor([2, 1, 1]))
    """

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same with the data converted, see `Tensor.to`."""
        return self._replace(data=self.data.to(*args, **kwargs))

    def cpu(self) -> PackedSequence:
        """The same: it is there already."""
        return self


def pad_sequence(
    sequences: Tensor | Sequence[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences (L_i, ...) in one tensor (T, B, ...), or (B, T, ...) if `batch_first`, padded.

    Shape: B times (L_i, ...) -> (T, B, ...) or (B, T, ...), T the longest.

    Raises:
        ShapeError: the sequences differ behind their first axis.
        ValueError: padding_side is neither "left" nor "right".
        TypeError: there are no sequences.

    Example:
        >>> sequences = [npnet.tensor([1, 2, 3]), npnet.tensor([4])]
        >>> nn.utils.rnn.pad_sequence(sequences, batch_first=True)
        tensor([[1, 2, 3],
                [4, 0, 0]])
    """
    if padding_side not in ("right", "left"):
        raise ValueError(f"pad_sequence: padding_side must be left or right, got {padding_side!r}")
    parts = list(sequences)
    if not parts or not all(isinstance(x, Tensor) for x in parts):
        raise TypeError("pad_sequence: takes at least one tensor, in a list or tuple")
    longest = max(x.shape[0] for x in parts)
    padded = []
    for x in parts:
        missing = longest - x.shape[0]
        widths = (0, missing) if padding_side == "right" else (missing, 0)
        padded.append(padding.pad(x, (*[0] * (2 * x.ndim - 2), *widths), value=padding_value))
    return shape.stack(padded, 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False
) -> list[Tensor]:
    """What `pad_sequence` padded on the right, as a list of sequences (L_i, ...).

    Shape: (T, B, ...) or (B, T, ...), lengths (B,) -> B times (L_i, ...).

    Example:
        >>> padded = npnet.tensor([[1, 2, 3], [4, 0, 0]])
        >>> nn.utils.rnn.unpad_sequence(padded, npnet.tensor([3, 1]), batch_first=True)
        [tensor([1, 2, 3]), tensor([4])]
    """
    batch = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [batch[i, :n] for i, n in enumerate(lengths.tolist())]


def pack_padded_sequence(
    input: Tensor,
    lengths: Tensor | Sequence[int],
    batch_first: bool = False,
    enforce_sorted: bool = True,
) -> PackedSequence:
    """Padded sequences (T, B, ...), or (B, T, ...) if `batch_first`, packed.

    Args:
        lengths: of each sequence, at least 1.
        enforce_sorted: RuntimeError unless the longest come first; False sorts them.

    Shape: (T, B, ...) or (B, T, ...), lengths (B,) -> data (sum of lengths, ...).

    Raises:
        ShapeError: lengths are not one for each sequence.
        RuntimeError: a length is not from 1 to T; or the longest do not come first, and
            enforce_sorted is true.

    Example:
        >>> padded = npnet.tensor([[1, 2, 3], [4, 0, 0]])
        >>> nn.utils.rnn.pack_padded_sequence(padded, [3, 1], batch_first=True).data
        tensor([1, 4, 2, 3])
    """
    sizes = np.asarray(lengths.array if isinstance(lengths, Tensor) else lengths, np.int64)
    x = input.transpose(0, 1) if batch_first else input
    if sizes.shape != x.shape[1:2]:
        raise ShapeError(
            f"pack_padded_sequence: lengths must be {x.shape[1:2]}, one for each sequence; got "
            f"{sizes.shape}"
        )
    if not len(sizes) or sizes.min() < 1 or sizes.max() > x.shape[0]:
        raise RuntimeError(
            f"pack_padded_sequence: lengths must lie in [1, {x.shape[0]}], got {sizes.tolist()}"
        )
    order = order_back = None
    if enforce_sorted:
        if (np.diff(sizes) > 0).any():
            raise RuntimeError(
                "pack_padded_sequence: the longest sequences must come first; pass "
                "enforce_sorted=False to have them sorted"
            )
    else:
        by_length = np.argsort(-sizes, kind="stable")
        order, order_back = tensor(by_length), tensor(np.argsort(by_length))
        x, sizes = index_select(x, 1, order), sizes[by_length]
    counts = (sizes[None, :] > np.arange(sizes.max())[:, None]).sum(1)
    steps = np.repeat(np.arange(len(counts)), counts)
    columns = np.concatenate([np.arange(n) for n in counts])
    data = get_item(x, (result(steps), result(columns)))
    return PackedSequence(data, tensor(counts.astype(np.int64)), order, order_back)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """A packed sequence as a padded tensor (T, B, ...), and the lengths (B,).

    Shape: data (sum of lengths, ...) -> (T, B, ...) or (B, T, ...), lengths (B,).

    Raises:
        ValueError: total_length is less than the longest.

    Example:
        >>> packed = nn.utils.rnn.pack_sequence([npnet.tensor([1, 2, 3]), npnet.tensor([4])])
        >>> nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
        (tensor([[1, 2, 3],
                [4, 0, 0]]), tensor([3, 1]))
    """
    counts = sequence.batch_sizes.array
    longest = len(counts) if total_length is None else total_length
    if longest < len(counts):
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, "
            f"but got total_length={total_length} and max sequence length being {len(counts)}"
        )
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    lengths = (counts[None, :] > np.arange(counts[0])[:, None]).sum(1)
    parts = [
        get_item(sequence.data, result(starts[:n] + i)) for i, n in enumerate(lengths.tolist())
    ]
    if sequence.unsorted_indices is not None:
        back = sequence.unsorted_indices.array
        parts, lengths = [parts[i] for i in back], lengths[back]
    padded = pad_sequence(parts, batch_first, padding_value)
    more = longest - len(counts)
    if more:
        rest = padded.ndim - (2 if batch_first else 1)
        padded = padding.pad(padded, (*[0] * (2 * rest), 0, more), value=padding_value)
    return padded, tensor(lengths.astype(np.int64))


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences (L_i, ...) packed; see `pack_padded_sequence`.

    Shape: B times (L_i, ...) -> data (sum of lengths, ...).

    Raises:
        RuntimeError: a sequence is empty; or the longest do not come first, and enforce_sorted is
            true.
        TypeError: there are no sequences.

    Example:
        >>> nn.utils.rnn.pack_sequence([npnet.tensor([1, 2, 3]), npnet.tensor([4])]).data
        tensor([1, 4, 2, 3])
    """
    lengths = [x.shape[0] for x in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """What `pack_sequence` packed, as a list of sequences.

    Shape: data (sum of lengths, ...) -> B times (L_i, ...).

    Example:
        >>> packed = nn.utils.rnn.pack_sequence([npnet.tensor([1, 2, 3]), npnet.tensor([4])])
        >>> nn.utils.rnn.unpack_sequence(packed)
        [tensor([1, 2, 3]), tensor([4])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
