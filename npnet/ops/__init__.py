"""Ops: each a Function (forward and backward, in NumPy) and a public function that applies it."""

# First, whichever op is asked for: tensor.py imports the ops on its last line and must be whole.
from npnet import tensor as _tensor  # noqa: F401
