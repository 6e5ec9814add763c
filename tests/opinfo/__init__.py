"""PyTorch's own test inputs (OpInfo) for every name that npnet has, PyTorch being the oracle.

    pytest tests/opinfo -n 0                  all names
    pytest tests/opinfo -n 0 -k conv2d        one op: all its forms, dtypes and error inputs
    python -m tests.opinfo                    a table of what of OpInfo's names npnet has not

What is tested follows from npnet itself: an entry of PyTorch's `op_db` is tried if npnet has a
function, a method or an in-place method of its name, or of an alias. Each sample goes through all
forms that there are, forwards and, where PyTorch has a gradient, backwards; what PyTorch refuses,
npnet must refuse. `differences.py` names the few samples where npnet refuses on purpose, and the
ops that draw random numbers with the property that is tested in place of values.
"""
