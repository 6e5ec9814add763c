"""An error in the middle of a change leaves everything as it was, to the bit.

A row is a function that sets something up and returns what is observed and the call that fails in
its middle: at the second tensor, the last group, the inner schedule. What no row needs to name is
observed beside it: random numbers, backend, threads, whether ops are recorded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pytest

import npnet
from npnet import nn, optim
from npnet.compiler.trace import _traced
from npnet.models.summary import summary
from npnet.nn.module import SERVING
from npnet.optim import lr_scheduler as schedules
from npnet.optim.swa_utils import AveragedModel
from npnet.random import Generator, default_generator
from npnet.tensor import Tensor

pytestmark = pytest.mark.usefixtures("backend")


Row: TypeAlias = Callable[[], tuple[Any, Callable[[], Any]]]
ROWS: list[Row] = []


def row(function: Row) -> Row:
    ROWS.append(function)
    return function


class Stop(Exception):
    """What the user's own functions raise in these tests."""


# ---- what is compared ----------------------------------------------------------------------------


def frozen(value: Any, seen: frozenset[int] = frozenset()) -> Any:
    """All that can be seen of something, as nested tuples that compare by bits."""
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, Tensor):
        flags = value.requires_grad, value.retains_grad, value._version.writes
        return id(value), frozen(value.array), frozen(value.grad), flags
    if isinstance(value, Generator):
        return repr(value.get_state())
    if id(value) in seen:
        return id(value)
    seen |= {id(value)}
    if isinstance(value, Mapping):
        return tuple((frozen(k, seen), frozen(v, seen)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(frozen(v, seen) for v in value)
    if isinstance(value, (nn.Module, optim.Optimizer, schedules.LRScheduler)):
        own = {k: v for k, v in vars(value).items() if k != SERVING}  # which counts all calls
        return id(value), frozen(own, seen)
    return type(value).__name__, repr(value)


def around() -> Any:
    """What belongs to the process."""
    return (
        frozen(default_generator),
        npnet.get_backend(),
        npnet.get_num_threads(),
        npnet.is_grad_enabled(),
    )


# ---- parts ---------------------------------------------------------------------------------------


def read_only(*shape: int, dtype: Any = np.float32) -> Tensor:
    array = np.ones(shape, dtype)
    array.flags.writeable = False
    return npnet.as_tensor(array)


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))


def with_gradients(model: nn.Module) -> nn.Module:
    for p in model.parameters():
        p.grad = npnet.as_tensor(np.full(p.shape, 2, p.dtype))
    return model


def two_groups(rule: Any = optim.SGD, **options: Any) -> tuple[nn.Module, optim.Optimizer]:
    """A network whose layers are in a group each, after one step."""
    model = with_gradients(network())
    groups = [{"params": list(model[0].parameters())}, {"params": list(model[3].parameters())}]
    optimizer = rule(groups, lr=0.1, **options)
    optimizer.step()
    return model, optimizer


def failing_at(epoch: int) -> Callable[[int], float]:
    def factor(now: int) -> float:
        if now == epoch:
            raise Stop
        return 0.5

    return factor


# ---- modules -------------------------------------------------------------------------------------


@row
def load_state_dict_into_read_only_memory() -> Any:
    model = network()
    model[3].bias.data = read_only(2)
    state = {name: np.full(value.shape, 7.0) for name, value in model.state_dict().items()}
    return model, lambda: model.load_state_dict(state)


@row
def load_state_dict_whose_last_shape_differs() -> Any:
    model = network()
    state = {name: np.full(value.shape, 7.0) for name, value in model.state_dict().items()}
    state["3.bias"] = np.zeros(5)
    return model, lambda: model.load_state_dict(state, strict=False)


@row
def load_state_dict_that_holds_a_string() -> Any:
    model = network()
    state: dict[str, Any] = {n: np.full(v.shape, 7.0) for n, v in model.state_dict().items()}
    state["3.bias"] = "no array"
    return model, lambda: model.load_state_dict(state)


