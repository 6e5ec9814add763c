"""Module: attributes, names, state, hooks, copies and printing, beside PyTorch's."""

from __future__ import annotations

import copy
import gc
import importlib
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

import npnet
from npnet import nn

LIBRARIES = pytest.mark.parametrize("lib", [npnet, torch], ids=["npnet", "torch"])


def make_net(lib: Any) -> Any:
    """Nested, with a shared module, a shared parameter and buffers of both kinds."""

    class Block(lib.nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self, width: int) -> None:
            super().__init__()
            self.register_buffer("steps", lib.tensor(3))
            self.conv = lib.nn.Conv2d(1, width, 3)
            self.register_buffer("scratch", lib.zeros(2), persistent=False)
            self.scale = lib.nn.Parameter(lib.ones(width))
            self.norm = lib.nn.BatchNorm2d(width)

    class Net(lib.nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.first = Block(2)
            self.act = lib.nn.ReLU(inplace=True)
            self.shared = lib.nn.Linear(4, 4)
            self.layers = lib.nn.Sequential(
                OrderedDict(a=self.shared, b=self.act, c=lib.nn.Linear(4, 4, bias=False))
            )
            self.layers.c.weight = self.shared.weight
            self.rest = lib.nn.ModuleList([Block(1), lib.nn.Dropout(0.2)])
            self.top = lib.nn.Parameter(lib.zeros(3))
            self.nothing = None
            self.register_parameter("absent", None)

    return Net()


# ---- names and order ---------------------------------------------------------------------------


def test_state_dict_names_and_order_are_torch_s() -> None:
    ours, theirs = make_net(npnet), make_net(torch)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert list(ours.state_dict(prefix="net.")) == list(theirs.state_dict(prefix="net."))
    assert isinstance(ours.state_dict(), OrderedDict)


@pytest.mark.parametrize("method", ["named_parameters", "named_buffers", "named_modules"])
@pytest.mark.parametrize(
    "options",
    [{}, {"prefix": "p"}, {"recurse": False}, {"remove_duplicate": False}],
    ids=["plain", "prefix", "flat", "duplicates"],
)
def test_names_are_torch_s(method: str, options: dict[str, Any]) -> None:
    if method == "named_modules" and "recurse" in options:
        options = {"memo": set()}
    ours = [n for n, _ in getattr(make_net(npnet), method)(**options)]
    theirs = [n for n, _ in getattr(make_net(torch), method)(**options)]
    assert ours == theirs


def test_counts_are_torch_s() -> None:
    ours, theirs = make_net(npnet), make_net(torch)
    for method in ("parameters", "buffers", "modules", "children"):
        assert len(list(getattr(ours, method)())) == len(list(getattr(theirs, method)()))
    assert [n for n, _ in ours.named_children()] == [n for n, _ in theirs.named_children()]
    assert len(list(ours.parameters(recurse=False))) == 1


@LIBRARIES
def test_one_module_under_two_names_is_one_child(lib: Any) -> None:
    net = lib.nn.Module()
    net.a = net.b = lib.nn.ReLU()
    assert [name for name, _ in net.named_children()] == ["a"]
    calls: list[Any] = []
    net.apply(calls.append)
    assert calls == [net.a, net]


@LIBRARIES
def test_get_by_dotted_name(lib: Any) -> None:
    net = make_net(lib)
    assert net.get_submodule("layers.a") is net.shared
    assert net.get_submodule("") is net
    assert net.get_parameter("first.conv.weight") is net.first.conv.weight
    assert net.get_buffer("first.norm.running_mean") is net.first.norm.running_mean
    for call in (
        lambda: net.get_submodule("layers.z"),
        lambda: net.get_submodule("top"),
        lambda: net.get_parameter("first.steps"),
        lambda: net.get_parameter("first.nothing"),
        lambda: net.get_buffer("top"),
    ):
        with pytest.raises(AttributeError):
            call()


# ---- attributes --------------------------------------------------------------------------------


@LIBRARIES
def test_what_assignment_registers(lib: Any) -> None:
    net = lib.nn.Module()
    net.p = lib.nn.Parameter(lib.ones(2))
    net.m = lib.nn.ReLU()
    net.t = lib.ones(3)
    net.n = 5
    assert [n for n, _ in net.named_parameters()] == ["p"]
    assert [n for n, _ in net.named_children()] == ["m"]
    assert list(net.buffers()) == []
    assert list(net.state_dict()) == ["p"]
    assert {"p", "m", "t", "n"} <= set(dir(net))


@LIBRARIES
def test_a_registered_name_keeps_its_kind(lib: Any) -> None:
    net = make_net(lib)
    for name, value in (("top", lib.ones(3)), ("act", lib.relu), ("top", 1.0)):
        with pytest.raises(TypeError):
            setattr(net, name, value)
    with pytest.raises(TypeError):
        net.first.steps = 4
    net.top = None
    assert net.top is None
    assert "top" not in net.state_dict()
    net.top = lib.nn.Parameter(lib.ones(1))
    net.act = None
    assert "act" not in dict(net.named_children())
    net.first.steps = lib.tensor(9)
    assert net.state_dict()["first.steps"].item() == 9
    net.nothing = lib.nn.Parameter(lib.ones(1))  # an ordinary attribute becomes a parameter
    assert "nothing" in net.state_dict()
    net.act = lib.nn.Parameter(lib.ones(1))  # and a module one
    assert "act" in dict(net.named_parameters())
    assert "act" not in dict(net.named_children())


@LIBRARIES
def test_deleting(lib: Any) -> None:
    net = make_net(lib)
    del net.top, net.act, net.nothing, net.first.steps
    for name in ("top", "act", "nothing"):
        assert not hasattr(net, name)
    assert "first.steps" not in net.state_dict()
    with pytest.raises(AttributeError):
        del net.top


@LIBRARIES
def test_registering_is_checked(lib: Any) -> None:
    net = make_net(lib)
    with pytest.raises(KeyError):
        net.register_buffer("top", lib.ones(1))
    with pytest.raises(KeyError):
        net.register_buffer("a.b", lib.ones(1))
    with pytest.raises(KeyError):
        net.register_parameter("", None)
    with pytest.raises(KeyError):
        net.add_module("top", lib.nn.ReLU())
    with pytest.raises(TypeError):
        net.register_buffer("x", 1.0)
    with pytest.raises(TypeError):
        net.register_parameter("x", lib.ones(1))
    with pytest.raises(TypeError):
        net.add_module("x", lib.ones(1))


@LIBRARIES
def test_a_forgotten_super_init_is_told(lib: Any) -> None:
    class Net(lib.nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            self.fc = lib.nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"__init__\(\)"):
        Net()


@LIBRARIES
def test_a_missing_forward_is_told(lib: Any) -> None:
    with pytest.raises(NotImplementedError, match="forward"):
        lib.nn.Module()(1)


def test_a_misspelt_attribute_gets_a_hint() -> None:
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'frist'; did you mean"):
        make_net(npnet).frist  # noqa: B018


@pytest.mark.filterwarnings("ignore:Full backward hook is firing:UserWarning")  # torch's
@LIBRARIES
def test_hooks_on_gradients(lib: Any) -> None:
    net = lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.Tanh(), lib.nn.Linear(2, 1))
    with lib.no_grad():
        for p in net.parameters():
            p.fill_(0.5)
    seen: list[Any] = []
    net[1].register_full_backward_hook(lambda m, gx, gy: seen.append((len(gx), gx[0], gy[0])))
    net[0].register_full_backward_hook(lambda m, gx, gy: seen.append(gx))  # x wants no gradient
    net[2].register_full_backward_pre_hook(lambda m, gy: (gy[0] * 2,))
    handle = net[2].register_full_backward_hook(lambda m, gx, gy: (gx[0] * 3,))
    net(lib.ones(1, 2)).sum().backward()
    count, gx, gy = seen[0]
    assert count == 1
    assert gy.tolist() == [[3.0, 3.0]]  # 0.5 * 2 * 3
    assert_allclose(gx, 3 * (1 - np.tanh(1.5) ** 2) * np.ones((1, 2)), rtol=1e-6)
    assert seen[1] == (None,)
    assert net[2].bias.grad.item() == 2.0
    handle.remove()
    net.zero_grad()
    net(lib.ones(1, 2)).sum().backward()
    assert seen[2][2].tolist() == [[1.0, 1.0]]


