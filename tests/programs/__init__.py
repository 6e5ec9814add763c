"""Programs that were written for PyTorch, in the manners of those who write them.

Each is run as it is in both libraries by `both.py`, from the same weights, batches and draws, and
gathers its losses in a list `losses`; `test_programs.py` holds the two lists against each other,
and `benchmarks/programs.py` times them. `shared.py` is the module that they import for their data.
"""
