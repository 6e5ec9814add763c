"""Ops: each a Function (forward and backward, in NumPy) and a public function that applies it."""