@LIBRARIES
def test_a_hook_on_gradients_takes_those_of_all_inputs_and_outputs(lib: Any) -> None:
    class Cross(lib.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, a: Any, b: Any) -> Any:
            return a * b, a + b

    seen: list[Any] = []
    cross = Cross()
    cross.register_full_backward_hook(lambda m, gx, gy: seen.append((gx, gy)))
    a, b = lib.tensor([2.0], requires_grad=True), lib.tensor([3.0], requires_grad=True)
    for _ in range(2):
        product, total = cross(a, b)
        (5 * product + 7 * total).sum().backward()
    (gx, gy), again = seen
    assert [g.tolist() for g in gx] == [[22.0], [17.0]]
    assert [g.tolist() for g in gy] == [[5.0], [7.0]]
    assert [g.tolist() for g in again[0]] == [[22.0], [17.0]]


@LIBRARIES
def test_hooks_of_all_modules(lib: Any) -> None:
    seen: list[str] = []
    registers = importlib.import_module(f"{lib.__name__}.nn.modules.module")
    handle = registers.register_module_forward_hook(lambda m, x, y: seen.append(type(m).__name__))
    lib.nn.Sequential(lib.nn.ReLU(), lib.nn.Tanh())(lib.ones(1))
    handle.remove()
    lib.nn.ReLU()(lib.ones(1))
    assert seen == ["ReLU", "Tanh", "Sequential"]


