"""Every layer and op that ONNX can say, exported, run by onnxruntime and read back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator

import npnet
import npnet.nn.functional as F
import npnet.onnx
from npnet import nn
from npnet.nn import Module, Sequential
from npnet.onnx.loading import from_proto
from tests.onnx.runs import assert_alike, by_onnxruntime, outputs, shake


class Of(Module):
    """A module whose forward is a function of itself and the inputs; `m` is a layer of it."""

    def __init__(self, compute: Callable[..., Any], m: Module | None = None) -> None:
        super().__init__()
        self.compute, self.m = compute, m

    def forward(self, *args: Any) -> Any:
        return self.compute(self, *args)


class Weight(Module):
    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.p = nn.Parameter(npnet.ones(*shape))


def _index(x: Any) -> Any:
    return x[:, [2, 0, 1]]


def _mixed(s: Any, x: Any) -> Any:
    joined = npnet.cat([s.m.p.expand(x.shape[0], -1, -1), x], 1)
    return joined + npnet.zeros(joined.shape[0], 1, 1) + npnet.ones(joined.shape)


IMAGES, SIGNALS, ROWS, FEATURES = (1, 4, 9, 12), (1, 4, 20), (1, 9, 12), (1, 12)
LAYERS: dict[str, tuple[Callable[[], Module], tuple[int, ...]]] = {
    "conv1d": (lambda: nn.Conv1d(4, 6, 3, 2, 1), SIGNALS),
    "conv groups": (lambda: nn.Conv2d(4, 8, 3, (2, 1), (1, 2), 2, 2), IMAGES),
    "conv same": (lambda: nn.Conv2d(4, 8, 4, padding="same"), IMAGES),
    "conv reflect": (lambda: nn.Conv2d(4, 8, 3, padding=1, padding_mode="reflect"), IMAGES),
    "conv circular": (lambda: nn.Conv2d(4, 8, 3, padding=1, padding_mode="circular"), IMAGES),
    "conv replicate": (lambda: nn.Conv2d(4, 8, 3, padding=1, padding_mode="replicate"), IMAGES),
    "conv_transpose1d": (lambda: nn.ConvTranspose1d(4, 6, 3, 2, 1, 1), SIGNALS),
    "conv_transpose2d": (lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, 1), IMAGES),
    "conv_transpose groups": (
        lambda: nn.ConvTranspose2d(4, 6, (3, 2), (2, 3), (1, 0), (1, 2), 2, False),
        IMAGES,
    ),
    "conv_transpose dilation": (lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, dilation=2), IMAGES),
    "linear": (lambda: nn.Linear(12, 5), FEATURES),
    "linear of images": (lambda: nn.Linear(12, 5), IMAGES),
    "max ceil": (lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True), IMAGES),
    "max dilation": (lambda: nn.MaxPool2d(2, 1, 1, 2), IMAGES),
    "max 1d": (lambda: nn.MaxPool1d(3), SIGNALS),
    "avg ceil": (lambda: nn.AvgPool2d(2, ceil_mode=True), IMAGES),
    "avg ceil padding": (lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True), IMAGES),
    "avg not counted": (lambda: nn.AvgPool2d(4, 3, 1, True, False), IMAGES),
    "avg divisor": (lambda: nn.AvgPool2d(3, 2, 1, divisor_override=5), IMAGES),
    "adaptive 1": (lambda: nn.AdaptiveAvgPool2d(1), IMAGES),
    "adaptive 3": (lambda: nn.AdaptiveAvgPool2d(3), IMAGES),
    "adaptive bins": (lambda: nn.AdaptiveAvgPool2d((5, 7)), IMAGES),
    "adaptive max": (lambda: nn.AdaptiveMaxPool2d(3), IMAGES),
    "adaptive 1d": (lambda: nn.AdaptiveAvgPool1d(4), SIGNALS),
    "lp": (lambda: nn.LPPool2d(2, 2), IMAGES),
    "batch norm 1d": (lambda: nn.BatchNorm1d(12), FEATURES),
    "batch norm of signals": (lambda: nn.BatchNorm1d(4), SIGNALS),
    "batch norm plain": (lambda: nn.BatchNorm2d(4, affine=False), IMAGES),
    "batch norm of the batch": (lambda: nn.BatchNorm2d(4, track_running_stats=False), IMAGES),
    "group norm": (lambda: nn.GroupNorm(2, 4), IMAGES),
    "group norm plain": (lambda: nn.GroupNorm(1, 4, affine=False), IMAGES),
    "instance norm": (lambda: nn.InstanceNorm2d(4, affine=True), IMAGES),
    "instance norm running": (lambda: nn.InstanceNorm2d(4, track_running_stats=True), IMAGES),
    "layer norm": (lambda: nn.LayerNorm([9, 12]), IMAGES),
    "layer norm no bias": (lambda: nn.LayerNorm(12, bias=False), IMAGES),
    "layer norm plain": (lambda: nn.LayerNorm(12, elementwise_affine=False), IMAGES),
    "rms norm": (lambda: nn.RMSNorm(12), IMAGES),
    "local response": (lambda: nn.LocalResponseNorm(3, 0.1, 0.75, 2.0), IMAGES),
    "dropouts": (lambda: Sequential(nn.Dropout(), nn.Dropout2d(), nn.AlphaDropout()), IMAGES),
    "pixel shuffle": (lambda: nn.PixelShuffle(2), IMAGES),
    "pixel unshuffle": (lambda: nn.PixelUnshuffle(3), IMAGES),
    "channel shuffle": (lambda: nn.ChannelShuffle(2), IMAGES),
    "nearest": (lambda: nn.Upsample(scale_factor=2), IMAGES),
    "bilinear": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), IMAGES),
    "aligned": (lambda: nn.Upsample((13, 17), mode="bilinear", align_corners=True), IMAGES),
    "bicubic": (lambda: nn.Upsample(scale_factor=1.5, mode="bicubic"), IMAGES),
    "constant pad": (lambda: nn.ConstantPad2d((1, -2, 3, 0), 2.5), IMAGES),
    "reflection pad": (lambda: nn.ReflectionPad2d(2), IMAGES),
    "flatten": (lambda: nn.Flatten(2), IMAGES),
    "unflatten": (lambda: Sequential(nn.Flatten(), nn.Unflatten(1, (4, 27, 4))), IMAGES),
    "flatten batch": (lambda: nn.Flatten(0, 1), IMAGES),
    "softmax": (lambda: nn.Softmax(1), IMAGES),
    "log softmax": (lambda: nn.LogSoftmax(-1), IMAGES),
    "softmin": (lambda: nn.Softmin(1), IMAGES),
    "unfold": (lambda: nn.Unfold(3, padding=1, stride=2), IMAGES),
    "fold": (lambda: Sequential(nn.Unfold(3), nn.Fold((9, 12), 3)), IMAGES),
    "prelu of channels": (lambda: nn.PReLU(4), IMAGES),
    "softplus of beta": (lambda: nn.Softplus(2.0), IMAGES),
    "celu of alpha": (lambda: nn.CELU(0.5), IMAGES),
    "gelu tanh": (lambda: nn.GELU("tanh"), IMAGES),
    "threshold": (lambda: nn.Threshold(0.1, 20.0), IMAGES),
    "lstm": (lambda: Of(lambda s, x: s.m(x), nn.LSTM(12, 7, batch_first=True)), ROWS),
    "lstm both ways": (
        lambda: Of(
            lambda s, x: s.m(x)[0][:, -1], nn.LSTM(12, 7, 2, batch_first=True, bidirectional=True)
        ),
        ROWS,
    ),
    "lstm last": (
        lambda: Of(lambda s, x: s.m(x)[1][0][-1], nn.LSTM(12, 7, bias=False, batch_first=True)),
        ROWS,
    ),
    "gru": (lambda: Of(lambda s, x: s.m(x)[0], nn.GRU(12, 7, 2, batch_first=True)), ROWS),
    "rnn": (
        lambda: Of(lambda s, x: s.m(x)[1], nn.RNN(12, 7, nonlinearity="relu", batch_first=True)),
        ROWS,
    ),
    "attention": (
        lambda: Of(
            lambda s, x: s.m(x, x, x, need_weights=False)[0],
            nn.MultiheadAttention(12, 3, batch_first=True),
        ),
        ROWS,
    ),
    "encoder": (lambda: nn.TransformerEncoderLayer(12, 3, 24, batch_first=True), ROWS),
    "causal attention": (
        lambda: Of(lambda s, x: F.scaled_dot_product_attention(x, x, x, is_causal=True)),
        IMAGES,
    ),
    "cat": (lambda: Of(lambda s, x: npnet.cat([x, x * 2, x.mean(1, keepdim=True)], 1)), IMAGES),
    "stack": (lambda: Of(lambda s, x: npnet.stack([x, -x], 2)), IMAGES),
    "split": (lambda: Of(lambda s, x: npnet.cat(x.split([1, 3], 1)[::-1], 1)), IMAGES),
    "slice": (lambda: Of(lambda s, x: x[:, 1:3, ::2, -4:]), IMAGES),
    "select": (
        lambda: Of(lambda s, x: x[:, 1] + x[:, -1] + x[:, None, ..., 0, :].squeeze(1)),
        ROWS,
    ),
    "view": (
        lambda: Of(lambda s, x: x.view(x.size(0) * 4, 9 * 12).view(x.size(0), -1)),
        IMAGES,
    ),
    "squeeze": (lambda: Of(lambda s, x: x.mean((2, 3), keepdim=True).squeeze((3, 2))), IMAGES),
    "arithmetic": (
        lambda: Of(lambda s, x: (x * 2 - 1) / (x.abs() + 1) + x**2 - 3 / (x.exp() + 1)),
        IMAGES,
    ),
    "clamp": (
        lambda: Of(lambda s, x: npnet.maximum(x, -x) + x.clamp(-0.5, 0.5) + x.clamp(min=0)),
        IMAGES,
    ),
    "extremes": (
        lambda: Of(lambda s, x: x.amax((2, 3)) + x.max(1)[0].amin((1, 2))[:, None]),
        IMAGES,
    ),
    "spread": (lambda: Of(lambda s, x: x.var((2, 3)) + x.std(1).mean((1, 2))[:, None]), IMAGES),
    "normalize": (lambda: Of(lambda s, x: F.normalize(x, dim=1)), IMAGES),
    "logsumexp": (lambda: Of(lambda s, x: npnet.logsumexp(x, 1)), IMAGES),
    "einsum": (
        lambda: Of(lambda s, x: npnet.einsum("nchw,cd->ndhw", x, s.m.p), Weight(4, 5)),
        IMAGES,
    ),
    "sizes of the batch": (lambda: Of(_mixed, Weight(1, 1, 12)), ROWS),
    "in place": (lambda: Of(lambda s, x: F.relu((x * 2).add_(1), inplace=True)), IMAGES),
    "gate": (lambda: Of(lambda s, x: x * x.mean((2, 3), keepdim=True).sigmoid()), IMAGES),
    "functions": (
        lambda: Of(
            lambda s, x: (
                npnet.erf(x)
                + npnet.log1p(x.abs())
                + npnet.expm1(x)
                + npnet.rsqrt(x.abs() + 1)
                + npnet.frac(x)
                + npnet.remainder(x, 0.3)
            )
        ),
        IMAGES,
    ),
    "tril": (lambda: Of(lambda s, x: x.tril()), IMAGES),
    "mask": (
        lambda: Of(lambda s, x: x.masked_fill(npnet.ones(9, 12).triu(1).bool(), -9.0)),
        IMAGES,
    ),
    "matmul": (lambda: Of(lambda s, x: x @ x.transpose(1, 2)), ROWS),
    "batch of the others": (lambda: Of(lambda s, x: x - x.mean(0, keepdim=True)), IMAGES),
    "cumsum": (lambda: Of(lambda s, x: x.cumsum(1)), IMAGES),
    "repeat": (lambda: Of(lambda s, x: x.repeat(1, 2, 1, 1)), IMAGES),
    "dict": (lambda: Of(lambda s, x: {"a": x * 2, "b": x.sum(1)}), IMAGES),
    "tuple": (lambda: Of(lambda s, x: (x * 2, (x.sum(1), x.mean(2)))), IMAGES),
}
ACTIVATIONS = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
]
LAYERS |= {name: (getattr(nn, name), IMAGES) for name in ACTIVATIONS}
NOT_ALONE = ("batch norm of the batch",)  # one image has no variance in the batch's statistics


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name: str, rng: Generator) -> None:
    build, shape = LAYERS[name]
    model = build()
    shake(model, rng)
    proto = npnet.onnx.export(model, None, npnet.zeros(*shape))
    read, model = from_proto(proto), model.eval()
    names = {tensor.name for tensor in proto.graph.initializer}
    assert {name for name, _ in model.named_parameters()} <= names
    for n in (1, 3, 17):
        if n > 1 or name not in NOT_ALONE:
            x = rng.standard_normal((n, *shape[1:]), np.float32)
            wanted = outputs(model, [x])
            assert_alike(by_onnxruntime(proto, [x]), wanted)
            assert_alike(outputs(read, [x]), wanted)


def test_numbers_of_words(rng: Generator) -> None:
    class Words(Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.out = nn.Embedding(50, 8), nn.Linear(8, 3)

        def forward(self, words: Any) -> Any:
            return self.out(self.table(words.transpose(0, 1)).mean(0))

    model = Words().eval()
    proto = npnet.onnx.export(model, None, npnet.tensor([[1, 2, 3, 4]]))
    words = rng.integers(0, 50, (5, 4))
    wanted = outputs(model, [words])
    assert_alike(by_onnxruntime(proto, [words]), wanted)
    assert_alike(outputs(from_proto(proto), [words]), wanted)


def test_integers_that_the_tape_does_not_show() -> None:
    model = Of(lambda s, x, k: x * F.one_hot(k, 4).float())
    with pytest.raises(ValueError, match=r"what forward makes of k is not recorded|follows from"):
        npnet.onnx.export(model, (npnet.randn(1, 4), npnet.tensor([1])), input_names=["x", "k"])


def test_two_inputs_and_a_state(rng: Generator) -> None:
    def compute(s: Any, x: Any, h: Any) -> Any:
        return s.m(x, (h.unsqueeze(0), h.unsqueeze(0) * 2))[0]

    model = Of(compute, nn.LSTM(12, 7, batch_first=True)).eval()
    given = npnet.zeros(1, 9, 12), npnet.zeros(1, 7)
    proto = npnet.onnx.export(model, given, input_names=["x", "h"])
    arrays = [rng.standard_normal((3, *x.shape[1:]), np.float32) for x in given]
    wanted = outputs(model, arrays)
    assert_alike(by_onnxruntime(proto, arrays), wanted)
    assert_alike(outputs(from_proto(proto), arrays), wanted)


def _loop(x: Any) -> Any:
    for _ in range(1 + int(x.abs().sum() * 1000) % 7):
        x = x * 1.1
    return x


def _in_part(x: Any) -> Any:
    y = x * 1
    y[:, 0] = 0
    return y


def _in_view(x: Any) -> Any:
    y = x * 1
    y[:, 0].mul_(2)
    return y


class _Both(npnet.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2, x * 3

    @staticmethod
    def backward(ctx: Any, g: Any, h: Any) -> Any:
        return 2 * g + 3 * h


class _Twice(npnet.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return 2 * g


def _counted(x: Any) -> float:
    with npnet.no_grad():
        return (x * 0 + 1).mean().item()


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "condition": (lambda x: npnet.where(x > 0, x, x * 0.1), "a condition follows from the input"),
    "argmax": (lambda x: x.argmax(1), "does not depend on its input by ops that are recorded"),
    "branch": (_loop, "which ops the model applies depends"),
    "number": (lambda x: x * float(x.abs().mean()), r"\(float in <lambda>, line \d+\): a number"),
    "branch that the sample takes": (
        lambda x: x * 2 if x.sum() > -1e9 else x,
        "takes values out of what follows from its input",
    ),
    "number of something detached": (
        lambda x: x * 2 if float(x.detach().abs().max()) < 1e9 else x,
        "takes values out",
    ),
    "number without a tape": (lambda x: x * _counted(x), "takes values out"),
    "values for NumPy": (lambda x: x * int(np.sign(x.detach().numpy()).max()), "takes values out"),
    "all close": (lambda x: x if npnet.allclose(x, x) else -x, "takes values out"),
    "mask that is empty here": (lambda x: x * (x > 1e9).float(), "takes values out"),
    "sign": (lambda x: x * (x.detach() + 4).sign(), "does not give what the model gives"),
    "few images": (lambda x: x * (1 if len(x) < 10 else 2), "does not give what the model gives"),
    "first images": (lambda x: x[: min(x.shape[0], 6)], "does not give what the model gives"),
    "sort": (lambda x: x.sort(1)[0], "an index follows from the input"),
    "detached": (lambda x: x * (x.mean() * 2).detach(), "a constant follows from the input"),
    "dropout": (lambda x: F.dropout(x), "Dropout: it draws random numbers in evaluation too"),
    "in a part": (_in_part, "SetItem|in-place"),
    "in a view": (_in_view, "in-place write to a part|no form in ONNX"),
    "a Function": (_Twice.apply, "_Twice, an autograd.Function of one's own, can't be said"),
    "of two results": (lambda x: _Both.apply(x)[1], "_Both, an autograd.Function of one's own"),
    "inverse": (lambda x: npnet.linalg.inv(x[..., :9]), "Inv: this op has no form in ONNX"),
    "no tensor": (lambda x: "text", "must return tensors"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_said(name: str) -> None:
    compute, message = REFUSED[name]
    with pytest.raises((NotImplementedError, ValueError), match=message) as caught:
        npnet.onnx.export(Of(lambda s, x: compute(x)), None, npnet.randn(*IMAGES))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (lambda x: F.max_pool2d(x, 2, 2, ceil_mode=True), "does not give what the model gives"),
        (lambda x: F.avg_pool2d(x, 2, 2, ceil_mode=True), "does not give what the model gives"),
        (lambda x: F.scaled_dot_product_attention(x, x, x), "Scale: its factor follows from"),
    ],
)
def test_what_a_free_size_changes_is_not_frozen(compute: Any, message: str) -> None:
    axes = {"x": {0: "n", 2: "h", 3: "w"}}
    with pytest.raises((NotImplementedError, ValueError), match=message):
        npnet.onnx.export(
            Of(lambda s, x: compute(x)),
            None,
            npnet.randn(2, 3, 8, 8),
            input_names=["x"],
            dynamic_axes=axes,
        )


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: x * (npnet.ones_like(x) > 0).float() * x.new_ones(1),
        lambda x: x * (npnet.arange(x.shape[-1]) > 1).float(),
        lambda x: x - x.detach().max(1, keepdim=True)[0],
        lambda x: x * float(npnet.tensor(2.0)) * len(x.shape),
        lambda x: (x.flatten(1) ** 2).logsumexp(1),
    ],
)
def test_what_does_not_follow_from_values_is_no_reason(compute: Any, rng: Generator) -> None:
    model = Of(lambda s, x: compute(x))
    proto = npnet.onnx.export(model, None, npnet.randn(*IMAGES))
    x = rng.standard_normal((17, *IMAGES[1:]), np.float32)
    assert_alike(by_onnxruntime(proto, [x]), outputs(model, [x]))


def test_an_op_is_named_with_its_layer() -> None:
    class Block(Module):
        def forward(self, x: Any) -> Any:
            return npnet.linalg.inv(x)

    model = Sequential(nn.Linear(12, 12), Sequential(nn.Tanh(), Block()))
    with pytest.raises(NotImplementedError, match=r"^export: Inv in 1\.1: this op has no form"):
        npnet.onnx.export(model, None, npnet.randn(1, 12, 12))


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (lambda x: x, {}, "must be a Module, got a function"),
        (nn.Tanh(), {"input_names": ["a"], "output_names": ["a"]}, "'a' is the name of an input"),
        (nn.Linear(3, 2), {"classes": ["a", "b", "c"]}, "classes has 3 names, .* gives 2 values"),
        (nn.Linear(3, 2).to(npnet.bfloat16), {}, "weight is bfloat16, .* give model.float()"),
    ],
)
def test_arguments_that_do_not_fit(model: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises((NotImplementedError, TypeError, ValueError), match=message) as caught:
        npnet.onnx.export(model, None, npnet.randn(2, 3), **options)
    assert str(caught.value).startswith("export: ")
    assert "\n" not in str(caught.value)


def test_softplus_is_a_line_from_its_threshold(rng: Generator) -> None:
    for model in (nn.Softplus(2, 3), nn.Softplus(1, 3)):
        proto = npnet.onnx.export(model, None, npnet.randn(2, 3))
        x = 4 * rng.standard_normal((17, 3), np.float32)
        assert_alike(by_onnxruntime(proto, [x]), outputs(model, [x]))
