"""ONNX, the files in which networks go from one tool to another: `export` and `load`.

Needs the package onnx: `pip install 'npnet[onnx]'`.
"""

from npnet.onnx.exporting import export
from npnet.onnx.loading import OnnxModel, load

__all__ = ["OnnxModel", "export", "load"]