@LIBRARIES
def test_a_hook_may_want_to_be_called_always(lib: Any) -> None:
    seen: list[Any] = []
    layer = lib.nn.Linear(2, 2)
    layer.register_forward_hook(lambda m, x, y: seen.append(y), always_call=True)
    with pytest.raises(RuntimeError):
        layer(lib.ones(1, 3))
    assert seen == [None]


@LIBRARIES
def test_hooks_on_states(lib: Any) -> None:
    layer, seen = lib.nn.Linear(1, 1), []
    layer.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append(prefix))
    layer.register_state_dict_post_hook(lambda m, state, prefix, meta: state.update(more=1))
    net = lib.nn.Sequential(layer)
    state = net.state_dict()
    assert seen == ["0."]
    assert list(state) == ["0.weight", "0.bias", "more"]

    def rename(module: Any, state: Any, prefix: str, *others: Any) -> None:
        state[prefix + "weight"] = state.pop(prefix + "w")

    layer.register_load_state_dict_pre_hook(rename)
    layer.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    net.load_state_dict({"0.w": lib.full((1, 1), 7.0)})
    assert layer.weight.item() == 7.0


@LIBRARIES
def test_a_state_may_hold_more(lib: Any) -> None:
    class Counting(lib.nn.Module):  # type: ignore[misc, name-defined]
        count = 3

        def get_extra_state(self) -> Any:
            return lib.tensor(self.count)

        def set_extra_state(self, state: Any) -> None:
            self.count = int(state)

    net = lib.nn.Sequential(Counting())
    assert list(net.state_dict()) == ["0._extra_state"]
    net.load_state_dict({"0._extra_state": lib.tensor(5)})
    assert net[0].count == 5


@LIBRARIES
def test_values_may_be_assigned(lib: Any) -> None:
    layer = lib.nn.Linear(1, 1).requires_grad_(False)
    state = {"weight": lib.zeros(1, 1).double(), "bias": lib.ones(1).double()}
    layer.load_state_dict(state, assign=True)
    assert layer.weight.dtype == lib.float64
    assert not layer.weight.requires_grad
    assert layer(lib.ones(1, 1).double()).item() == 1.0


@LIBRARIES
def test_a_buffer_is_registered_when_it_is_assigned(lib: Any) -> None:
    module = lib.nn.Module()
    module.kept = lib.nn.Buffer(lib.ones(1))
    module.other = lib.nn.Buffer(lib.ones(1), persistent=False)
    assert [name for name, _ in module.named_buffers()] == ["kept", "other"]
    assert list(module.state_dict()) == ["kept"]


# ---- state -------------------------------------------------------------------------------------


@LIBRARIES
def test_state_dict_shares_memory_and_wants_no_gradient(lib: Any) -> None:
    net = lib.nn.Linear(2, 2)
    state = net.state_dict()
    assert not state["weight"].requires_grad
    state["weight"].zero_()
    assert net.weight.abs().sum().item() == 0
    assert net.state_dict(keep_vars=True)["weight"] is net.weight
    target: dict[str, Any] = {}
    assert net.state_dict(destination=target, prefix="x.") is target
    assert list(target) == ["x.weight", "x.bias"]


@LIBRARIES
def test_loading_copies_and_keeps_the_parameters(lib: Any) -> None:
    source, target = make_net(lib), make_net(lib)
    weight = target.shared.weight
    with lib.no_grad():
        for p in source.parameters():
            p.fill_(0.25)
    source.first.steps.fill_(8)
    result = target.load_state_dict(source.state_dict())
    assert repr(result) == "<All keys matched successfully>"
    assert target.shared.weight is weight
    assert target.layers.c.weight is weight
    for ours, theirs in zip(
        target.state_dict().values(), source.state_dict().values(), strict=True
    ):
        assert_array_equal(ours.numpy(), theirs.numpy())
        assert not np.may_share_memory(ours.numpy(), theirs.numpy())
    assert weight.requires_grad


