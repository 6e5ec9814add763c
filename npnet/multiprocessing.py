"""Python's multiprocessing under PyTorch's name: tensors are sent to other processes as copies.

PyTorch's share their memory; here a child that changes a tensor changes its own.
"""

from multiprocessing import *  # noqa: F403
from multiprocessing import __all__ as _all

__all__ = list(_all)
