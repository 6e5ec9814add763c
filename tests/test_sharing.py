"""Tensors on memory that processes share: a child trains what its parent has."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest
import torch

import npnet
from npnet import nn, optim
from npnet.base.bfloat16 import bfloat16
from npnet.nn import functional as F


def train(rank: int, model: nn.Module, lr: float, queue: Any) -> None:
    optimizer = optim.SGD(model.parameters(), lr=lr)
    for _ in range(3):
        optimizer.zero_grad()
        F.mse_loss(model(npnet.ones(2, 4)), npnet.zeros(2, 3)).backward()
        optimizer.step()
    model.get_buffer("1.num_batches_tracked").fill_(10 + rank)
    weight = model.get_parameter("0.weight")
    shared = all(p.is_shared() for p in model.parameters())
    queue.put((type(weight).__name__, weight.requires_grad, weight.stride(), shared))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_trains_the_parameters_of_its_parent(method: str) -> None:
    npnet.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    alone, weight = copy.deepcopy(model), model.get_parameter("0.weight")
    assert model.share_memory() is model
    assert model.get_parameter("0.weight") is weight
    assert weight.is_shared()
    assert all(b.is_shared() for b in model.buffers())
    context = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    child = context.Process(target=train, args=(5, model, 0.1, queue))
    child.start()
    child.join(120)
    assert child.exitcode == 0
    assert queue.get() == ("Parameter", True, (4, 1), True)
    train(5, alone, 0.1, multiprocessing.SimpleQueue())
    for (name, ours), theirs in zip(
        model.state_dict().items(), alone.state_dict().values(), strict=True
    ):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), name)
    assert model.get_buffer("1.num_batches_tracked").item() == 15


def add_one(queue: Any, back: Any) -> None:
    for name, x in queue.get().items():
        x.add_(1)
        back.put((name, x.is_shared(), x.stride(), x.dtype, type(x).__name__, x.requires_grad))
    back.put(None)


def test_a_queue_hands_on_shared_memory_and_copies_of_the_rest() -> None:
    sent = {
        "transposed": npnet.zeros(2, 3).t().contiguous().t().clone().share_memory_(),
        "bfloat16": npnet.zeros(3, dtype=bfloat16()).share_memory_(),
        "number": npnet.zeros((), dtype=npnet.int64).share_memory_(),
        "buffer": nn.Buffer(npnet.zeros(2)).share_memory_(),
        "own": npnet.zeros(2),
    }
    sent["view"] = npnet.zeros(4, 4).share_memory_()[1:, ::2]
    before = dict(sent)
    context = multiprocessing.get_context("spawn")
    queue, back = context.Queue(), context.Queue()
    child = context.Process(target=add_one, args=(queue, back))
    child.start()
    queue.put(sent)
    for x in iter(lambda: back.get(timeout=120), None):
        y = before[x[0]]
        assert x[1:] == (x[0] != "own", y.stride(), y.dtype, type(y).__name__, False)
    child.join(120)
    assert child.exitcode == 0
    for name, x in before.items():
        assert (x.float().numpy() == (name != "own")).all(), name


@pytest.mark.parametrize("lib", [npnet, torch])
def test_what_is_shared(lib: Any) -> None:
    x = lib.arange(6).reshape(2, 3).clone()
    assert not x.is_shared()
    assert x.share_memory_() is x
    assert x.is_shared()
    assert x.share_memory_() is x
    assert x[1].is_shared()
    assert not x.clone().is_shared()
    assert not (x + 1).is_shared()
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert lib.zeros(0).share_memory_().shape == (0,)
    assert not pickle.loads(pickle.dumps(x)).is_shared()  # a file has the values


def test_memory_of_a_view_is_its_bases() -> None:
    with pytest.raises(RuntimeError, match="share the one it is a view of"):
        npnet.zeros(3)[1:].share_memory_()


def test_nothing_is_left_behind() -> None:
    """No name in the file system, no descriptor, no word of it at the end."""
    program = """
        import os
        import npnet
        def held():
            return len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
        x = npnet.zeros(1000).share_memory_()
        before = held()
        for _ in range(50):
            npnet.zeros(1000).share_memory_()[1:].add_(1)
        assert held() == before
        print(x.sum().item())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("0.0\n", "")