@LIBRARIES
def test_loading_strictly_and_not(lib: Any) -> None:
    net = lib.nn.Linear(2, 3)
    state = net.state_dict()
    state["extra"] = state.pop("bias")
    with pytest.raises(RuntimeError, match=r"bias(.|\n)*|extra(.|\n)*"):
        net.load_state_dict(state)
    result = net.load_state_dict(state, strict=False)
    assert result.missing_keys == ["bias"]
    assert result.unexpected_keys == ["extra"]
    missing, unexpected = result
    assert (missing, unexpected) == (["bias"], ["extra"])
    with pytest.raises(RuntimeError, match="weight"):  # shapes must fit in any case
        net.load_state_dict({"weight": lib.ones(3, 3)}, strict=False)


def test_loading_says_all_that_is_wrong_and_then_writes_nothing() -> None:
    net = nn.Linear(2, 3)
    before = net.weight.array.copy()
    state = {"weight": npnet.zeros(2, 2), "bais": npnet.zeros(3)}
    with pytest.raises(RuntimeError) as error:
        net.load_state_dict(state)
    assert str(error.value) == (
        'Error(s) in loading state_dict for Linear:\n\tMissing key(s) in state_dict: "bias". '
        '\n\tUnexpected key(s) in state_dict: "bais". \n\tsize mismatch for weight: copying a '
        "param with shape (2, 2) from checkpoint, the shape in current model is (3, 2)."
    )
    with pytest.raises(RuntimeError):
        net.load_state_dict({"weight": npnet.zeros(3, 2), "bias": npnet.zeros(4)})
    assert_array_equal(net.weight.array, before)
    with pytest.raises(TypeError, match="takes a dict of tensors, got list"):
        net.load_state_dict([])  # type: ignore[arg-type]


def test_loading_from_torch_arrays_and_other_dtypes() -> None:
    theirs = torch.nn.Linear(2, 3).double()
    ours = nn.Linear(2, 3)
    ours.load_state_dict(theirs.state_dict())
    assert ours.weight.dtype == np.float32
    assert_array_equal(ours.weight.array, theirs.weight.detach().float().numpy())
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})


def test_loading_between_forward_and_backward_is_noticed() -> None:
    net = nn.Linear(2, 3)
    loss = net(npnet.ones(1, 2, requires_grad=True)).sum()
    net.load_state_dict(net.state_dict())
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


# ---- modes and conversion ----------------------------------------------------------------------


@LIBRARIES
def test_train_and_eval_reach_all_and_honour_overrides(lib: Any) -> None:
    class Frozen(lib.nn.BatchNorm2d):  # type: ignore[name-defined,misc]
        def train(self, mode: bool = True) -> Any:
            return super().train(False)

    net = lib.nn.Sequential(lib.nn.Dropout(), lib.nn.Sequential(Frozen(1), lib.nn.ReLU()))
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    net.train()
    assert [m.training for m in net.modules()] == [True, True, True, False, True]
    with pytest.raises(ValueError, match="mode"):
        net.train("yes")


@LIBRARIES
def test_conversion_takes_gradients_along_and_leaves_integers(lib: Any) -> None:
    net = make_net(lib)
    weight = net.shared.weight
    net.shared(lib.ones(1, 4)).sum().backward()
    assert net.double() is net
    assert net.shared.weight is weight
    assert weight.dtype == lib.float64
    assert weight.grad.dtype == lib.float64
    assert net.first.norm.running_mean.dtype == lib.float64
    assert net.first.steps.dtype == lib.int64
    assert net.first.norm.num_batches_tracked.dtype == lib.int64
    weight.grad = None
    net.shared(lib.ones(1, 4, dtype=lib.float64)).sum().backward()
    assert weight.grad.dtype == lib.float64
    net.to("cpu", lib.float32)
    assert weight.dtype == lib.float32
    net.to(lib.ones(1, dtype=lib.float64))
    assert weight.dtype == lib.float64
    assert net.float().top.dtype == lib.float32
    assert net.to(lib.device("cpu")).cpu().type(lib.float64).top.dtype == lib.float64
    with pytest.raises(TypeError, match="floating point"):
        net.to(lib.int64)


