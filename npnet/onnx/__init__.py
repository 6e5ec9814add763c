"""ONNX, the files in which networks go from one tool to another: `export` and `load`.

Needs the package onnx: `pip install 'npnet[onnx]'`.
"""

from npnet.base.extras import require

require("onnx", "onnx", "npnet.onnx")

from npnet.onnx.exporting import export  # noqa: E402 # told in one line, if it lacks
from npnet.onnx.loading import OnnxModel, load  # noqa: E402 # as above

__all__ = ["OnnxModel", "export", "load"]
