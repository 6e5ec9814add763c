"""Where PyTorch has how batches are put together."""

from npnet.utils.data.collate import default_collate, default_convert

__all__ = ["default_collate", "default_convert"]