def test_a_gpu_is_refused() -> None:
    for move in (lambda: nn.ReLU().to("cuda"), lambda: nn.ReLU().cuda()):
        with pytest.raises(NotImplementedError, match="CPU only"):
            move()


@LIBRARIES
def test_requires_grad_and_zero_grad(lib: Any) -> None:
    net = lib.nn.Linear(2, 2)
    net(lib.ones(1, 2)).sum().backward()
    grad = net.weight.grad
    net.zero_grad(set_to_none=False)
    assert net.weight.grad is grad
    assert grad.abs().sum().item() == 0
    net.zero_grad()
    assert net.weight.grad is None
    assert net.requires_grad_(False) is net
    assert not net(lib.ones(1, 2)).requires_grad


@LIBRARIES
def test_apply_goes_inside_first(lib: Any) -> None:
    net = lib.nn.Sequential(lib.nn.ReLU(), lib.nn.Sequential(lib.nn.Tanh()))
    seen: list[str] = []
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["ReLU", "Tanh", "Sequential", "Sequential"]


# ---- calls and hooks ---------------------------------------------------------------------------


@LIBRARIES
def test_keyword_arguments_reach_forward(lib: Any) -> None:
    class Scale(lib.nn.Module):  # type: ignore[name-defined,misc]
        def forward(self, x: Any, *, by: float = 1.0) -> Any:
            return x * by

    assert Scale()(lib.ones(1), by=3.0).item() == 3.0
    assert lib.nn.ReLU()(input=lib.ones(1)).item() == 1.0


@LIBRARIES
def test_hooks_in_their_order(lib: Any) -> None:
    net = lib.nn.ReLU()
    calls: list[Any] = []

    def after(module: Any, args: Any, output: Any) -> Any:
        calls.append(("after", module is net, len(args), output.item()))

    handle = net.register_forward_hook(after)
    net.register_forward_hook(lambda m, a, y: y * 10, prepend=True)
    net.register_forward_pre_hook(lambda m, a: (a[0] + 1,))
    net.register_forward_pre_hook(lambda m, a: a[0] * 2)  # no tuple: one argument
    assert net(lib.tensor([1.0])).item() == 40.0
    assert calls == [("after", True, 1, 40.0)]
    handle.remove()
    handle.remove()
    assert net(lib.tensor([1.0])).item() == 40.0
    assert len(calls) == 1


@LIBRARIES
def test_hooks_with_keyword_arguments(lib: Any) -> None:
    net = lib.nn.ReLU()
    net.register_forward_pre_hook(
        lambda m, args, kwargs: ((kwargs["input"] * 2,), {}), with_kwargs=True
    )
    net.register_forward_pre_hook(lambda m, args, kwargs: None, with_kwargs=True)
    net.register_forward_hook(lambda m, args, kwargs, y: y + len(kwargs), with_kwargs=True)
    assert net(input=lib.tensor([3.0])).item() == 6.0


@LIBRARIES
def test_a_hook_as_context_and_collecting_activations(lib: Any) -> None:
    net = lib.nn.Sequential(lib.nn.Linear(2, 3), lib.nn.ReLU())
    found: dict[str, Any] = {}
    with net[1].register_forward_hook(lambda m, a, y: found.update(relu=y.detach())):
        net(lib.ones(4, 2))
    assert tuple(found.pop("relu").shape) == (4, 3)
    net(lib.ones(4, 2))
    assert not found


# ---- copies ------------------------------------------------------------------------------------


@LIBRARIES
def test_deepcopy_is_independent_and_keeps_what_is_shared(lib: Any) -> None:
    net = make_net(lib)
    net.eval()
    net.shared(lib.ones(1, 4)).sum().backward()
    other = copy.deepcopy(net)
    assert list(other.state_dict()) == list(net.state_dict())
    assert other.shared is other.layers.a
    assert other.layers.c.weight is other.shared.weight
    assert other.shared.weight is not net.shared.weight
    assert isinstance(other.shared.weight, lib.nn.Parameter)
    assert other.shared.weight.grad is None
    assert not other.training
    with lib.no_grad():
        other.shared.weight.zero_()
    assert net.shared.weight.abs().sum().item() > 0
    assert other.first.steps is not net.first.steps


@LIBRARIES
def test_deepcopy_of_a_state_dict(lib: Any) -> None:
    net = lib.nn.Linear(2, 2)
    best = copy.deepcopy(net.state_dict())
    with lib.no_grad():
        net.weight.zero_()
    assert best["weight"].abs().sum().item() > 0
    net.load_state_dict(best)
    assert net.weight.abs().sum().item() > 0