@row
def to_when_a_gradient_is_no_tensor() -> Any:
    model = with_gradients(network())
    model[3].bias.grad = "no tensor"  # type: ignore[assignment] # set by mistake
    return model, model.double


@row
def requires_grad_of_whole_numbers() -> Any:
    model = network().requires_grad_(False)
    model[3].codes = nn.Parameter(npnet.as_tensor(np.arange(3)), requires_grad=False)
    return model, lambda: model.requires_grad_()


@row
def extend_by_something_else() -> Any:
    layers = nn.ModuleList([nn.ReLU()])
    return layers, lambda: layers.extend([nn.ReLU(), "no module"])


@row
def added_list_with_something_else() -> Any:
    model = network()

    def add() -> None:
        nonlocal model
        model += [nn.ReLU(), 3]

    return model, add


@row
def insert_something_else() -> Any:
    model = network()
    return model, lambda: model.insert(1, "no module")


@row
def insert_nowhere() -> Any:
    model = network()
    return model, lambda: model.insert("1", nn.ReLU())  # type: ignore[arg-type] # the error


@row
def set_a_layer_to_something_else() -> Any:
    model = network()
    return model, lambda: model.__setitem__(1, "no module")


@row
def delete_a_layer_that_is_not_there() -> Any:
    model = network()
    return model, lambda: model.__delitem__(9)


@row
def update_with_something_else() -> Any:
    layers = nn.ModuleDict({"a": nn.ReLU()})
    return layers, lambda: layers.update(OrderedDict(b=nn.ReLU(), c="no module"))


@row
def update_with_a_bad_name() -> Any:
    layers = nn.ModuleDict({"a": nn.ReLU()})
    return layers, lambda: layers.update({"b": nn.ReLU(), "c.d": nn.ReLU()})


@row
def add_module_under_a_name_in_use() -> Any:
    model = network()
    return model, lambda: model.add_module("training", nn.ReLU())


@row
def register_buffer_of_a_number() -> Any:
    model = network()
    return model, lambda: model.register_buffer("b", 3, persistent=False)  # type: ignore[arg-type]


@row
def register_parameter_of_a_tensor() -> Any:
    model = network()
    return model, lambda: model.register_parameter("p", Tensor([1.0]))  # type: ignore[arg-type]


@row
def assign_a_tensor_to_a_parameter() -> Any:
    model = network()
    return model, lambda: setattr(model[0], "weight", npnet.as_tensor(np.zeros((4, 3), np.float32)))


@row
def train_with_no_bool() -> Any:
    model = network().eval()
    return model, lambda: model.train(1)  # type: ignore[arg-type] # the error


# ---- layers --------------------------------------------------------------------------------------


@row
def batch_norm_whose_variance_is_read_only() -> Any:
    layer = nn.BatchNorm1d(4)
    layer.running_var = read_only(4)
    return layer, lambda: layer(npnet.ones(3, 4))


@row
def batch_norm_whose_count_is_read_only() -> Any:
    layer = nn.BatchNorm1d(4)
    layer.num_batches_tracked = read_only(dtype=np.int64)
    return layer, lambda: layer(npnet.ones(3, 4))


@row
def batch_norm_of_one_value() -> Any:
    layer = nn.BatchNorm1d(4, momentum=None)
    return layer, lambda: layer(npnet.ones(1, 4))


@row
def batch_norm_of_another_dtype() -> Any:
    layer = nn.BatchNorm1d(4)
    return layer, lambda: layer(npnet.ones(3, 4, dtype=np.float64))


@row
def dropout_in_place_of_read_only_memory() -> Any:
    x = read_only(8)
    return x, lambda: nn.functional.dropout(x, 0.5, inplace=True)


@row
def dropout_in_place_of_a_leaf() -> Any:
    x = npnet.ones(8, requires_grad=True)
    return x, lambda: nn.functional.dropout(x, 0.5, inplace=True)


@row
def dropout_of_whole_numbers() -> Any:
    x = npnet.as_tensor(np.ones(8, np.int64))
    return x, lambda: nn.functional.dropout(x, 0.5)


