"""Python's multiprocessing under PyTorch's name: tensors are sent to other processes as copies.

Those that were shared (`Tensor.share_memory_`, `Module.share_memory`) stay on the same memory.
PyTorch shares whatever is sent; here a child that changes another tensor changes its own.
"""

from multiprocessing import *  # noqa: F403
from multiprocessing import __all__ as _all

__all__ = list(_all)
