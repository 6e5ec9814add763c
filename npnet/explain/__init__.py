"""Ops explained: equation, derivation, code and numbers, which `npnet explain` prints."""

from npnet.explain.catalogue import OPS, op_named
from npnet.explain.example import Example, computed
from npnet.explain.explanation import Explanation

__all__ = ["OPS", "Example", "Explanation", "computed", "op_named"]