@row
def reset_parameters_of_a_read_only_bias() -> Any:
    layer = nn.Linear(3, 2)
    layer.bias.data = read_only(2)
    return layer, layer.reset_parameters


@row
def reset_parameters_of_a_read_only_convolution() -> Any:
    layer = nn.Conv2d(3, 2, 3)
    layer.bias.data = read_only(2)
    return layer, layer.reset_parameters


@row
def reset_parameters_of_a_read_only_count() -> Any:
    layer = nn.BatchNorm2d(4)
    layer(npnet.randn(2, 4, 3, 3))
    layer.num_batches_tracked = read_only(dtype=np.int64)
    return layer, layer.reset_parameters


@row
def summary_of_a_network_that_fails() -> Any:
    model = network()
    model[1].eval()
    return model, lambda: summary(model, (1, 5))


@row
def network_that_fails_while_it_is_traced() -> Any:
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5))
    model[0].bias.requires_grad_(False)
    model[1].codes = nn.Parameter(npnet.as_tensor(np.arange(3)), requires_grad=False)

    def trace() -> None:
        with _traced():
            model(npnet.ones(4, 3))
            raise Stop

    return model, trace


# ---- tensors -------------------------------------------------------------------------------------

IN_PLACE: dict[str, Callable[[Tensor], Any]] = {
    "add": lambda x: x.add_(npnet.ones(2, 3)),
    "iadd": lambda x: x.__iadd__(npnet.ones(4)),
    "mul of floats": lambda x: npnet.as_tensor(x.array.astype(np.int64)).mul_(1.5),
    "copy": lambda x: x.copy_(npnet.ones(4)),
    "fill": lambda x: x.fill_("one"),  # type: ignore[arg-type]
    "fill by a leaf": lambda x: x.fill_(npnet.ones(2)),
    "an index": lambda x: x.__setitem__([0, 1, 9], 5.0),
    "a mask": lambda x: x.__setitem__(x > 0, npnet.zeros(2)),
    "values": lambda x: x.__setitem__(slice(0, 2), npnet.zeros(3)),
    "a list": lambda x: x.__setitem__(slice(0, 2), [1.0, "one"]),  # type: ignore[arg-type]
    "masked_fill": lambda x: x.masked_fill_(npnet.ones(5) > 0, 1.0),
    "addcmul": lambda x: x.addcmul_(npnet.ones(3), npnet.ones(2)),
    "clamp": lambda x: x.clamp_("a", 1),  # type: ignore[arg-type]
    "data": lambda x: setattr(x, "data", np.zeros(3)),
    "requires_grad": lambda x: setattr(x.detach() > 0, "requires_grad", True),
    "uniform": lambda x: x.uniform_(1.0, np.inf),
    "normal": lambda x: x.normal_(0.0, -1.0),
    "trunc_normal": lambda x: nn.init.trunc_normal_(x, a=1.0, b=-1.0),
    "kaiming": nn.init.kaiming_uniform_,
    "xavier": nn.init.xavier_normal_,
    "orthogonal": nn.init.orthogonal_,
    "eye": nn.init.eye_,
}

