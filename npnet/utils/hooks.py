"""Where PyTorch has what `register_forward_hook` and its like return."""

from npnet.base.hooks import RemovableHandle

__all__ = ["RemovableHandle"]
