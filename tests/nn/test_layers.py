"""Every layer with every option beside PyTorch's: output, gradients, buffers, repr, signature."""

from __future__ import annotations

import inspect
import itertools
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import npnet
from npnet import nn
from npnet.base.checks import ShapeError
from tests.moduleinfo.source import MODULES
from tests.nn.test_adaptive import TESTED as ADAPTIVE
from tests.nn.test_distances import TESTED as DISTANCES
from tests.nn.test_lazy import LAZY

# Sums of at most a few hundred float64 products, in another order than PyTorch's.
FLOAT64 = {"rtol": 1e-10, "atol": 1e-12}

IMAGES, BATCH, SEQUENCES = (3, 4, 7, 6), (5, 4), (3, 4, 6)

ROOMS = {"functional", "init", "parallel", "utils"}
RECURRENT = {"GRU", "LSTM", "RNN", "RNNBase", "RNNCellBase"}  # PyTorch's take *args, **kwargs
UNINITIALIZED = {"UninitializedBuffer", "UninitializedParameter"}
OTHERS = {  # that are no layers, or have tests of their own
    "Buffer",
    "DataParallel",
    "MaxUnpool1d",  # below
    "MaxUnpool2d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "Parameter",
    "ParameterDict",
    "ParameterList",
    *RECURRENT,
    *UNINITIALIZED,
    "Sequential",
    "SyncBatchNorm",
}

