"""Everything that can be changed about a network, its loss and its optimizer between two steps."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import npnet
from npnet import nn, optim
from npnet.nn import functional as F

__all__ = ["CHANGES", "INPUTS", "OUTPUTS", "Case", "network"]

INPUTS, OUTPUTS = 6, 4


@dataclass
class Case:
    """A network in training. `layers` are the first part of it, `head` its last linear layer."""

    model: Any
    optimizer: optim.Optimizer
    criterion: Any
    draw: np.random.Generator  # of the same numbers for the eager and the compiled one

    @property
    def layers(self) -> Any:
        return self.model.layers

    def pick(self, *kinds: type) -> Any:
        """One of the layers of these kinds; None if there is none."""
        found = [m for m in self.layers if isinstance(m, kinds)]
        return found[self.draw.integers(len(found))] if found else None

    def parameter(self) -> nn.Parameter:
        """One of the parameters."""
        known = list(self.model.parameters())
        return known[self.draw.integers(len(known))]

    def values(self, *shape: int) -> npnet.Tensor:
        """Numbers of a weight's size."""
        return npnet.from_numpy(self.draw.normal(size=shape).astype(np.float32) * 0.3)


class Net(nn.Module):
    """A chain whose code is the user's own."""

    slope = 0.1

    def __init__(self, layers: nn.Sequential, features: int) -> None:
        super().__init__()
        self.layers = layers
        self.head = nn.Linear(features, OUTPUTS)
        self.spare = nn.Linear(features, OUTPUTS)

    def forward(self, x: npnet.Tensor) -> npnet.Tensor:
        return self.head(self.activate(self.layers(x).flatten(1)))

    def activate(self, x: npnet.Tensor) -> npnet.Tensor:
        return F.leaky_relu(x, self.slope)


def network(draw: np.random.Generator, images: bool) -> Net:
    """A random chain that has a program."""
    kinds = (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.LeakyReLU, nn.PReLU)
    layers: list[nn.Module] = []
    width = INPUTS
    for _ in range(draw.integers(1, 3)):
        after = int(draw.integers(2, 9))
        conv = (nn.Conv2d, nn.ConvTranspose2d)[draw.integers(2)]
        norms = [norm(draw, after, images)] if draw.random() < 0.5 else []
        bias = not norms  # before a norm of single channels it has no gradient
        layers += [
            conv(width, after, 3, padding=1, bias=bias)
            if images
            else nn.Linear(width, after, bias=bias)
        ]
        layers += norms
        layers += [kinds[draw.integers(len(kinds))]()]
        if images and draw.random() < 0.5:
            layers += [(nn.AvgPool2d, nn.MaxPool2d)[draw.integers(2)](3, 1, 1)]
        if draw.random() < 0.3:
            layers += [nn.Dropout(0.0)]
        width = after
    return Net(nn.Sequential(*layers), width * 36 if images else width)


def norm(draw: np.random.Generator, channels: int, images: bool) -> nn.Module:
    """A norm of each image by itself, beside whose eps no variance is small."""
    kinds: list[Callable[[], nn.Module]] = [
        lambda: nn.GroupNorm(1, channels, 1.0),
        lambda: nn.LayerNorm((channels, 6, 6) if images else channels, 1.0),
        lambda: nn.InstanceNorm2d(channels, 1.0, affine=True),
    ]
    return kinds[draw.integers(3 if images else 2)]()


Change = Callable[[Case], Any]
CHANGES: dict[str, Change] = {}


def change(function: Change) -> Change:
    CHANGES[function.__name__] = function
    return function


# ---- parameters --------------------------------------------------------------------------------


@change
def replace_a_weight(case: Case) -> None:
    case.model.head.weight = nn.Parameter(case.values(*case.model.head.weight.shape))


@change
def replace_a_weight_in_its_table(case: Case) -> None:
    table = case.model.head._parameters
    table["weight"] = nn.Parameter(case.values(*table["weight"].shape))


@change
def replace_the_data(case: Case) -> None:
    p = case.parameter()
    p.data = case.values(*p.shape)


