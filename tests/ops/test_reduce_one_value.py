"""The spread of a tensor without axes: of one value."""

import numpy as np
import pytest
import torch

import npnet

CALLS = {
    "all": {},
    "dim": {"dim": 0},
    "dim, kept": {"dim": -1, "keepdim": True},
    "as it is": {"correction": 0},
}


@pytest.mark.filterwarnings("ignore")  # PyTorch says that no degree of freedom is left
@pytest.mark.parametrize("op", ["std", "var", "std_mean", "var_mean"])
@pytest.mark.parametrize("name", CALLS)
def test_as_in_pytorch(op, name):
    results = []
    for library in (npnet, torch):
        x = library.tensor(3.0, requires_grad=True)
        y = getattr(library, op)(x, **CALLS[name])
        results.append([part.detach().numpy() for part in (y if isinstance(y, tuple) else (y,))])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype


def test_an_axis_that_there_is_not():
    with pytest.raises(IndexError):
        npnet.tensor(1.0).std(1)
