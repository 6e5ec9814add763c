"""Where PyTorch has how batches are put together."""

from npnet.utils.data._utils import collate

__all__ = ["collate"]
