"""Tensors from numbers, arrays and shapes: dtypes, shapes, values and refusals."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import npnet
from npnet.base.checks import ShapeError

CALLS: dict[str, Callable[[Any], Any]] = {
    "tensor of floats": lambda n: n.tensor([1.5, 2]),
    "tensor of ints": lambda n: n.tensor([[1, 2], [3, 4]]),
    "tensor of bools": lambda n: n.tensor([True, False]),
    "tensor of a number": lambda n: n.tensor(3),
    "tensor of nothing": lambda n: n.tensor([]),
    "tensor of tensors": lambda n: n.tensor([n.tensor(1.0), n.tensor(2.0)]),
    "tensor of a float64 array": lambda n: n.tensor(np.ones(2)),
    "tensor of a tensor": lambda n: n.tensor(n.ones(2).long().numpy()),
    "tensor with a dtype": lambda n: n.tensor([1, 2], dtype=n.float64),
    "tensor on a device": lambda n: n.tensor([1.0], device="cpu", pin_memory=False),
    "Tensor of ints": lambda n: n.Tensor([1, 2]),
    "Tensor of lists": lambda n: n.Tensor([[1.5], [2.5]]),
    "as_tensor": lambda n: n.as_tensor([1, 2], dtype=n.float32),
    "as_tensor of an array": lambda n: n.as_tensor(np.arange(3)),
    "from_numpy": lambda n: n.from_numpy(np.arange(3, dtype=np.int32)),
    "zeros": lambda n: n.zeros(2, 3),
    "zeros of a tuple": lambda n: n.zeros((2, 3), dtype=n.long),
    "zeros of a list": lambda n: n.zeros([2, 0]),
    "zeros of a size": lambda n: n.zeros(n.ones(3, 2).size()),
    "zeros by keyword": lambda n: n.zeros(size=(2, 1)),
    "zeros without axes": lambda n: n.zeros(()),
    "ones": lambda n: n.ones(3, dtype=n.bool),
    "full": lambda n: n.full((2, 2), 7),
    "full of floats": lambda n: n.full((2,), 0.5),
    "full of bools": lambda n: n.full((2,), True),
    "full with a dtype": lambda n: n.full((2,), 1, dtype=n.float64),
    "zeros_like": lambda n: n.zeros_like(n.ones(2, 3, dtype=n.float64)),
    "ones_like": lambda n: n.ones_like(n.zeros(2), dtype=n.int64),
    "full_like": lambda n: n.full_like(n.zeros(2), 3),
    "eye": lambda n: n.eye(3),
    "eye of two sizes": lambda n: n.eye(2, 3, dtype=n.int64),
    "arange": lambda n: n.arange(5),
    "arange from": lambda n: n.arange(2, 9, 3),
    "arange backwards": lambda n: n.arange(5, 0, -2),
    "arange of floats": lambda n: n.arange(0, 1, 0.1),
    "arange of a float": lambda n: n.arange(5.0),
    "arange with a dtype": lambda n: n.arange(3, dtype=n.float64),
    "arange by keyword": lambda n: n.arange(start=1, end=3),
    "linspace": lambda n: n.linspace(-1, 1, 5),
    "linspace of one": lambda n: n.linspace(3, 4, steps=1, dtype=n.float64),
    "new_zeros": lambda n: n.ones(1, dtype=n.float64).new_zeros(2, 3),
    "new_ones": lambda n: n.ones(1, dtype=n.int64).new_ones((2,)),
    "new_full": lambda n: n.ones(1).new_full((2,), 3.5),
    "new_tensor": lambda n: n.ones(1).new_tensor([1, 2]),
}


@pytest.mark.parametrize("name", CALLS)
def test_matches_torch(name: str) -> None:
    ours, theirs = CALLS[name](npnet), CALLS[name](torch)
    assert f"torch.{ours.dtype}" == str(theirs.dtype)
    assert ours.shape == tuple(theirs.shape)
    assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6)


RANDOM: dict[str, Callable[[Any], Any]] = {
    "rand": lambda n: n.rand(500, 40),
    "rand in float64": lambda n: n.rand((500, 40), dtype=n.float64),
    "randn": lambda n: n.randn(500, 40),
    "rand_like": lambda n: n.rand_like(n.ones(500, 40, dtype=n.float64)),
    "randn_like": lambda n: n.randn_like(n.ones(500, 40)),
    "randint": lambda n: n.randint(7, (500, 40)),
    "randint from": lambda n: n.randint(-3, 4, (500, 40)),
    "randint by keyword": lambda n: n.randint(low=2, high=5, size=(500, 40), dtype=n.int32),
    "normal": lambda n: n.normal(2, 0.5, (500, 40)),
    "normal of tensors": lambda n: n.normal(n.full((500, 40), 2.0), n.full((500, 40), 0.5)),
    "bernoulli": lambda n: n.bernoulli(n.full((500, 40), 0.3)),
}


@pytest.mark.parametrize("name", RANDOM)
def test_draws_are_distributed_as_torch_s(name: str) -> None:
    npnet.manual_seed(0), torch.manual_seed(0)
    ours, theirs = RANDOM[name](npnet), RANDOM[name](torch)
    assert f"torch.{ours.dtype}" == str(theirs.dtype)
    assert ours.shape == tuple(theirs.shape)
    a, b = ours.numpy().astype(float), theirs.numpy().astype(float)
    # Five standard deviations of the mean, and of the deviation, of 20,000 values.
    assert abs(a.mean() - b.mean()) < 5 * np.sqrt(2 * b.var() / b.size)
    assert abs(a.std() / b.std() - 1) < 5 * np.sqrt(2 / b.size)
    npnet.manual_seed(0)
    assert (RANDOM[name](npnet) == ours).all()


def test_randperm_and_multinomial() -> None:
    npnet.manual_seed(0)
    assert sorted(npnet.randperm(50).tolist()) == list(range(50))
    odds = npnet.tensor([[0.0, 3.0, 1.0], [1.0, 0.0, 0.0]])
    drawn = npnet.multinomial(odds, 8000, replacement=True)
    assert drawn.shape == (2, 8000)
    assert drawn[1].sum().item() == 0
    share = (drawn[0] == 1).float().mean().item()
    assert abs(share - 0.75) < 5 * np.sqrt(0.75 * 0.25 / 8000)
    assert sorted(npnet.multinomial(npnet.ones(4), 4).tolist()) == [0, 1, 2, 3]
    with pytest.raises(RuntimeError, match="without replacement"):
        npnet.multinomial(odds, 3)


def test_generators() -> None:
    a, b = npnet.Generator().manual_seed(4), npnet.Generator()
    assert a.initial_seed() == 4
    first = npnet.rand(3, generator=a)
    b.set_state(a.get_state())
    assert (npnet.rand(3, generator=a) == npnet.rand(3, generator=b)).all()
    assert (npnet.rand(3, generator=a.manual_seed(4)) == first).all()
    assert npnet.manual_seed(-1).initial_seed() == npnet.initial_seed() == 2**64 - 1
    assert a.seed() == a.initial_seed() != 4
    with pytest.raises(NotImplementedError, match="CPU"):
        npnet.Generator("cuda")


def test_memory_is_shared_or_copied_as_in_torch() -> None:
    array = np.zeros(2, np.float32)
    shared = [npnet.from_numpy(array), npnet.as_tensor(array), npnet.as_tensor(array)]
    copied = [npnet.tensor(array), npnet.as_tensor(array, dtype=npnet.float64)]
    array += 1
    assert all(x.tolist() == [1.0, 1.0] for x in shared)
    assert all(x.tolist() == [0.0, 0.0] for x in copied)
    assert shared[0].numpy() is array
    assert np.asarray(shared[0]) is array


FACTORIES: dict[str, Callable[..., npnet.Tensor]] = {
    "zeros": lambda **o: npnet.zeros(2, **o),
    "ones": lambda **o: npnet.ones(2, **o),
    "empty": lambda **o: npnet.empty(2, **o),
    "full": lambda **o: npnet.full((2,), 1.0, **o),
    "eye": lambda **o: npnet.eye(2, **o),
    "arange": lambda **o: npnet.arange(2.0, **o),
    "linspace": lambda **o: npnet.linspace(0, 1, 2, **o),
    "rand": lambda **o: npnet.rand(2, **o),
    "randn": lambda **o: npnet.randn(2, **o),
    "randint": lambda **o: npnet.randint(2, (2,), **({"dtype": npnet.float32} | o)),
    "randperm": lambda **o: npnet.randperm(2, **({"dtype": npnet.float32} | o)),
    "normal": lambda **o: npnet.normal(0, 1, (2,), **o),
    "zeros_like": lambda **o: npnet.zeros_like(npnet.ones(2), **o),
    "ones_like": lambda **o: npnet.ones_like(npnet.ones(2), **o),
    "empty_like": lambda **o: npnet.empty_like(npnet.ones(2), **o),
    "full_like": lambda **o: npnet.full_like(npnet.ones(2), 1.0, **o),
    "rand_like": lambda **o: npnet.rand_like(npnet.ones(2), **o),
    "randn_like": lambda **o: npnet.randn_like(npnet.ones(2), **o),
}


@pytest.mark.parametrize("name", FACTORIES)
def test_every_option_is_taken_or_refused_by_name(name: str) -> None:
    make = FACTORIES[name]
    x = make(dtype=npnet.float64, device="cpu", requires_grad=True)
    assert x.dtype == npnet.float64
    assert x.requires_grad
    assert make(out=None, layout=None, pin_memory=False, device=None, dtype=None).ndim > 0
    x = make(layout=npnet.strided, pin_memory=True, memory_format=npnet.preserve_format)
    out = npnet.empty(0, dtype=x.dtype)
    assert make(out=out) is out
    assert out.shape == x.shape
    for option, error in (("layout", NotImplementedError), ("memory_format", TypeError)):
        with pytest.raises(error, match=f"{name[:4]}.*: {option} must be"):
            make(**{option: True})
    with pytest.raises(TypeError, match="out must be a tensor"):
        make(out=True)
    with pytest.raises(NotImplementedError, match="CPU only"):
        make(device="cuda")
    with pytest.raises(TypeError, match="unexpected keyword argument 'devise'"):
        make(devise="cpu")


def test_factories_take_the_same_options() -> None:
    for name in FACTORIES:
        names = list(inspect.signature(getattr(npnet, name)).parameters)
        assert names[-4:] == ["dtype", "device", "requires_grad", "options"], name


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "negative size": (lambda: npnet.zeros(2, -1), ShapeError, r"sizes must be >= 0, got \(2, -1\)"),
    "float size": (lambda: npnet.zeros(2.0), TypeError, "whole numbers, got 2.0"),
    "Tensor of a number": (lambda: npnet.Tensor(5.0), TypeError, r"tensor\(5.0\) holds it"),
    "ragged": (lambda: npnet.tensor([[1], [1, 2]]), ValueError, "inhomogeneous"),
    "strings": (lambda: npnet.tensor(["a"]), TypeError, "numbers or bools"),
    "complex": (lambda: npnet.tensor([1j]), TypeError, "numbers or bools"),
    "from a list": (lambda: npnet.from_numpy([1]), TypeError, "takes an ndarray, got list"),
    "endless arange": (lambda: npnet.arange(0, 5, 0), RuntimeError, "does not lead"),
    "arange astray": (lambda: npnet.arange(5, 0), RuntimeError, "does not lead from 5 to 0"),
    "no randint": (lambda: npnet.randint(3, 3, (2,)), RuntimeError, "low must be less than high"),
    "randint without size": (lambda: npnet.randint(1, 3), TypeError, "size is missing"),
    "rand of ints": (lambda: npnet.rand(2, dtype=npnet.int64), NotImplementedError, "got int64"),
    "negative std": (lambda: npnet.normal(0, -1, (2,)), RuntimeError, "std must be >= 0"),
    "bernoulli of 2": (lambda: npnet.bernoulli(npnet.tensor([2.0])), RuntimeError, r"\[0, 1\]"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_is_refused(name: str) -> None:
    call, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        call()
