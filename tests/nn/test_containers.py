"""Sequential, ModuleList and ModuleDict, each call made in both libraries."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch

import npnet

LIBRARIES = pytest.mark.parametrize("lib", [npnet, torch], ids=["npnet", "torch"])
CONTAINERS = pytest.mark.parametrize("container", ["Sequential", "ModuleList"])


def build(lib: Any, container: str, *widths: int) -> Any:
    layers = [lib.nn.Linear(n, n + 1) for n in widths]
    return lib.nn.Sequential(*layers) if container == "Sequential" else lib.nn.ModuleList(layers)


def widths(container: Any) -> list[int]:
    return [layer.in_features for layer in container]


@LIBRARIES
@CONTAINERS
def test_a_container_is_a_list(lib: Any, container: str) -> None:
    c = build(lib, container, 1, 2, 3)
    assert (len(c), c[0].in_features, c[-1].in_features) == (3, 1, 3)
    assert widths(c[1:]) == [2, 3]
    assert type(c[1:]) is type(c)
    assert c[1:][0] is c[1]
    assert c.append(lib.nn.Linear(4, 5)) is c
    c.extend([lib.nn.Linear(5, 6)])
    c.insert(1, lib.nn.Linear(9, 9))
    assert widths(c) == [1, 9, 2, 3, 4, 5]
    assert list(dict(c.named_children())) == list("012345")
    del c[1]
    assert widths(c) == [1, 2, 3, 4, 5]
    assert c.pop(0).in_features == 1
    del c[1:3]
    assert widths(c) == [2, 5]
    assert list(dict(c.named_children())) == ["0", "1"]
    c[0] = lib.nn.Linear(7, 7)
    assert widths(c + build(lib, container, 8)) == [7, 5, 8]
    c += build(lib, container, 8)
    assert widths(c) == [7, 5, 8]
    for index in (3, -4):
        with pytest.raises(IndexError):
            c[index]
    with pytest.raises(TypeError):
        c.append(lib.ones(1))


@LIBRARIES
def test_sequential_runs_in_order_and_takes_names(lib: Any) -> None:
    net = lib.nn.Sequential(
        OrderedDict(
            [("fc", lib.nn.Linear(2, 2)), ("act", lib.nn.ReLU()), ("out", lib.nn.Flatten(0))]
        )
    )
    assert net.fc is net[0]
    assert list(net.state_dict()) == ["fc.weight", "fc.bias"]
    assert list(dict(net[1:].named_children())) == ["act", "out"]
    assert tuple(net(lib.ones(3, 2)).shape) == (6,)
    assert lib.nn.Sequential()(5) == 5
    with pytest.raises(TypeError):
        lib.nn.Sequential(1)


@LIBRARIES
def test_module_list_in_a_loop_and_from_a_generator(lib: Any) -> None:
    class Net(lib.nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.layers = lib.nn.ModuleList(lib.nn.Linear(2, 2) for _ in range(3))

        def forward(self, x: Any) -> Any:
            for i, layer in enumerate(self.layers):
                x = layer(x) + self.layers[i](x)
            return x

    net = Net()
    assert len(list(net.parameters())) == 6
    assert tuple(net(lib.ones(1, 2)).shape) == (1, 2)
    with pytest.raises(NotImplementedError):
        net.layers(lib.ones(1, 2))


@LIBRARIES
def test_module_dict(lib: Any) -> None:
    d = lib.nn.ModuleDict({"a": lib.nn.ReLU(), "b": lib.nn.Linear(1, 1)})
    d["c"] = lib.nn.Tanh()
    assert (list(d), len(d), "a" in d, "z" in d) == (["a", "b", "c"], 3, True, False)
    assert list(d.keys()) == ["a", "b", "c"]
    assert [type(m).__name__ for m in d.values()] == ["ReLU", "Linear", "Tanh"]
    assert dict(d.items())["b"] is d["b"]
    assert list(d.state_dict()) == ["b.weight", "b.bias"]
    d.update({"a": lib.nn.Sigmoid()})
    assert type(d.pop("a")).__name__ == "Sigmoid"
    del d["b"]
    assert list(d) == ["c"]
    d.clear()
    assert len(d) == 0


@pytest.mark.parametrize("counts", [(), (1,), (1, 1, 1), (1, 1, 2, 1)])
@pytest.mark.parametrize("container", ["Sequential", "ModuleList"])
def test_repr_is_torch_s(container: str, counts: tuple[int, ...]) -> None:
    assert repr(build(npnet, container, *counts)) == repr(build(torch, container, *counts))


def test_repr_of_nested_containers_is_torch_s() -> None:
    def nested(lib: Any) -> Any:
        blocks = [lib.nn.Sequential(lib.nn.Linear(1, 1), lib.nn.ReLU()) for _ in range(2)]
        return lib.nn.ModuleDict(
            {"list": lib.nn.ModuleList([*blocks, lib.nn.ModuleList()]), "act": lib.nn.Tanh()}
        )

    assert repr(nested(npnet)) == repr(nested(torch))
