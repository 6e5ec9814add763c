"""Every layer: what is made of it where no arguments are given, and inputs that it takes.

    LAYERS["Conv2d"] = Layer(("3, 4, 3", "4, 6, (3, 2), stride=2, padding=1"), images)

The arguments are a text, as somebody would type them, so that a certificate can show them. Sizes of
images are odd, unequal and larger than the kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from npnet.nn import Module
from npnet.verify.subjects import Given

__all__ = ["LAYERS", "MODED", "REST", "Layer"]

Draw = Callable[[Any, np.random.Generator, int], Sequence[Given]]  # of a module, n samples


class Layer(NamedTuple):
    """The arguments of each module that is made, and what draws its inputs."""

    arguments: tuple[str, ...]
    draw: Draw


# Modules that do something else in evaluation.
MODED = ("Norm1d", "Norm2d", "Norm3d", "Dropout", "RReLU", "FractionalMaxPool2d")


# ---- inputs --------------------------------------------------------------------------------------


def _normal(rng: np.random.Generator, *shape: int) -> Given:
    return Given(np.asarray(rng.standard_normal(shape)))


def _constant(array: Any) -> Given:
    return Given(np.asarray(array), wants=False)


def _channels(module: Any, otherwise: int) -> int:
    names = ("in_channels", "num_features", "num_channels", "num_parameters")
    found = next((getattr(module, name) for name in names if hasattr(module, name)), otherwise)
    return found if found > 1 else otherwise if hasattr(module, "num_parameters") else found


def _extent(module: Any, axis: int) -> int:
    """Pixels that a kernel reaches over along an axis."""
    sizes = []
    for name, least in (("kernel_size", 1), ("dilation", 1)):
        value = getattr(module, name, least)
        pair = value if isinstance(value, tuple) else (value, value)
        sizes.append(int(pair[min(axis, len(pair) - 1)]))
    return (sizes[0] - 1) * sizes[1] + 1


def images(module: Any, rng: np.random.Generator, n: int, channels: int = 4) -> list[Given]:
    """A batch of images, four pixels and five larger than the kernel."""
    return [
        _normal(rng, n, _channels(module, channels), _extent(module, 0) + 4, _extent(module, 1) + 5)
    ]


def signals(module: Any, rng: np.random.Generator, n: int) -> list[Given]:
    """A batch of signals."""
    return [_normal(rng, n, _channels(module, 4), _extent(module, 0) + 6)]


def volumes(module: Any, rng: np.random.Generator, n: int) -> list[Given]:
    """A batch of volumes."""
    return [_normal(rng, n, _channels(module, 4), 3, 4, 5)]


def rows(module: Any, rng: np.random.Generator, n: int) -> list[Given]:
    """A batch of features."""
    return [_normal(rng, n, getattr(module, "in_features", _channels(module, 6)))]


def normalized(module: Any, rng: np.random.Generator, n: int) -> list[Given]:
    """What a layer norm of `normalized_shape` takes."""
    return [_normal(rng, n, 3, *module.normalized_shape)]


def sequences(module: Any, rng: np.random.Generator, n: int) -> list[Given]:
    """A batch of sequences, the batch where the module wants it."""
    shape = (n, 5) if module.batch_first else (5, n)
    return [_normal(rng, *shape, module.input_size)]


def cells(module: Any, rng: np.random.Generator, n: int) -> list[Given]:
    """One step of a batch of sequences."""
    return [_normal(rng, n, module.input_size)]


def _indices(module: Any, rng: np.random.Generator, n: int) -> list[Given]:
    return [_constant(rng.integers(0, module.num_embeddings, (n, 5)))]


def _attended(module: Any, rng: np.random.Generator, n: int) -> list[Given]:
    return [_normal(rng, 5, n, module.embed_dim) for _ in range(3)]


def _for_transformer(module: Any, rng: np.random.Generator, n: int) -> list[Given]:
    return [_normal(rng, 5, n, module.linear1.in_features)]


def _folded(module: Any, rng: np.random.Generator, n: int) -> list[Given]:
    (h, w), (kh, kw) = module.output_size, module.kernel_size
    return [_normal(rng, n, 2 * kh * kw, (h - kh + 1) * (w - kw + 1))]


def _two_features(module: Any, rng: np.random.Generator, n: int) -> list[Given]:
    return [_normal(rng, n, module.in1_features), _normal(rng, n, module.in2_features)]


def _of(*draws: Callable[[np.random.Generator, int], Given]) -> Draw:
    """Inputs that do not hang on the module."""
    return lambda _, rng, n: [draw(rng, n) for draw in draws]


def _values(rng: np.random.Generator, n: int) -> Given:
    return _normal(rng, n, 5)


def _target(rng: np.random.Generator, n: int) -> Given:
    return _constant(rng.standard_normal((n, 5)))


def _positive(rng: np.random.Generator, n: int) -> Given:
    return _constant(rng.uniform(0.5, 2, (n, 5)))


def _unit(rng: np.random.Generator, n: int) -> Given:
    return Given(np.asarray(rng.uniform(0.05, 0.95, (n, 5))))


def _probabilities(rng: np.random.Generator, n: int) -> Given:
    p = rng.uniform(0.1, 1, (n, 5))
    return _constant(p / p.sum(1, keepdims=True))


def _mask(rng: np.random.Generator, n: int) -> Given:
    return _constant(rng.integers(0, 2, (n, 5)).astype(np.float64))


def _signs(rng: np.random.Generator, n: int) -> Given:
    return _constant(rng.integers(0, 2, (n, 5)) * 2.0 - 1)


def _row_signs(rng: np.random.Generator, n: int) -> Given:
    return _constant(rng.integers(0, 2, n) * 2.0 - 1)


def _classes(rng: np.random.Generator, n: int) -> Given:
    return _constant(rng.integers(0, 5, n))


def _class_lists(rng: np.random.Generator, n: int) -> Given:
    return _constant(np.array([[*rng.permutation(5)[:2], -1, 0, 0] for _ in range(n)]))


def _log_probabilities(rng: np.random.Generator, n: int) -> Given:
    x = rng.standard_normal((n, 5))
    return Given(x - np.log(np.exp(x).sum(1, keepdims=True)))


# ---- the table -----------------------------------------------------------------------------------

_PLAIN = (
    "CELU ELU GELU Hardshrink Hardsigmoid Hardswish Hardtanh Identity LeakyReLU LogSigmoid Mish "
    "PReLU RReLU ReLU ReLU6 SELU SiLU Sigmoid Softplus Softshrink Softsign Tanh Tanhshrink"
)
_PADS = ("CircularPad", "ConstantPad", "ReflectionPad", "ReplicationPad", "ZeroPad")
_BY_AXES = ((1, signals), (2, images), (3, volumes))


def _padding() -> dict[str, Layer]:
    found = {}
    for kind in _PADS:
        for axes, draw in _BY_AXES:
            sizes = ", ".join(["1", "2"] * axes)
            value = ", 0.5" if kind == "ConstantPad" else ""
            found[f"{kind}{axes}d"] = Layer((f"({sizes}){value}",), draw)
    return found


LAYERS: dict[str, Layer] = {
    # convolutions and products
    "Conv1d": Layer(("3, 4, 3", "4, 6, 3, stride=2, padding=1, groups=2"), signals),
    "Conv2d": Layer(
        (
            "3, 4, 3",
            "3, 4, 3, padding='same', bias=False",
            "4, 6, (3, 2), stride=(2, 1), padding=1, dilation=(1, 2), groups=2",
            "16, 16, 3, padding=1",
        ),
        images,
    ),
    "ConvTranspose1d": Layer(("3, 4, 3", "4, 6, 3, stride=2, padding=1, groups=2"), signals),
    "ConvTranspose2d": Layer(
        ("3, 4, 3", "4, 6, (3, 2), stride=2, padding=1, output_padding=1, groups=2"), images
    ),
    "Linear": Layer(("6, 4", "6, 4, bias=False"), rows),
    "Bilinear": Layer(("3, 4, 5",), _two_features),
    "Embedding": Layer(("7, 4",), _indices),
    "EmbeddingBag": Layer(("7, 4", "7, 4, mode='max'"), _indices),
    # pools
    "AvgPool1d": Layer(("2", "3, stride=2, padding=1"), signals),
    "AvgPool2d": Layer(("2", "3, stride=2, padding=1, count_include_pad=False"), images),
    "MaxPool1d": Layer(("2", "3, stride=2, padding=1"), signals),
    "MaxPool2d": Layer(("2", "3, stride=2, padding=1", "(2, 3), ceil_mode=True"), images),
    "AdaptiveAvgPool1d": Layer(("3",), signals),
    "AdaptiveAvgPool2d": Layer(("1", "(2, 3)"), images),
    "AdaptiveMaxPool1d": Layer(("3",), signals),
    "AdaptiveMaxPool2d": Layer(("(2, 3)",), images),
    "FractionalMaxPool2d": Layer(("2, output_size=(3, 3)",), images),
    "LPPool1d": Layer(("2, 3",), signals),
    "LPPool2d": Layer(("2, 3",), images),
    # activations
    **{name: Layer(("",), images) for name in _PLAIN.split()},
    "GLU": Layer(("1",), images),
    "Threshold": Layer(("0.1, 0.7",), images),
    "LogSoftmax": Layer(("1",), rows),
    "Softmax": Layer(("1",), rows),
    "Softmax2d": Layer(("",), images),
    "Softmin": Layer(("1",), rows),
    # norms
    "BatchNorm1d": Layer(("5",), rows),
    "BatchNorm2d": Layer(("4", "4, affine=False", "4, track_running_stats=False"), images),
    "BatchNorm3d": Layer(("4",), volumes),
    "SyncBatchNorm": Layer(("4",), images),
    "GroupNorm": Layer(("2, 4",), images),
    "InstanceNorm1d": Layer(("4, affine=True",), signals),
    "InstanceNorm2d": Layer(("4", "4, affine=True, track_running_stats=True"), images),
    "InstanceNorm3d": Layer(("4",), volumes),
    "LayerNorm": Layer(("5", "(3, 5)"), normalized),
    "RMSNorm": Layer(("5",), normalized),
    "LocalResponseNorm": Layer(("3",), images),
    # dropout
    "AlphaDropout": Layer(("0.3",), rows),
    "Dropout": Layer(("0.3",), images),
    "Dropout1d": Layer(("0.3",), signals),
    "Dropout2d": Layer(("0.3",), images),
    "Dropout3d": Layer(("0.3",), volumes),
    "FeatureAlphaDropout": Layer(("0.3",), images),
    # shape
    **_padding(),
    "ChannelShuffle": Layer(("2",), images),
    "Flatten": Layer(("",), images),
    "Fold": Layer(("(4, 5), (2, 3)",), _folded),
    "PixelShuffle": Layer(("2",), images),
    "PixelUnshuffle": Layer(("2",), _of(lambda rng, n: _normal(rng, n, 2, 4, 6))),
    "Unflatten": Layer(("1, (2, 3)",), rows),
    "Unfold": Layer(("(2, 3), stride=2",), images),
    "Upsample": Layer(("scale_factor=2", "size=(7, 9), mode='bilinear'"), images),
    "UpsamplingBilinear2d": Layer(("scale_factor=2",), images),
    "UpsamplingNearest2d": Layer(("scale_factor=2",), images),
    # sequences
    "RNN": Layer(("4, 5", "4, 5, nonlinearity='relu', batch_first=True"), sequences),
    "LSTM": Layer(("4, 5", "4, 5, num_layers=2, bidirectional=True"), sequences),
    "GRU": Layer(("4, 5", "4, 5, bidirectional=True"), sequences),
    "RNNCell": Layer(("4, 5",), cells),
    "LSTMCell": Layer(("4, 5",), cells),
    "GRUCell": Layer(("4, 5",), cells),
    "MultiheadAttention": Layer(("8, 2",), _attended),
    "TransformerEncoderLayer": Layer(("8, 2, 16, dropout=0.0",), _for_transformer),
    # distances and losses
    "CosineSimilarity": Layer(("",), _of(_values, _values)),
    "PairwiseDistance": Layer(("",), _of(_values, _values)),
    "BCELoss": Layer(("",), _of(_unit, _mask)),
    "BCEWithLogitsLoss": Layer(("",), _of(_values, _mask)),
    "CosineEmbeddingLoss": Layer(("",), _of(_values, _values, _row_signs)),
    "CrossEntropyLoss": Layer(("", "label_smoothing=0.1, reduction='sum'"), _of(_values, _classes)),
    "GaussianNLLLoss": Layer(("",), _of(_values, _target, _positive)),
    "HingeEmbeddingLoss": Layer(("",), _of(_values, _signs)),
    "HuberLoss": Layer(("",), _of(_values, _target)),
    "KLDivLoss": Layer(("reduction='batchmean'",), _of(_log_probabilities, _probabilities)),
    "L1Loss": Layer(("",), _of(_values, _target)),
    "MSELoss": Layer(("", "reduction='none'"), _of(_values, _target)),
    "MarginRankingLoss": Layer(("0.1",), _of(_values, _values, _signs)),
    "MultiLabelMarginLoss": Layer(("",), _of(_values, _class_lists)),
    "MultiLabelSoftMarginLoss": Layer(("",), _of(_values, _mask)),
    "MultiMarginLoss": Layer(("",), _of(_values, _classes)),
    "NLLLoss": Layer(("",), _of(_log_probabilities, _classes)),
    "PoissonNLLLoss": Layer(("",), _of(_values, _positive)),
    "SmoothL1Loss": Layer(("",), _of(_values, _target)),
    "SoftMarginLoss": Layer(("",), _of(_values, _signs)),
    "TripletMarginLoss": Layer(("",), _of(_values, _values, _values)),
}

# Classes of npnet.nn that no certificate of a layer is made of, and what is asked instead.
REST: dict[str, str] = {
    **dict.fromkeys(
        ("Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"),
        "it holds layers: write it into a file, and ask for my_file.py:Net",
    ),
    **dict.fromkeys(
        ("DataParallel",), "it hands a batch on to another module: ask for that module"
    ),
    **{
        f"Lazy{name}": f"it becomes {name} at its first batch: ask for that"
        for name in (
            *("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "Conv1d", "Conv2d", "ConvTranspose1d"),
            *("ConvTranspose2d", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d", "Linear"),
        )
    },
    **dict.fromkeys(("RNNBase", "RNNCellBase"), "it is what RNN, LSTM and GRU are made of"),
    **dict.fromkeys(
        ("MaxUnpool1d", "MaxUnpool2d"), "its input is what MaxPool2d gives: ask for a network"
    ),
    **dict.fromkeys(
        ("Transformer", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder"),
        "ask for TransformerEncoderLayer or MultiheadAttention, or for a network of your own",
    ),
    "CTCLoss": "its gradient is that of logits through log_softmax: ask for a network that ends so",
    "AdaptiveLogSoftmaxWithLoss": "ask for a network of your own that ends in it",
    "NLLLoss2d": "it is the old name of NLLLoss: ask for that",
    "TripletMarginWithDistanceLoss": "it takes a function: ask for a network of your own",
}


def made(name: str, arguments: Sequence[Any], named: dict[str, Any]) -> Module:
    """The layer of npnet.nn."""
    from npnet import nn

    layer: Module = getattr(nn, name)(*arguments, **named)
    return layer