@LIBRARIES
def test_copy_shares_everything(lib: Any) -> None:
    net = lib.nn.Linear(2, 2)
    assert copy.copy(net).weight is net.weight


def test_pickle_gives_a_module_back() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.ReLU())
    net[0].bias.requires_grad = False
    other = pickle.loads(pickle.dumps(net))
    assert repr(other) == repr(net)
    assert [p.requires_grad for p in other.parameters()] == [True, False, True, True]
    assert all(type(p) is nn.Parameter for p in other.parameters())
    for a, b in zip(other.state_dict().values(), net.state_dict().values(), strict=True):
        assert_array_equal(a, b)
    assert not np.shares_memory(other[0].weight.array, net[0].weight.array)
    other(npnet.randn(3, 2)).sum().backward()
    assert net[0].weight.grad is None


def test_a_dropped_module_is_freed_without_the_collector() -> None:
    def use(net: nn.Module) -> None:
        net(npnet.ones(1, 2)).sum().backward()

    use(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))  # what kernels keep from their first call on
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        use(net)
        del net
        # Bound methods and frames come and go; a module, its tables and parameters are dozens.
        assert len(gc.get_objects()) - before < 10
    finally:
        gc.enable()


# ---- printing ----------------------------------------------------------------------------------


def test_repr_of_a_nested_network_is_torch_s() -> None:
    assert repr(make_net(npnet)) == repr(make_net(torch))


@LIBRARIES
def test_repr_with_an_extra_of_several_lines(lib: Any) -> None:
    class Net(lib.nn.Module):  # type: ignore[name-defined,misc]
        def extra_repr(self) -> str:
            return "one=1\ntwo=2"

    net = Net()
    assert repr(net) == "Net(\n  one=1\n  two=2\n)"
    net.fc = lib.nn.ReLU()
    assert repr(net) == "Net(\n  one=1\n  two=2\n  (fc): ReLU()\n)"


@pytest.mark.parametrize(
    "call",
    [
        lambda x: nn.Linear(3, 2)(x),
        lambda x: nn.Conv2d(1, 1, 1)(x),
        lambda x: nn.ReLU()(x),
        lambda x: nn.Sequential(nn.Tanh())(x),
        lambda x: nn.functional.relu(x),
        lambda x: nn.functional.cross_entropy(npnet.ones(2, 3), x),
        lambda x: nn.functional.mse_loss(x, npnet.ones(2, 3)),
        lambda x: npnet.stack([x, x]),
    ],
)
def test_what_is_no_tensor_is_named(call: Any) -> None:
    array = np.ones((2, 3), np.float32)
    with pytest.raises(TypeError, match=r"inputs must be tensors, got ndarray; npnet\.as_tensor"):
        call(array)
    with pytest.raises(TypeError, match=r"got a PyTorch tensor; npnet\.from_numpy\(x\.detach"):
        call(torch.from_numpy(array))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: npnet.ones(2) + torch.ones(2), r"a PyTorch tensor; npnet\.from_numpy\(x\.detach"),
        (lambda: nn.Sequential(torch.nn.Linear(2, 2)), "takes modules, got a PyTorch Linear$"),
        (lambda: nn.Sequential([nn.ReLU()]), r"got list; write Sequential\(\*layers\)"),
        (lambda: nn.Sequential(nn.functional.relu), r"got function; functions have modules: ReLU"),
        (lambda: nn.ModuleList([torch.nn.ReLU()]), "takes modules, got a PyTorch ReLU"),
        (lambda: npnet.optim.SGD(torch.nn.Linear(2, 2).parameters()), "a PyTorch tensor at 0"),
        (lambda: npnet.optim.SGD(nn.Sequential(nn.ReLU())), r"Sequential .*module.parameters\(\)"),
        (
            lambda: nn.utils.clip_grad_norm_(nn.ReLU(), 1.0),
            r"got a ReLU; pass module.parameters\(\)",
        ),
        (lambda: nn.Linear(4 * 26 / 2, 10), "whole numbers, got .*52.0.* divide by //"),
        (lambda: nn.Conv2d(1, 2.0, 3), "Conv2d: out_channels must be an int, got 2.0"),  # type: ignore[arg-type]
        (lambda: npnet.from_numpy(np.array(["a"])), "must be numbers or bools, got <U1"),
    ],
)
def test_mixed_up_things_are_named(call: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        call()