CASES: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    ("Linear", {"in_features": 4, "out_features": 3}, BATCH),
    ("Linear", {"in_features": 6, "out_features": 3, "bias": False}, SEQUENCES),
    ("Conv2d", {"in_channels": 4, "out_channels": 6, "kernel_size": 3}, IMAGES),
    ("Conv2d", {"in_channels": 4, "out_channels": 6, "kernel_size": (2, 3), "stride": 2}, IMAGES),
    ("Conv2d", {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "bias": False}, IMAGES),
    *(
        ("Conv2d", {"in_channels": 4, "out_channels": 6, "kernel_size": 3, **options}, IMAGES)
        for options in (
            {"stride": (2, 1), "padding": (1, 2)},
            {"padding": "same", "dilation": 2},
            {"padding": "valid", "groups": 2},
            {"groups": 2, "padding": 1, "dilation": (1, 2), "bias": False},
        )
    ),
    *(
        (
            "Conv2d",
            {
                "in_channels": 4,
                "out_channels": 2,
                "kernel_size": (3, 2),
                "padding": padding,
                "padding_mode": mode,
            },
            IMAGES,
        )
        for mode, padding in itertools.product(
            ("zeros", "reflect", "replicate", "circular"), ((1, 2), "same")
        )
    ),
    *(
        (name, {"num_features": 4, **options}, shape)
        for name, shape in (
            ("BatchNorm1d", BATCH),
            ("BatchNorm1d", SEQUENCES),
            ("BatchNorm2d", IMAGES),
        )
        for options in (
            {},
            {"eps": 0.1, "momentum": 0.3},
            {"momentum": None},
            {"affine": False},
            {"track_running_stats": False},
            {"affine": False, "track_running_stats": False},
        )
    ),
    ("GroupNorm", {"num_groups": 2, "num_channels": 4}, IMAGES),
    ("GroupNorm", {"num_groups": 4, "num_channels": 4, "eps": 0.1}, SEQUENCES),
    ("GroupNorm", {"num_groups": 1, "num_channels": 4, "affine": False}, BATCH),
    ("GroupNorm", {"num_groups": 2, "num_channels": 4, "bias": False}, SEQUENCES),
    ("LayerNorm", {"normalized_shape": 6}, SEQUENCES),
    ("LayerNorm", {"normalized_shape": (4, 6), "eps": 0.1}, SEQUENCES),
    ("LayerNorm", {"normalized_shape": [6], "elementwise_affine": False}, SEQUENCES),
    ("LayerNorm", {"normalized_shape": 6, "bias": False}, SEQUENCES),
    ("MaxPool2d", {"kernel_size": 2}, IMAGES),
    ("MaxPool2d", {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0)}, IMAGES),
    ("MaxPool2d", {"kernel_size": 3, "stride": 2, "dilation": 2, "ceil_mode": True}, IMAGES),
    ("AvgPool2d", {"kernel_size": 2}, IMAGES),
    ("AvgPool2d", {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0)}, IMAGES),
    (
        "AvgPool2d",
        {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False},
        IMAGES,
    ),
    ("AvgPool2d", {"kernel_size": 3, "stride": 2, "ceil_mode": True}, IMAGES),
    ("AvgPool2d", {"kernel_size": 2, "divisor_override": 3}, IMAGES),
    *(
        ("Conv1d", {"in_channels": 4, "out_channels": 6, "kernel_size": 3, **options}, SEQUENCES)
        for options in (
            {"stride": 2, "padding": (1,), "bias": False},
            {"padding": "same", "dilation": 2, "groups": 2},
            *(
                {"padding": 2, "padding_mode": mode}
                for mode in ("reflect", "replicate", "circular")
            ),
            {"padding": "same", "padding_mode": "circular"},
        )
    ),
    *(
        (
            "ConvTranspose2d",
            {"in_channels": 4, "out_channels": 6, "kernel_size": 3, **options},
            IMAGES,
        )
        for options in (
            {},
            {"stride": 2, "padding": 1, "output_padding": 1},
            {"stride": (2, 3), "groups": 2, "bias": False},
            {"dilation": (1, 2), "padding": (0, 1)},
        )
    ),
    ("ConvTranspose1d", {"in_channels": 4, "out_channels": 6, "kernel_size": 3}, SEQUENCES),
    (
        "ConvTranspose1d",
        {
            "in_channels": 4,
            "out_channels": 6,
            "kernel_size": 4,
            "stride": 2,
            "padding": 1,
            "output_padding": 1,
            "groups": 2,
        },
        SEQUENCES,
    ),
    ("MaxPool1d", {"kernel_size": 2}, SEQUENCES),
    ("MaxPool1d", {"kernel_size": 3, "stride": 1, "padding": 1, "ceil_mode": True}, SEQUENCES),
    ("AvgPool1d", {"kernel_size": 2}, SEQUENCES),
    ("AvgPool1d", {"kernel_size": (3,), "stride": 2, "count_include_pad": False}, SEQUENCES),
    ("AdaptiveAvgPool1d", {"output_size": 4}, SEQUENCES),
    ("AdaptiveMaxPool1d", {"output_size": 4}, SEQUENCES),
    ("AdaptiveMaxPool2d", {"output_size": (3, 4)}, IMAGES),
    ("LPPool1d", {"norm_type": 2, "kernel_size": 2, "stride": 1}, SEQUENCES),
    ("LPPool2d", {"norm_type": 2, "kernel_size": (2, 3), "ceil_mode": True}, IMAGES),
    ("Upsample", {"scale_factor": 2}, IMAGES),
    ("Upsample", {"scale_factor": (2, 1.5), "mode": "bilinear"}, IMAGES),
    ("Upsample", {"size": (9, 5), "mode": "bicubic", "align_corners": True}, IMAGES),
    ("UpsamplingNearest2d", {"scale_factor": 2}, IMAGES),
    ("UpsamplingBilinear2d", {"size": 9}, IMAGES),
    ("PixelShuffle", {"upscale_factor": 2}, IMAGES),
    ("PixelUnshuffle", {"downscale_factor": 1}, IMAGES),
    ("Unfold", {"kernel_size": (2, 3), "padding": 1}, IMAGES),
    ("Fold", {"output_size": (4, 3), "kernel_size": 2}, (3, 8, 6)),
    ("AdaptiveAvgPool2d", {"output_size": 1}, IMAGES),
    ("AdaptiveAvgPool2d", {"output_size": (3, 4)}, IMAGES),
    ("AdaptiveAvgPool2d", {"output_size": (None, 2)}, IMAGES),
    ("ReLU", {}, IMAGES),
    ("ReLU", {"inplace": True}, IMAGES),
    ("LeakyReLU", {}, BATCH),
    ("LeakyReLU", {"negative_slope": 0.3, "inplace": True}, BATCH),
    ("ELU", {}, BATCH),
    ("ELU", {"alpha": 0.3, "inplace": True}, IMAGES),
    ("SiLU", {}, BATCH),
    ("SiLU", {"inplace": True}, BATCH),
    ("Hardsigmoid", {}, IMAGES),
    ("Hardsigmoid", {"inplace": True}, BATCH),
    ("Hardswish", {}, IMAGES),
    ("Tanh", {}, BATCH),
    ("Sigmoid", {}, BATCH),
    ("GELU", {}, BATCH),
    ("GELU", {"approximate": "tanh"}, BATCH),
    ("Softmax", {"dim": 1}, SEQUENCES),
    ("Softmax", {"dim": -1}, SEQUENCES),
    ("LogSoftmax", {"dim": 0}, BATCH),
    ("Dropout", {"p": 0.0}, BATCH),
    ("Dropout", {"p": 1.0, "inplace": True}, BATCH),
    ("Flatten", {}, IMAGES),
    ("Flatten", {"start_dim": 0, "end_dim": 2}, IMAGES),
    ("AlphaDropout", {"p": 0.0}, BATCH),
    ("FeatureAlphaDropout", {"p": 1.0}, IMAGES),
    ("Dropout1d", {"p": 1.0}, SEQUENCES),
    ("Dropout2d", {"p": 1.0, "inplace": True}, IMAGES),
    ("Dropout3d", {"p": 0.0}, IMAGES),
    ("ChannelShuffle", {"groups": 2}, IMAGES),
    ("RReLU", {"lower": 0.25, "upper": 0.25}, IMAGES),
    ("RReLU", {"lower": 0.25, "upper": 0.25, "inplace": True}, BATCH),
    ("ReLU6", {"inplace": True}, IMAGES),
    ("Hardtanh", {"min_val": -0.5, "max_val": 0.25, "inplace": True}, IMAGES),
    ("PReLU", {"num_parameters": 4}, IMAGES),
    ("Unflatten", {"dim": 1, "unflattened_size": (2, -1)}, IMAGES),
    ("Identity", {}, IMAGES),
]
IDS = [
    f"{name}-{'-'.join(f'{k}={v}' for k, v in options.items())}-{len(shape)}d"
    for name, options, shape in CASES
]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")  # torch's
@pytest.mark.parametrize(("name", "options", "shape"), CASES, ids=IDS)
def test_layer_matches_torch(name: str, options: dict[str, Any], shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    ours, theirs = getattr(nn, name)(**options), getattr(torch.nn, name)(**options)
    assert repr(ours) == repr(theirs)
    assert [(n, p.shape) for n, p in ours.named_parameters()] == [
        (n, tuple(p.shape)) for n, p in theirs.named_parameters()
    ]
    ours.double(), theirs.double()
    with torch.no_grad():  # weights of 1 and biases of 0 would hide a wrong gradient
        for p in theirs.parameters():
            p.copy_(torch.from_numpy(rng.standard_normal(p.shape)))
    ours.load_state_dict(theirs.state_dict())
    for mode in (True, True, False):  # running statistics move twice, and are then used
        ours.train(mode), theirs.train(mode)
        ours.zero_grad(), theirs.zero_grad()
        x = rng.standard_normal(shape)
        leaf, leaf_ref = npnet.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y, y_ref = ours(leaf * 1), theirs(leaf_ref * 1)  # * 1: a layer may work in place
        assert y.dtype == np.float64
        assert_allclose(y.detach().numpy(), y_ref.detach(), **FLOAT64)
        gy = rng.standard_normal(y.shape)
        y.backward(npnet.from_numpy(gy))
        y_ref.backward(torch.from_numpy(gy))
        assert_allclose(leaf.grad, leaf_ref.grad, **FLOAT64)
        for (n, p), p_ref in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            assert_allclose(p.grad, p_ref.grad, **FLOAT64, err_msg=n)
        for (n, b), b_ref in zip(ours.named_buffers(), theirs.buffers(), strict=True):
            assert_allclose(b.numpy(), b_ref, **FLOAT64, err_msg=n)
            assert str(b_ref.dtype) == f"torch.{b.dtype}"


def test_every_layer_is_held_against_torch() -> None:
    tested = {name for name, _, _ in CASES} | {name for name, _, _ in LOSSES}
    tested |= {info.name.removeprefix("nn.") for info in MODULES}  # see tests/moduleinfo
    tested |= ADAPTIVE | DISTANCES | LAZY | {"TransformerDecoder"}  # see test_transformer.py
    assert tested | OTHERS | ROOMS == set(nn.__all__)


# ---- losses ------------------------------------------------------------------------------------

WEIGHT = [0.5, 1.0, 2.0, 0.25]
REDUCTIONS = ("mean", "sum", "none")
LOSSES: list[tuple[str, dict[str, Any], str]] = [
    *(("MSELoss", {"reduction": r}, "numbers") for r in REDUCTIONS),
    *(
        ("BCELoss", {"reduction": r, "weight": w}, "odds")
        for r in REDUCTIONS
        for w in (None, WEIGHT)
    ),
    *(
        ("BCEWithLogitsLoss", {"reduction": r, "weight": w, "pos_weight": p}, "logits")
        for r in REDUCTIONS
        for w in (None, WEIGHT)
        for p in (None, WEIGHT[::-1])
    ),
    *(
        ("NLLLoss", {"reduction": r, "weight": w, "ignore_index": i}, "classes")
        for r in REDUCTIONS
        for w in (None, WEIGHT)
        for i in (-100, 1)
    ),
    *(
        (
            "CrossEntropyLoss",
            {"reduction": r, "weight": w, "ignore_index": i, "label_smoothing": s},
            "classes",
        )
        for r in REDUCTIONS
        for w in (None, WEIGHT)
        for i in (-100, 1)
        for s in (0.0, 0.2)
    ),
    ("CrossEntropyLoss", {"label_smoothing": 0.1, "weight": WEIGHT}, "odds of classes"),
]


def loss_inputs(kind: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(1)
    x, odds = rng.standard_normal((6, 4)), rng.uniform(0.05, 0.95, (6, 4))
    if kind == "classes":
        return x, np.array([0, 1, 2, 3, 1, 0])
    if kind == "odds":
        return odds, rng.integers(0, 2, (6, 4)).astype(float)
    return x, odds / odds.sum(1, keepdims=True) if kind == "odds of classes" else odds


@pytest.mark.parametrize(("name", "options", "kind"), LOSSES)
def test_loss_matches_torch(name: str, options: dict[str, Any], kind: str) -> None:
    def build(lib: Any) -> Any:
        made = {
            k: lib.tensor(v, dtype=lib.float64) if isinstance(v, list) else v
            for k, v in options.items()
        }
        return getattr(lib.nn, name)(**made)

    ours, theirs = build(npnet), build(torch)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x, target = loss_inputs(kind)
    leaf, leaf_ref = npnet.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, y_ref = ours(leaf, npnet.tensor(target)), theirs(leaf_ref, torch.tensor(target))
    assert_allclose(y.detach().numpy(), y_ref.detach(), **FLOAT64)
    gy = np.random.default_rng(2).standard_normal(y.shape)
    y.backward(npnet.tensor(gy, dtype=npnet.float64))
    y_ref.backward(torch.tensor(gy))
    assert_allclose(leaf.grad, leaf_ref.grad, **FLOAT64)


@pytest.mark.parametrize("name", sorted({name for name, _, _ in LOSSES}))
@pytest.mark.parametrize("option", ["size_average", "reduce"])
def test_what_torch_deprecates_is_warned_of(name: str, option: str) -> None:
    for value in (True, False):
        with pytest.warns(UserWarning, match="please use reduction='(mean|sum|none)' instead"):
            ours = getattr(nn, name)(**{option: value})
        with pytest.warns(UserWarning, match="will be deprecated"):
            assert ours.reduction == getattr(torch.nn, name)(**{option: value}).reduction
    with pytest.raises(ValueError, match="reduction must be"):
        getattr(nn, name)(reduction="average")


# ---- signatures --------------------------------------------------------------------------------


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    """Names, defaults (a function by its name) and kinds."""
    return [
        (p.name, p.default.__name__ if inspect.isroutine(p.default) else p.default, p.kind)
        for p in inspect.signature(function).parameters.values()
    ]


@pytest.mark.parametrize(
    "name",
    sorted(set(nn.__all__) - ROOMS - {"Buffer", "Module", "NLLLoss2d", *RECURRENT, *UNINITIALIZED}),
)
def test_constructor_has_torch_s_signature(name: str) -> None:
    ours, theirs = parameters(getattr(nn, name)), parameters(getattr(torch.nn, name))
    if not ours and [name for name, _, _ in theirs] == [
        "args",
        "kwargs",
    ]:  # Module's: torch.nn.Tanh(1) is an error too
        theirs = []
    assert ours == theirs


@pytest.mark.parametrize(
    "name",
    sorted(
        set(nn.__all__)
        - ROOMS
        - (OTHERS - {"Sequential", "DataParallel", "SyncBatchNorm"})
        - RECURRENT
    ),
)
def test_forward_has_torch_s_signature(name: str) -> None:
    assert parameters(getattr(nn, name).forward) == parameters(getattr(torch.nn, name).forward)


MODULE_METHODS = sorted(
    name
    for name in dir(nn.Module)
    if callable(getattr(nn.Module, name)) and not name.startswith("_") and name != "forward"
)


@pytest.mark.parametrize("name", MODULE_METHODS)
def test_module_method_has_torch_s_signature(name: str) -> None:
    ours, theirs = parameters(getattr(nn.Module, name)), parameters(getattr(torch.nn.Module, name))
    assert ours == theirs


# ---- what PyTorch does not tell ----------------------------------------------------------------


def test_batch_norm_wants_its_shape() -> None:
    with pytest.raises(
        ShapeError, match=r"BatchNorm2d: input must be \(N, C, H, W\), got \(2, 3\)"
    ):
        nn.BatchNorm2d(3)(npnet.ones(2, 3))
    with pytest.raises(ShapeError, match="BatchNorm1d: input has 2 channels but num_features is 3"):
        nn.BatchNorm1d(3)(npnet.ones(4, 2))


def test_batch_norm_counts_and_resets() -> None:
    layer = nn.BatchNorm1d(2)
    for _ in range(3):
        layer(npnet.randn(5, 2))
    assert layer.num_batches_tracked.item() == 3
    layer.eval()(npnet.randn(5, 2))
    assert layer.num_batches_tracked.item() == 3
    layer.reset_parameters()
    assert layer.num_batches_tracked.item() == 0
    assert layer.running_var.tolist() == [1.0, 1.0]


def test_impossible_layers_are_refused() -> None:
    for build, message in (
        (lambda: nn.Linear(-1, 1), "features must be >= 0"),
        (lambda: nn.Conv2d(0, 1, 1), "channels must be >= 1"),
        (lambda: nn.Conv2d(4, 6, 3, groups=3), "groups must be"),
        (lambda: nn.Conv2d(1, 1, 3, padding_mode="mirror"), "padding_mode must be one of"),
        (lambda: nn.Conv2d(1, 1, 3, padding="full"), "padding"),
        (lambda: nn.Conv2d(1, 1, 3, stride=2, padding="same"), "same"),
        (lambda: nn.Conv2d(1, 1, 3, stride=0), "stride"),
        (lambda: nn.Dropout(1.5), r"p must lie in \[0, 1\]"),
        (lambda: nn.Dropout(float("nan")), r"p must lie in \[0, 1\]"),
    ):
        with pytest.raises(ValueError, match=message):
            build()


def test_linear_says_what_a_lenet_user_did_wrong() -> None:
    with pytest.raises(
        ShapeError, match=r"^Linear: input has 256 features but weight takes 400.*32"
    ):
        nn.Linear(400, 120)(npnet.ones(1, 256))


@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
def test_dropout_keeps_the_mean_and_drops_its_share(p: float) -> None:
    npnet.manual_seed(0)
    layer, n = nn.Dropout(p), 200_000
    y = layer(npnet.ones(n)).array
    dropped = float((y == 0).mean())
    assert abs(dropped - p) < 5 * np.sqrt(p * (1 - p) / n)  # five standard deviations
    assert_allclose(y[y != 0], 1 / (1 - p), rtol=1e-6)
    x = npnet.ones(10)
    assert layer.eval()(x) is x


def test_dropout_s_gradient_has_its_mask_and_the_seed_its_draw() -> None:
    x = npnet.ones(100, requires_grad=True)
    npnet.manual_seed(3)
    y = nn.Dropout(0.5)(x)
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == y.tolist()
    npnet.manual_seed(3)
    assert nn.Dropout(0.5)(x).tolist() == y.tolist()


def test_max_pool_returns_indices() -> None:
    x = npnet.randn(2, 3, 6, 6)
    y, at = nn.MaxPool2d(2, return_indices=True)(x)
    y_ref, at_ref = torch.nn.MaxPool2d(2, return_indices=True)(torch.from_numpy(x.array))
    assert at.tolist() == at_ref.tolist()
    assert y.tolist() == y_ref.tolist()


@pytest.mark.parametrize("dims", [1, 2])
def test_unpooling_takes_what_pooling_gives(dims: int) -> None:
    x = npnet.randn(2, 3, 7, 6).flatten(2)[:, :, :9] if dims == 1 else npnet.randn(2, 3, 7, 6)
    results = []
    for lib, given in ((nn, x), (torch.nn, torch.from_numpy(x.array.copy()))):
        pool = getattr(lib, f"MaxPool{dims}d")(3, 2, return_indices=True)
        unpool = getattr(lib, f"MaxUnpool{dims}d")(3, stride=2)
        results.append((unpool(*pool(given), output_size=given.shape), repr(unpool)))
    (y, name), (y_ref, name_ref) = results
    assert y.tolist() == y_ref.tolist()
    assert name == name_ref


def test_fractional_pool_begins_its_windows_where_it_is_told() -> None:
    x, u = npnet.randn(2, 3, 9, 8), npnet.rand(2, 3, 2)
    y, at = nn.FractionalMaxPool2d(2, 4, return_indices=True, _random_samples=u)(x)
    theirs = torch.nn.FractionalMaxPool2d(
        2, 4, return_indices=True, _random_samples=torch.from_numpy(u.array)
    )
    y_ref, at_ref = theirs(torch.from_numpy(x.array))
    assert (y.tolist(), at.tolist()) == (y_ref.tolist(), at_ref.tolist())
    npnet.manual_seed(0)
    first = nn.FractionalMaxPool2d(2, output_ratio=0.5)(x)
    npnet.manual_seed(0)
    assert nn.FractionalMaxPool2d(2, output_ratio=0.5)(x).tolist() == first.tolist()


def test_transposed_convolution_takes_the_size_it_shall_give() -> None:
    ours, theirs = nn.ConvTranspose2d(3, 4, 3, 2, 1), torch.nn.ConvTranspose2d(3, 4, 3, 2, 1)
    ours.load_state_dict(theirs.state_dict())
    x = npnet.randn(2, 3, 5, 6)
    for size in ((10, 11), (2, 4, 9, 12), [9, 11]):
        y = theirs(torch.from_numpy(x.array), output_size=size)
        assert_allclose(ours(x, output_size=list(size)).detach(), y.detach(), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match=r"output_size must lie between \(9, 11\) and \(10, 12\)"):
        ours(x, output_size=[11, 11])


def test_linear_without_features_is_torch_s() -> None:
    for inputs, outputs in ((0, 3), (3, 0), (0, 0)):
        layer = nn.Linear(inputs, outputs)
        y = layer(npnet.ones(2, inputs))
        assert y.shape == (2, outputs)
        np.testing.assert_array_equal(
            y.detach().numpy(),
            0 * y.detach().numpy()
            + (layer.bias.detach().numpy() if inputs == 0 else y.detach().numpy()),
        )
        y.sum().backward()
        assert layer.weight.grad is not None
        assert layer.weight.grad.shape == (outputs, inputs)


def test_a_refused_batch_does_not_count() -> None:
    for momentum in (0.1, None):
        layer = nn.BatchNorm1d(2, momentum=momentum)
        with pytest.raises(ValueError, match="value"):
            layer(npnet.ones(1, 2))
        assert layer.num_batches_tracked.item() == 0
        layer(npnet.tensor([[1.0, 2.0], [3.0, 6.0]]))
        assert layer.num_batches_tracked.item() == 1
