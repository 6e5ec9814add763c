"""What is neither a layer nor an optimizer: the names of `torch.utils`."""

from npnet.utils import data

__all__ = ["data"]
