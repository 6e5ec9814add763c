"""The switches of libraries that npnet does not use, so that programs that set them run."""

from npnet.devices.backends import cuda, cudnn, mkl, mkldnn, mps, openmp

__all__ = ["cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp"]
