"""The same parameters, gradients and steps in npnet and in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.testing import assert_allclose, assert_array_equal

import npnet
from npnet import Tensor, optim

SHAPES = ((4, 3), (5,), ())  # the last is a single number, where NumPy likes to return scalars
EPS32 = float(np.finfo(np.float32).eps)

# Both do the same operations on float64, a few of them in another order; 50 steps add up a few
# hundred roundings of 1e-16.
FLOAT64 = {"rtol": 1e-12, "atol": 1e-14}

Make = Callable[[Any, list[Any]], Any]  # (torch.optim or npnet.optim, parameters) -> optimizer


@contextmanager
def torch_in_float64() -> Iterator[None]:
    """NAdam's product of momenta has PyTorch's default dtype, not the parameter's."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


class Twins:
    """An optimizer of each library on equal parameters, fed with equal gradients."""

    def __init__(self, make: Make, dtype: str = "float64", seed: int = 0) -> None:
        self.rng, self.dtype = np.random.default_rng(seed), dtype
        start = [self.rng.standard_normal(shape).astype(dtype) for shape in SHAPES]
        self.ours = [npnet.tensor(np.array(a), requires_grad=True) for a in start]
        self.theirs = [torch.tensor(a, requires_grad=True) for a in start]
        self.optimizer, self.reference = make(optim, self.ours), make(torch.optim, self.theirs)

    def step(self, without_gradient: int | None = None) -> None:
        """One step of each; the gradients must come out as they went in."""
        gradients = [self.rng.standard_normal(shape).astype(self.dtype) for shape in SHAPES]
        for i, g in enumerate(gradients):
            missing = i == without_gradient
            self.ours[i].grad = None if missing else npnet.as_tensor(np.array(g))
            self.theirs[i].grad = None if missing else torch.tensor(g)
        self.optimizer.step()
        self.reference.step()
        for p, g in zip(self.ours, gradients, strict=True):
            if p.grad is not None:
                assert_array_equal(p.grad.array, g, err_msg="a gradient was written to")

    def check(self, rtol: float, atol: float) -> None:
        """The parameters are equal within the bounds and have kept shape and dtype."""
        for i, (a, b) in enumerate(zip(self.ours, self.theirs, strict=True)):
            assert isinstance(a.array, np.ndarray)
            assert (a.shape, a.dtype) == (SHAPES[i], np.dtype(self.dtype))
            assert_allclose(a.array, b.detach().numpy(), rtol, atol, err_msg=f"parameter {i}")

    def check_state(self) -> None:
        """The state dicts have the same entries, names, shapes and values."""
        ours, theirs = self.optimizer.state_dict(), self.reference.state_dict()
        for group, expected in zip(ours["param_groups"], theirs["param_groups"], strict=True):
            assert group == {**expected, "lr": group["lr"]}
            assert_allclose(group["lr"], expected["lr"], **FLOAT64)
        assert list(ours["state"]) == list(theirs["state"])
        for i, values in theirs["state"].items():
            assert set(ours["state"][i]) == set(values)
            for name, value in values.items():
                own = ours["state"][i][name]
                own = own.array if isinstance(own, Tensor) else own
                assert np.shape(own) == tuple(value.shape)
                assert_allclose(own, value.numpy(), **FLOAT64, err_msg=f"{name} of {i}")
