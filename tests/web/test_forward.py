"""The forward and backward pass of a page, in Node, against npnet's: every layer, every op."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.random import Generator
from numpy.testing import assert_allclose

import npnet
from npnet import Tensor, models, nn
from npnet.backend import by_numpy
from npnet.base.arrays import Array
from npnet.nn import functional as F
from npnet.web.graph import graph_of
from tests.web.node import computed, needs_node, traced

pytestmark = needs_node

# Of each layer's largest value: float32 with its sums in another order, through up to 431 layers.
TOLERANCE = 1e-4
# Among the millions of units of a network of so many layers one is so near to 0 that it is
# rectified by the one and not by the other: then the pixels that it sees have other slopes, and its
# gradient, 1e-13 in a fresh GoogLeNet, says nothing. Its ops are in the networks that have fewer.
MANY = 100
# Of torchvision's networks one of each kind; the others differ from these in their sizes.
QUICK = ("shufflenet_v2_x0_5", "squeezenet1_1")
SLOW = ("alexnet", "densenet121", "googlenet", "mobilenet_v2", "resnet50", "resnext50_32x4d")
SIDE = 64  # of their images, in place of 224


def _network(name: str, rng: Generator) -> nn.Module:
    """Of random weights, and running statistics as after training."""
    npnet.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # googlenet's, of its initial weights
        is_own = name in models.MODELS
        model = models.create(name) if is_own else models.get_model(name, num_classes=10)
    for key, buffer in model.named_buffers():
        if key.endswith("running_mean"):
            buffer.array[:] = rng.normal(0, 0.3, buffer.shape)
        if key.endswith("running_var"):
            buffer.array[:] = rng.uniform(0.5, 1.5, buffer.shape)
    return model.eval()


def _shape(name: str) -> tuple[int, int, int]:
    if name not in models.MODELS:
        return 3, SIDE, SIDE
    spec = models.MODELS[name]
    side = spec.input_size or spec.min_size
    return spec.in_channels, side, side


def _gradient(model: nn.Module, picture: Array, unit: int) -> Array:
    """Of one output with respect to the picture, by npnet."""
    x = npnet.tensor(picture, requires_grad=True)
    with by_numpy():
        model(x)[0, unit].backward()
    return np.asarray(x.grad.numpy())


def _check(model: nn.Module, shape: tuple[int, ...], folder: Path, unit: int) -> int:
    """Compare all layers, and the gradient of an output. Returns how many layers there were."""
    graph, record = traced(model, shape)
    picture = record.inputs[0][0]
    values, gradient = computed(graph, picture, folder, unit)
    layers = [
        (layer, value)
        for layer, value in zip(graph.layers, values, strict=True)
        if layer["op"] != "constant"
    ]
    steps = [step for step in record.steps if any(ref[0] != "leaf" for ref in step.inputs)]
    for (layer, value), step in zip(layers, steps, strict=True):
        wanted = step.arrays[0]
        scale = max(1.0, float(np.abs(wanted).max()))
        assert_allclose(value, wanted, rtol=0, atol=TOLERANCE * scale, err_msg=str(layer))
    wanted = _gradient(model, picture, unit)
    assert gradient is not None
    if len(layers) < MANY:
        assert np.abs(gradient - wanted).max() <= TOLERANCE * np.abs(wanted).max()
    return len(layers)


@pytest.mark.parametrize("name", [*models.MODELS, *QUICK])
def test_every_layer_is_npnets(name: str, tmp_path: Path, rng: Generator) -> None:
    assert _check(_network(name, rng), _shape(name), tmp_path, 7) >= 6


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_every_layer_of_larger_networks(name: str, tmp_path: Path, rng: Generator) -> None:
    assert _check(_network(name, rng), _shape(name), tmp_path, 7) >= 20


# ---- every op ------------------------------------------------------------------------------------


class _Op(nn.Module):
    """An op between a convolution and a classifier."""

    def __init__(self, op: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        npnet.manual_seed(5)
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.op = op
        self.last = nn.LazyLinear(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.op(self.first(x)).flatten(1))


OPS: dict[str, Callable[[], Callable[[Tensor], Tensor]]] = {
    "conv2d, strides, padding, dilation, groups": lambda: nn.Conv2d(
        4, 6, (3, 2), stride=(2, 1), padding=(2, 1), dilation=(1, 2), groups=2
    ),
    "conv2d without bias": lambda: nn.Conv2d(4, 5, 1, bias=False),
    "conv2d, depthwise": lambda: nn.Conv2d(4, 4, 3, padding=1, groups=4),
    "conv2d, padding same": lambda: nn.Conv2d(4, 4, 2, padding="same"),
    "linear on rows": lambda: nn.Linear(9, 5, bias=False),
    "max_pool2d": lambda: nn.MaxPool2d(3, 2, padding=1),
    "max_pool2d, ceil_mode": lambda: nn.MaxPool2d(3, 2, ceil_mode=True),
    "max_pool2d, dilation": lambda: nn.MaxPool2d(2, 1, dilation=2),
    "avg_pool2d": lambda: nn.AvgPool2d((2, 3), (1, 2), padding=1),
    "avg_pool2d, ceil_mode": lambda: nn.AvgPool2d(2, 2, ceil_mode=True, padding=1),
    "avg_pool2d, padding does not count": lambda: nn.AvgPool2d(
        3, 2, padding=1, count_include_pad=False
    ),
    "avg_pool2d, own divisor": lambda: nn.AvgPool2d(2, divisor_override=3),
    "adaptive_avg_pool2d, uneven": lambda: nn.AdaptiveAvgPool2d((3, 4)),
    "adaptive_max_pool2d, uneven": lambda: nn.AdaptiveMaxPool2d((3, 4)),
    "batch_norm": lambda: nn.BatchNorm2d(4),
    "group_norm": lambda: nn.GroupNorm(2, 4),
    "instance-like group_norm": lambda: nn.GroupNorm(4, 4, affine=False),
    "layer_norm": lambda: nn.LayerNorm([8, 9]),
    "layer_norm of maps": lambda: nn.LayerNorm([4, 8, 9]),
    "local_response_norm": lambda: nn.LocalResponseNorm(3, alpha=0.5),
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "gelu, tanh": lambda: nn.GELU("tanh"),
    "hardswish": nn.Hardswish,
    "hardsigmoid": nn.Hardsigmoid,
    "hardtanh": lambda: nn.Hardtanh(-0.3, 0.4),
    "relu6": nn.ReLU6,
    "leaky_relu": lambda: nn.LeakyReLU(0.1),
    "elu": lambda: nn.ELU(0.7),
    "selu": nn.SELU,
    "celu": lambda: nn.CELU(0.5),
    "softplus": lambda: nn.Softplus(2.0, 1.0),
    "log_sigmoid": nn.LogSigmoid,
    "mish": nn.Mish,
    "prelu": lambda: nn.PReLU(4),
    "prelu, one slope": nn.PReLU,
    "dropout": lambda: nn.Dropout(0.5),
    "softmax": lambda: nn.Softmax(1),
    "log_softmax": lambda: nn.LogSoftmax(3),
    "neg, abs, exp, log, sqrt": lambda: lambda x: (x.abs() + 1).log() - (-x).exp() + x.abs().sqrt(),
    "scale": lambda: lambda x: x * 2.5 / 3,
    "constants": lambda: lambda x: 1 - x * npnet.tensor(np.linspace(0, 1, 9, dtype=np.float32)),
    "div": lambda: lambda x: 1 / (x * x + 1) + x / (x.abs() + 2),
    "broadcast": lambda: lambda x: x * x.mean((2, 3), keepdim=True) + x.mean(1, keepdim=True),
    "sum": lambda: lambda x: x.sum(2),
    "cat": lambda: lambda x: npnet.cat([x, x.tanh(), x], 2),
    "permute and slices": lambda: lambda x: x.permute(0, 2, 1, 3)[:, 1::2, :, 1:-2],
    "flip": lambda: lambda x: x.flip(3),
    "expand": lambda: lambda x: x[:, :1].expand(1, 4, 8, 9) + x,
    "pad": lambda: lambda x: F.pad(x, (1, 2, 0, 1, 1, 0), value=0.5),
    "pad that cuts": lambda: lambda x: F.pad(x, (-1, 2)),
    "channel shuffle": lambda: nn.ChannelShuffle(2),
}


@pytest.mark.parametrize("name", OPS)
def test_every_op(name: str, tmp_path: Path) -> None:
    model = _Op(OPS[name]()).eval()
    model(npnet.zeros(1, 2, 8, 9))  # the last layer learns its size
    assert _check(model, (2, 8, 9), tmp_path, 1) >= 3


def test_every_op_that_a_page_says_is_tried() -> None:
    """No op stands in the tables without a case above."""
    from npnet.web import ops

    said: set[str] = set()
    for build in OPS.values():
        model = _Op(build()).eval()
        model(npnet.zeros(1, 2, 8, 9))
        said |= {layer["op"] for layer in graph_of(model, (2, 8, 9)).layers}
    names = {*ops._PLAIN.values(), *ops._MOVES.values()} - {"identity"}
    assert names <= said
    assert len(said) > len(names) + len(ops._SAID) - 5  # several say one name, or only refuse


# ---- what can't be said --------------------------------------------------------------------------


class _Branches(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = x.flatten(1)[:, :3]
        return y * float(y.max())


def _refused(module: nn.Module | Callable[[Tensor], Tensor]) -> str:
    model = module if isinstance(module, nn.Module) else _Op(module)
    model.eval()(npnet.ones(1, 2, 8, 9))  # the last layer learns its size
    with pytest.raises((NotImplementedError, ValueError)) as caught:
        graph_of(model, (2, 8, 9))
    return str(caught.value)


def test_an_unknown_op_is_named_with_its_layer() -> None:
    text = _refused(_Op(nn.Upsample(scale_factor=2)))
    assert text.startswith("export: Resample in op: a page has no such op")
    assert "--format onnx" in text


def test_values_taken_out_are_refused() -> None:
    assert "takes values out of what follows from its input" in _refused(_Branches())


def test_a_detached_value_is_refused() -> None:
    text = _refused(lambda x: x * x.detach())
    assert "computed beside the tape" in text


def test_weights_that_follow_from_the_picture_are_refused() -> None:
    text = _refused(lambda x: F.conv2d(x, x[:, :, :2, :2]))
    assert "its weights follow from the picture" in text


def test_dropout_in_evaluation_is_refused() -> None:
    text = _refused(lambda x: F.dropout(x, 0.5, training=True))
    assert "training=self.training" in text


def test_batch_statistics_are_refused() -> None:
    text = _refused(_Op(nn.BatchNorm2d(4, track_running_stats=False)))
    assert "statistics of the batch" in text


@pytest.mark.parametrize(
    "op", [lambda x: (x.mean(), x.sum()), functools.partial(npnet.sum, dim=(1, 2, 3))]
)
def test_no_classifier_is_refused(op: Callable[[Tensor], Tensor]) -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return op(x)

    assert "a page is for a classifier" in _refused(Net())