RANDOM: dict[str, Callable[[Tensor], Any]] = {
    "uniform": lambda x: x.uniform_(),
    "normal": lambda x: x.normal_(),
    "kaiming": nn.init.kaiming_normal_,
    "orthogonal": nn.init.orthogonal_,
    "trunc_normal": nn.init.trunc_normal_,
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_refused_write_in_place(name: str) -> None:
    x = npnet.tensor([1.0, 2.0, 3.0])
    check(x, lambda: IN_PLACE[name](x))


@pytest.mark.parametrize("name", IN_PLACE)
def test_refused_write_that_would_be_recorded(name: str) -> None:
    w = npnet.ones(3, requires_grad=True)
    x = w * 2
    y = (x * x).sum()
    check([w, x], lambda: IN_PLACE[name](x))
    y.backward()  # what it saved is what it was
    assert w.grad is not None
    assert w.grad.tolist() == [8.0] * 3


@pytest.mark.parametrize("name", RANDOM)
def test_numbers_are_not_drawn_for_memory_that_is_read_only(name: str) -> None:
    x = read_only(3, 4)
    check(x, lambda: RANDOM[name](x))


@pytest.mark.parametrize("name", ["uniform", "normal"])
def test_numbers_are_not_drawn_for_a_leaf(name: str) -> None:
    x = npnet.ones(3, requires_grad=True)
    check(x, lambda: RANDOM[name](x))


@row
def write_to_a_view_whose_base_has_other_memory() -> Any:
    base = npnet.ones(4)
    view = base[1:3]
    base.data = npnet.zeros(4)
    w = npnet.ones(2, requires_grad=True)
    return [base, view, w], lambda: view.add_(w)


@row
def second_backward_through_what_is_freed() -> Any:
    w = npnet.ones(3, requires_grad=True)
    y = (w * 2).exp()
    y.retain_grad()
    y.sum().backward()
    loss = (y * y).sum()
    return [w], lambda: loss.backward()


@row
def second_backward_from_a_result_that_is_kept() -> Any:
    w = npnet.ones(3, requires_grad=True)
    y = (w * 2).exp().exp()
    y.retain_grad()
    y.backward(npnet.ones(3))
    return [w, y], lambda: y.backward(npnet.ones(3))


@row
def backward_with_a_gradient_of_another_shape() -> Any:
    w = npnet.ones(3, requires_grad=True)
    y = w.exp()
    y.retain_grad()
    return [w, y], lambda: y.backward(npnet.ones(2))


def test_backward_can_be_repeated_after_a_gradient_of_another_shape() -> None:
    w = npnet.ones(3, requires_grad=True)
    y = w * 2
    with pytest.raises(RuntimeError):
        y.backward(npnet.ones(2))
    y.backward(npnet.ones(3))
    assert w.grad is not None
    assert w.grad.tolist() == [2.0] * 3


# ---- optimizers ----------------------------------------------------------------------------------

RULES = {
    "SGD": (optim.SGD, {"momentum": 0.9}),
    "Adam": (optim.Adam, {"amsgrad": True}),
    "AdamW": (optim.AdamW, {}),
    "NAdam": (optim.NAdam, {}),
    "RMSprop": (optim.RMSprop, {"momentum": 0.9, "centered": True}),
}


def bad_gradient_shape(model: Any, optimizer: Any) -> None:
    model[3].bias.grad = npnet.ones(3)


def bad_gradient_dtype(model: Any, optimizer: Any) -> None:
    model[3].bias.grad = npnet.ones(2, dtype=np.float64)


def read_only_parameter(model: Any, optimizer: Any) -> None:
    model[3].bias.data = read_only(2)


def bad_state_shape(model: Any, optimizer: Any) -> None:
    state = optimizer.state[model[3].bias]
    name = next(k for k, v in state.items() if isinstance(v, np.ndarray))
    state[name] = np.zeros(3, np.float32)


def bad_state_dtype(model: Any, optimizer: Any) -> None:
    state = optimizer.state[model[3].bias]
    name = next(k for k, v in state.items() if isinstance(v, np.ndarray))
    state[name] = np.zeros(2, np.float64)


def bad_option(model: Any, optimizer: Any) -> None:
    optimizer.param_groups[0]["lr"] = np.float64(0.5)  # stays a NumPy number
    optimizer.param_groups[1]["lr"] = np.float64(-1)


def bad_number(model: Any, optimizer: Any) -> None:
    numbers = [k for k in optimizer.state[model[3].bias] if k in optimizer.numbers]
    for name in numbers or ["momentum_buffer"]:
        optimizer.state[model[3].bias][name] = "one"


FAULTS = [
    bad_gradient_shape,
    bad_gradient_dtype,
    read_only_parameter,
    bad_state_shape,
    bad_state_dtype,
    bad_option,
    bad_number,
]


@pytest.mark.parametrize("with_closure", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("rule", RULES)
def test_refused_step(rule: str, fault: Callable[..., None], with_closure: bool) -> None:
    kind, options = RULES[rule]
    model, optimizer = two_groups(kind, **options)
    fault(model, optimizer)
    closure = (lambda: npnet.ones(1)) if with_closure else None
    check([model, optimizer.state, options_of(optimizer)], lambda: optimizer.step(closure))


def options_of(optimizer: optim.Optimizer) -> Any:
    """Options by value: that a NumPy number became Python's is no change."""
    return [{k: v for k, v in g.items() if k != "lr"} for g in optimizer.param_groups]


@row
def step_whose_closure_raises() -> Any:
    model, optimizer = two_groups(momentum=0.9)

    def closure() -> None:
        raise Stop

    return [model, optimizer], lambda: optimizer.step(closure)


@row
def add_param_group_with_a_bad_option() -> Any:
    model, optimizer = two_groups()
    group = {"params": [model[1].weight], "lr": np.float64(-1)}
    return [optimizer, group], lambda: optimizer.add_param_group(group)


@row
def add_param_group_with_a_repeat() -> Any:
    model, optimizer = two_groups()
    params = [model[1].weight, model[0].weight]
    return optimizer, lambda: optimizer.add_param_group({"params": params})


@row
def load_state_dict_of_an_optimizer_whose_last_state_differs() -> Any:
    _, optimizer = two_groups(momentum=0.9)
    state = optimizer.state_dict()
    state["state"] = {i: {k: npnet.as_tensor(v.array + 1) for k, v in s.items()}
                      for i, s in state["state"].items()}  # fmt: skip
    state["state"][3]["momentum_buffer"] = npnet.zeros(7)
    return optimizer, lambda: optimizer.load_state_dict(state)


@row
def load_state_dict_of_an_optimizer_whose_last_group_is_none() -> Any:
    _, optimizer = two_groups(momentum=0.9)
    state = optimizer.state_dict()
    state["param_groups"] = [{**state["param_groups"][0], "lr": 9.0}, {"params": [2, 3], "lr": "x"}]
    return optimizer, lambda: optimizer.load_state_dict(state)


# ---- schedules -----------------------------------------------------------------------------------


@row
def schedule_whose_function_fails_at_first() -> Any:
    _, optimizer = two_groups()
    factors = [lambda epoch: 0.5, failing_at(0)]
    return optimizer, lambda: schedules.LambdaLR(optimizer, factors)


@row
def schedule_whose_function_fails_later() -> Any:
    _, optimizer = two_groups()
    schedule = schedules.LambdaLR(optimizer, [lambda epoch: 0.5 + epoch, failing_at(1)])
    return [optimizer, vars(schedule)], schedule.step


@row
def schedule_whose_function_gives_no_number() -> Any:
    _, optimizer = two_groups()
    wrong = lambda epoch: np.ones(2) if epoch else 1.0  # noqa: E731 # one of a list
    schedule = schedules.LambdaLR(optimizer, [lambda epoch: 0.5 + epoch, wrong])
    return [optimizer, vars(schedule)], schedule.step


@row
def schedule_of_groups_without_a_first_rate() -> Any:
    _, optimizer = two_groups()
    optimizer.param_groups[0]["initial_lr"] = 1.0
    return optimizer, lambda: schedules.StepLR(optimizer, 1, last_epoch=3)


@row
def schedule_that_goes_to_no_epoch() -> Any:
    _, optimizer = two_groups()
    schedule = schedules.StepLR(optimizer, 1)
    return [optimizer, vars(schedule)], lambda: schedule.step(-1)


@row
def warm_restarts_without_a_rate() -> Any:
    _, optimizer = two_groups()
    schedule = schedules.CosineAnnealingWarmRestarts(optimizer, 5)
    schedule.base_lrs[1] = "one"  # type: ignore[call-overload] # as of a damaged state
    return [optimizer, vars(schedule)], lambda: schedule.step(1.5)


@row
def one_cycle_that_begins_beyond_its_end() -> Any:
    _, optimizer = two_groups(momentum=0.9)
    schedules.OneCycleLR(optimizer, 1.0, total_steps=5)
    return optimizer, lambda: schedules.OneCycleLR(optimizer, 1.0, total_steps=5, last_epoch=9)


@row
def one_cycle_with_a_list_that_is_too_short() -> Any:
    _, optimizer = two_groups(momentum=0.9)
    return optimizer, lambda: schedules.OneCycleLR(
        optimizer, [1.0, 2.0], total_steps=5, base_momentum=[0.1]
    )


@row
def one_cycle_whose_last_group_lost_its_momentum() -> Any:
    _, optimizer = two_groups(momentum=0.9)
    schedule = schedules.OneCycleLR(optimizer, 1.0, total_steps=5)
    del optimizer.param_groups[1]["max_momentum"]
    return [optimizer, vars(schedule)], schedule.step


@row
def one_cycle_whose_last_group_is_none() -> Any:
    _, optimizer = two_groups(momentum=0.9)
    return optimizer, lambda: schedules.OneCycleLR(optimizer, [1.0, "two"], total_steps=5)  # type: ignore[list-item]


@row
def one_cycle_after_its_end() -> Any:
    _, optimizer = two_groups(momentum=0.9)
    schedule = schedules.OneCycleLR(optimizer, 1.0, total_steps=1)
    schedule.step()
    return [optimizer, vars(schedule)], schedule.step


def sequence(optimizer: optim.Optimizer, factor: Callable[[int], float]) -> Any:
    inner = [schedules.ConstantLR(optimizer, 0.3), schedules.LambdaLR(optimizer, factor)]
    return inner, schedules.SequentialLR(optimizer, inner, [1])


@row
def sequence_whose_inner_schedule_fails() -> Any:
    calls = iter((False, False, True))  # of two groups as it is built, then as it steps

    def factor(epoch: int) -> float:
        if next(calls):
            raise Stop
        return 0.5

    _, optimizer = two_groups()
    inner, schedule = sequence(optimizer, factor)
    return [optimizer, vars(schedule), *map(vars, inner)], schedule.step


@row
def sequence_of_groups_without_a_first_rate() -> Any:
    _, optimizer = two_groups()
    inner = [schedules.StepLR(optimizer, 1), schedules.StepLR(optimizer, 1)]
    optimizer.param_groups[0]["initial_lr"] = 5.0
    del optimizer.param_groups[1]["initial_lr"]
    return [optimizer, *map(vars, inner)], lambda: schedules.SequentialLR(optimizer, inner, [1])


@row
def load_state_dict_of_a_sequence_whose_last_is_another() -> Any:
    _, optimizer = two_groups()
    inner, schedule = sequence(optimizer, lambda epoch: 0.5)
    state = schedule.state_dict()
    state["last_epoch"] = state["_schedulers"][0]["last_epoch"] = 4
    state["_schedulers"][1]["lr_lambdas"] = []
    return [optimizer, vars(schedule), *map(vars, inner)], lambda: schedule.load_state_dict(state)


@row
def plateau_of_groups_without_a_rate() -> Any:
    _, optimizer = two_groups()
    schedule = schedules.ReduceLROnPlateau(optimizer, patience=0)
    schedule.step(1.0)
    optimizer.param_groups[1]["lr"] = None
    return [optimizer, vars(schedule)], lambda: schedule.step(2.0)


@row
def plateau_of_no_metric() -> Any:
    _, optimizer = two_groups()
    schedule = schedules.ReduceLROnPlateau(optimizer)
    return [optimizer, vars(schedule)], lambda: schedule.step("low")


# ---- all parameters together ---------------------------------------------------------------------


@row
def clip_grad_norm_of_a_read_only_gradient() -> Any:
    model = with_gradients(network())
    model[3].bias.grad = read_only(2)
    return model, lambda: nn.utils.clip_grad_norm_(model.parameters(), 0.1)


@row
def clip_grad_norm_that_is_not_finite() -> Any:
    model = with_gradients(network())
    model[3].bias.grad = npnet.as_tensor(np.array([np.inf, 0], np.float32))
    return model, lambda: nn.utils.clip_grad_norm_(model.parameters(), 0.1, error_if_nonfinite=True)


@row
def clip_grad_value_of_a_read_only_gradient() -> Any:
    model = with_gradients(network())
    model[3].bias.grad = read_only(2)
    return model, lambda: nn.utils.clip_grad_value_(model.parameters(), 0.1)


@row
def clip_grad_value_of_something_else() -> Any:
    model = with_gradients(network())
    parameters: list[Any] = [*model.parameters(), "no tensor"]
    return model, lambda: nn.utils.clip_grad_value_(parameters, 0.1)


@row
def vector_to_parameters_on_read_only_memory() -> Any:
    model = network()
    model[3].bias.data = read_only(2)
    vector = nn.utils.parameters_to_vector(model.parameters()).detach() + 1
    return model, lambda: nn.utils.vector_to_parameters(vector, model.parameters())


@row
def average_of_another_network() -> Any:
    average, other = AveragedModel(network()), network()
    other[3].bias.data = npnet.ones(5)
    return [average.module, average.n_averaged], lambda: average.update_parameters(other)


@row
def average_whose_function_raises() -> Any:
    calls = iter((False, False, True))

    def mean(a: Tensor, p: Tensor, count: Tensor) -> Tensor:
        if next(calls):
            raise Stop
        return a + p

    average = AveragedModel(network(), avg_fn=mean)
    model = network()
    average.update_parameters(model)
    return [average.module, average.n_averaged], lambda: average.update_parameters(model)


# ---- the process ---------------------------------------------------------------------------------


@row
def generator_state_without_its_end() -> Any:
    generator = Generator()
    state = Generator().manual_seed(5).get_state()
    del state["bit_generator"]["uinteger"]
    return generator, lambda: generator.set_state(state)


@row
def generator_state_of_another_kind() -> Any:
    state = {"seed": 3, "bit_generator": np.random.MT19937(3).state}
    return default_generator, lambda: default_generator.set_state(state)


@row
def generator_state_without_a_seed() -> Any:
    state = Generator().manual_seed(5).get_state()
    return default_generator, lambda: default_generator.set_state({**state, "seed": "five"})


@row
def seed_that_is_no_number() -> Any:
    return default_generator, lambda: npnet.manual_seed("one")  # type: ignore[arg-type]


@row
def backend_that_is_not_there() -> Any:
    return None, lambda: npnet.set_backend("cuda")


@row
def threads_that_are_no_number() -> Any:
    return None, lambda: npnet.set_num_threads("two")  # type: ignore[arg-type] # the error


@row
def threads_that_are_a_fraction() -> Any:
    return None, lambda: npnet.set_num_threads(1.5)  # type: ignore[arg-type] # the error


@row
def threads_that_are_too_few() -> Any:
    return None, lambda: npnet.set_num_threads(0)


def raising(context: Any) -> Callable[[], None]:
    def call() -> None:
        with context:
            raise Stop

    return call


@row
def error_under_no_grad() -> Any:
    return None, raising(npnet.no_grad())


@row
def error_under_inference_mode() -> Any:
    return None, raising(npnet.inference_mode())


@row
def error_under_set_grad_enabled() -> Any:
    def call() -> None:
        with npnet.set_grad_enabled(False):
            raise Stop

    return None, call


# ---- the check -----------------------------------------------------------------------------------


def check(observed: Any, call: Callable[[], Any]) -> None:
    before = frozen(observed), around()
    with pytest.raises(Exception):  # noqa: B017, PT011 # each row has an error of its own
        call()
    assert (frozen(observed), around()) == before


@pytest.mark.parametrize("make", ROWS, ids=lambda make: make.__name__)
def test_error_leaves_all_as_it_was(make: Row) -> None:
    check(*make())
