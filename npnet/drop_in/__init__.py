"""npnet where a program says torch: what `python -m npnet.run` is made of."""

from npnet.drop_in.children import install
from npnet.drop_in.missing import Missing, missing_names
from npnet.drop_in.modules import torch_is_npnet
from npnet.drop_in.program import Program, find_program

__all__ = [
    "Missing",
    "Program",
    "find_program",
    "install",
    "missing_names",
    "torch_is_npnet",
]