@change
def write_the_data(case: Case) -> None:
    p = case.parameter()
    p.data.copy_(case.values(*p.shape))


@change
def take_a_bias_away(case: Case) -> None:
    case.model.head.bias = None


@change
def load_a_state(case: Case) -> None:
    case.model.load_state_dict({k: v * 0.5 for k, v in case.model.state_dict().items()})


@change
def freeze_one(case: Case) -> None:
    case.parameter().requires_grad_(False)


@change
def freeze_all(case: Case) -> None:
    case.model.requires_grad_(False)


@change
def thaw_all(case: Case) -> None:
    case.model.requires_grad_(True)


@change
def tie_two_layers(case: Case) -> None:
    case.model.spare.weight = case.model.head.weight


@change
def leave_a_gradient(case: Case) -> None:
    p = case.parameter()
    p.grad = case.values(*p.shape)


@change
def forget_gradients(case: Case) -> None:
    case.model.zero_grad()


# ---- layers ------------------------------------------------------------------------------------


@change
def replace_the_head(case: Case) -> None:
    head = nn.Linear(case.model.head.in_features, OUTPUTS)
    head.load_state_dict({"weight": case.values(*head.weight.shape), "bias": case.values(OUTPUTS)})
    case.model.head = head


@change
def swap_two_heads(case: Case) -> None:
    case.model.head, case.model.spare = case.model.spare, case.model.head


@change
def replace_an_activation(case: Case) -> None:
    at = [i for i, m in enumerate(case.layers) if isinstance(m, (nn.ReLU, nn.Tanh, nn.Sigmoid))]
    if at:
        case.layers[at[0]] = (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU)[case.draw.integers(4)]()


@change
def replace_in_the_table(case: Case) -> None:
    case.layers._modules["1"] = nn.Tanh()


@change
def append_a_layer(case: Case) -> None:
    case.layers.append((nn.Tanh, nn.Identity, nn.ReLU)[case.draw.integers(3)]())


@change
def insert_a_layer(case: Case) -> None:
    case.layers.insert(int(case.draw.integers(len(case.layers))), nn.Sigmoid())


@change
def take_a_layer_out(case: Case) -> None:
    del case.layers[1]


@change
def reverse_names(case: Case) -> None:
    modules = list(case.layers._modules.items())
    case.layers._modules.clear()
    case.layers._modules.update(modules)


@change
def rename_the_head(case: Case) -> None:
    case.model._modules["top"] = case.model._modules.pop("spare")


@change
def add_a_module(case: Case) -> None:
    case.model.another = nn.Linear(2, 2, bias=False)


@change
def add_batch_norm(case: Case) -> None:
    kind = nn.BatchNorm2d if isinstance(case.layers[0], nn.Conv2d) else nn.BatchNorm1d
    case.layers.insert(0, kind(INPUTS))


@change
def add_dropout(case: Case) -> None:
    case.layers.append(nn.Dropout(1.0))


# ---- options and attributes --------------------------------------------------------------------


@change
def change_a_slope(case: Case) -> None:
    layer = case.pick(nn.LeakyReLU)
    if layer is not None:
        layer.negative_slope = float(case.draw.uniform(0, 1))


@change
def change_an_attribute(case: Case) -> None:
    case.model.slope = float(case.draw.uniform(0, 1))


@change
def change_an_attribute_unseen(case: Case) -> None:
    vars(case.model)["slope"] = float(case.draw.uniform(0, 1))


@change
def change_an_option_unseen(case: Case) -> None:
    layer = case.pick(nn.LeakyReLU)
    if layer is not None:
        object.__setattr__(layer, "negative_slope", float(case.draw.uniform(0, 1)))


@change
def change_an_eps(case: Case) -> None:
    layer = case.pick(nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm2d)
    if layer is not None:
        layer.eps = float(case.draw.uniform(0.5, 2))


@change
def take_a_norms_weights_away(case: Case) -> None:
    layer = case.pick(nn.GroupNorm, nn.LayerNorm)
    if layer is not None:
        layer.weight = layer.bias = None


