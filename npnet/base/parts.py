"""The parts in which a batch is added up, whoever adds them up: threads, or processes.

They follow from the batch alone, so that neither changes a bit.
"""

from __future__ import annotations

__all__ = ["BLOCK_IMAGES", "MOST_CHUNKS", "chunk_count", "parts_of", "shards_of"]

BLOCK_IMAGES = 16  # that kernels take side by side
MOST_CHUNKS = 8  # parts of a batch, unless they are large; each has gradients of its own
LARGE_CHUNK = 64  # blocks; a batch of more than 8192 images has more chunks


def chunk_count(blocks: int) -> int:
    """In how many parts a batch of so many blocks is added up, whatever the threads are."""
    return max(min(MOST_CHUNKS, blocks), blocks // LARGE_CHUNK, 1)


def parts_of(images: int) -> int:
    """In how many parts a batch of so many images is added up."""
    return chunk_count(-(-images // BLOCK_IMAGES))


def shards_of(images: int) -> int:
    """In how many shards, all of one size, a batch of so many images can be normalised.

    Eight at most, of sixteen images at least, so that a shard's mean says something.
    """
    most = max(1, min(MOST_CHUNKS, images // BLOCK_IMAGES))
    return next(count for count in range(most, 0, -1) if images % count == 0)
