"""The switches of libraries that npnet does not use, so that programs that set them run."""

from npnet.devices.backends import cudnn, mps

__all__ = ["cudnn", "mps"]