@change
def share_a_slope(case: Case) -> None:
    layer = case.pick(nn.PReLU)
    if layer is not None:
        layer.weight = nn.Parameter(case.values(1))


@change
def change_the_padding(case: Case) -> None:
    layer = case.pick(nn.Conv2d)
    if layer is not None:
        layer.padding_mode, layer.dilation, layer.padding = "zeros", (2, 2), (2, 2)


@change
def change_a_pool(case: Case) -> None:
    layer = case.pick(nn.AvgPool2d)
    if layer is not None:
        layer.count_include_pad = not layer.count_include_pad


@change
def change_a_pool_to_a_list(case: Case) -> None:
    layer = case.pick(nn.AvgPool2d, nn.MaxPool2d)
    if layer is not None:
        layer.kernel_size = [3, 3]


@change
def change_dropout(case: Case) -> None:
    layer = case.pick(nn.Dropout)
    if layer is not None:
        layer.p = (0.0, 1.0)[case.draw.integers(2)]


@change
def evaluate(case: Case) -> None:
    case.model.eval()


@change
def train(case: Case) -> None:
    case.model.train()


@change
def evaluate_one(case: Case) -> None:
    case.layers.eval()


# ---- code --------------------------------------------------------------------------------------


@change
def patch_forward(case: Case) -> None:
    def forward(self: Net, x: npnet.Tensor) -> npnet.Tensor:
        return self.spare(self.layers(x).flatten(1))

    case.model.forward = types.MethodType(forward, case.model)


@change
def unpatch_forward(case: Case) -> None:
    vars(case.model).pop("forward", None)


@change
def patch_a_helper(case: Case) -> None:
    case.model.activate = F.tanh


@change
def patch_a_layer(case: Case) -> None:
    before = case.layers[0].forward
    case.layers[0].forward = lambda x: before(x) * 0.5


@change
def change_the_class(case: Case) -> None:
    case.model.__class__ = Other


class Other(Net):
    def activate(self, x: npnet.Tensor) -> npnet.Tensor:
        return F.tanh(x)


@change
def hook_before(case: Case) -> None:
    case.layers[0].register_forward_pre_hook(lambda module, args: (args[0] * 0.5,))


@change
def hook_after(case: Case) -> None:
    handle = case.model.head.register_forward_hook(lambda module, args, y: y * 0.5)
    case.model.handle = handle  # an attribute that is no number


@change
def unhook(case: Case) -> None:
    for m in case.model.modules():
        m._forward_hooks.clear()
        m._forward_pre_hooks.clear()


@change
def hook_a_layer_that_came_later(case: Case) -> None:
    case.layers.append(nn.Identity())
    case.layers[-1].register_forward_hook(lambda module, args, y: y + 1)


# ---- loss and optimizer ------------------------------------------------------------------------


@change
def smooth_labels(case: Case) -> None:
    case.criterion.label_smoothing = float(case.draw.uniform(0, 0.5))


@change
def sum_the_loss(case: Case) -> None:
    case.criterion.reduction = ("sum", "mean")[case.draw.integers(2)]


@change
def weigh_classes(case: Case) -> None:
    case.criterion.weight = npnet.from_numpy(np.linspace(0.5, 2, OUTPUTS, dtype=np.float32))


@change
def ignore_a_class(case: Case) -> None:
    case.criterion.ignore_index = int(case.draw.integers(OUTPUTS))


@change
def patch_the_criterion(case: Case) -> None:
    case.criterion.forward = lambda x, y: F.cross_entropy(x, y) * 2


@change
def hook_the_criterion(case: Case) -> None:
    case.criterion.register_forward_hook(lambda module, args, loss: loss * 3)


@change
def train_more(case: Case) -> None:
    known = {id(p) for group in case.optimizer.param_groups for p in group["params"]}
    more = [p for p in case.model.parameters() if id(p) not in known]
    if more:
        case.optimizer.add_param_group({"params": more})


@change
def train_less(case: Case) -> None:
    case.optimizer.param_groups[0]["params"].pop()


@change
def change_the_rate(case: Case) -> None:
    case.optimizer.param_groups[0]["lr"] = float(case.draw.uniform(0.01, 0.2))
