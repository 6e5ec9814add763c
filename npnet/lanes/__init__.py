"""How kernels do an op: in which layout, when, and by which calls.

`choice` decides for each op that is applied whether kernels do it; the other modules, which need
Numba, are imported when the first one is. One file a family of ops.
"""
