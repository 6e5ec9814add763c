"""The registry, what the networks look like, and how they are initialised."""

from __future__ import annotations

import ast
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import npnet
import npnet.models
import reference.models
from npnet.base.arrays import Array
from npnet.base.checks import ShapeError
from npnet.models import MLP, MODELS, create, resnet18

PARAMETERS = {
    "lenet4": 29_290,
    "lenet5": 61_706,
    "lenet": 61_706,
    "lenet_fc": 61_706,
    "convnet": 5_070_832,
    "resnet18": 11_181_642,
    "resnet20": 269_722,
    "mlp": 266_610,
}
# Two samples of one distribution are further apart than this by chance in one of a million tests.
KOLMOGOROV_SMIRNOV = math.sqrt(-math.log(1e-6 / 2) / 2)


# ---- the registry ------------------------------------------------------------------------------


def test_every_network_is_in_both_registries() -> None:
    assert list(MODELS) == list(PARAMETERS) == list(reference.models.MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_parameter_counts(name: str) -> None:
    assert sum(p.numel() for p in create(name).parameters()) == PARAMETERS[name]
    build = MODELS[name].build
    docs = f"{build.__doc__} {npnet.models.ResNet.__doc__} {npnet.models.CifarResNet.__doc__}"
    assert f"{PARAMETERS[name]:,} parameters" in docs


@pytest.mark.parametrize("name", MODELS)
def test_repr_and_keys_are_those_of_pytorch(name: str) -> None:
    ours, theirs = create(name), reference.models.create(name)
    assert repr(ours) == repr(theirs)
    ours_shapes = {k: tuple(v.shape) for k, v in ours.state_dict().items()}
    assert list(ours_shapes.items()) == [
        (k, tuple(v.shape)) for k, v in theirs.state_dict().items()
    ]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("channels", [1, 3])
def test_any_channels_and_classes(name: str, channels: int) -> None:
    size = MODELS[name].size_for(1)
    x = np.zeros((2, channels, size, size), np.float32)
    ours = create(name, in_channels=channels, num_classes=7).eval()
    theirs = reference.models.create(name, in_channels=channels, num_classes=7).eval()
    assert ours(npnet.from_numpy(x)).shape == theirs(torch.from_numpy(x)).shape == (2, 7)


def test_default_channels_are_the_same() -> None:
    for name in ("lenet5", "convnet", "resnet20"):
        channels = MODELS[name].in_channels
        assert create(name).conv1.in_channels == channels
        assert reference.models.create(name).get_submodule("conv1").in_channels == channels


@pytest.mark.parametrize("build", [create, reference.models.create])
def test_an_unknown_name_is_told_with_the_nearest(build: Any) -> None:
    with pytest.raises(
        ValueError, match=r"one of lenet4, .*; got 'renset18'; did you mean 'resnet"
    ):
        build("renset18")


@pytest.mark.parametrize(
    ("name", "size", "resized"),
    [
        ("lenet5", 28, 32),
        ("lenet5", 64, 32),
        ("convnet", 32, 28),
        ("resnet18", 28, 32),
        ("resnet18", 224, 224),
        ("resnet20", 28, 32),
        ("mlp", 8, 28),
    ],
)
def test_what_images_are_resized_to(name: str, size: int, resized: int) -> None:
    assert MODELS[name].size_for(size) == resized


@pytest.mark.parametrize("name", ["lenet4", "lenet5", "lenet", "lenet_fc"])
def test_a_mnist_sized_image_is_told_to_be_resized(name: str) -> None:
    with pytest.raises(ShapeError, match=r"LeNet wants 32x32 images: .*transforms\.Resize\(32\)"):
        create(name)(npnet.zeros(1, 1, 28, 28))


def test_mlp_takes_hidden_layers_and_activation() -> None:
    options: dict[str, Any] = {"hidden": (20,), "activation": "relu"}
    model = create("mlp", in_channels=1, num_classes=3, **options)
    assert repr(model) == repr(reference.models.create("mlp", num_classes=3, **options))
    assert repr(model.layers[1]) == "ReLU()"
    function = MLP(widths=(1, 64, 64, 1), activation="tanh")
    assert function(npnet.zeros(5, 1)).shape == (5, 1)
    assert sum(p.numel() for p in function.parameters()) == 4_353


def test_mlp_refuses_what_is_no_network() -> None:
    with pytest.raises(ValueError, match="MLP: widths must hold input and output"):
        MLP(widths=(3,))
    with pytest.raises(
        ValueError, match=r"activation must be one of .*'tahn'; did you mean 'tanh'"
    ):
        MLP(widths=(3, 4), activation="tahn")


# ---- the same program in both libraries ----------------------------------------------------------


def program(path: Path) -> str:
    """The code of a file, without docstrings, with the name `torch` read as `npnet`.

    The reference takes the words of an error from a module of its own.
    """
    text = path.read_text(encoding="utf-8").replace("torch", "npnet")
    text = text.replace("reference.models.names", "npnet.base.checks")
    tree = ast.parse(text.replace("reference.models", "npnet.models"))
    # Sorted: each file has its own library last.
    tree.body.sort(key=lambda node: ast.unparse(node) if isinstance(node, ast.ImportFrom) else "")
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(
            node
        ):
            del node.body[0]
    return ast.unparse(tree)


@pytest.mark.parametrize("name", ["convnet.py", "lenet.py", "mlp.py", "resnet_cifar.py"])
def test_only_the_word_torch_differs(name: str) -> None:
    ours, theirs = (Path(m.__path__[0]) / name for m in (npnet.models, reference.models))
    assert program(ours) == program(theirs)


# ---- initial weights ---------------------------------------------------------------------------


def drawn(library: Any, build: Any, name: str) -> dict[str, Array]:
    """All weights by name; of small networks those of many fresh ones beside each other."""
    library.manual_seed(0)
    count = 20 if PARAMETERS[name] < 1e6 else 1
    states = [dict(build(name).named_parameters()) for _ in range(count)]
    return {k: np.concatenate([s[k].detach().numpy().ravel() for s in states]) for k in states[0]}


def distance(a: Array, b: Array) -> float:
    """The Kolmogorov-Smirnov statistic: the largest gap between two distribution functions."""
    both = np.sort(np.concatenate([a, b]))
    below = [np.searchsorted(np.sort(x), both, side="right") / x.size for x in (a, b)]
    return float(np.abs(below[0] - below[1]).max())


@pytest.mark.parametrize("name", MODELS)
def test_initial_weights_are_distributed_as_pytorchs(name: str) -> None:
    ours, theirs = drawn(npnet, create, name), drawn(torch, reference.models.create, name)
    for key, expected in theirs.items():
        n = expected.size
        if np.ptp(expected) == 0:
            np.testing.assert_array_equal(ours[key], expected, err_msg=key)
            continue
        assert distance(ours[key], expected) < KOLMOGOROV_SMIRNOV * math.sqrt(2 / n), key
        # The std of n values is known to std / sqrt(2n), for normal ones; of two, six times that.
        assert ours[key].std() == pytest.approx(expected.std(), rel=6 / math.sqrt(n)), key


@pytest.mark.parametrize("name", ["lenet5", "convnet", "mlp"])
def test_uniform_weights_reach_up_to_pytorchs_bound_and_not_beyond(name: str) -> None:
    fan_in = {
        layer: math.prod(m.weight.shape[1:])
        for layer, m in create(name).named_modules()
        if isinstance(m, (npnet.nn.Conv2d, npnet.nn.Linear))
    }
    for values in (drawn(npnet, create, name), drawn(torch, reference.models.create, name)):
        for key, value in values.items():
            layer = key.rpartition(".")[0]
            if layer in fan_in:
                bound = 1 / math.sqrt(fan_in[layer])
                assert bound * (1 - 20 / value.size) < np.abs(value).max() <= bound * (1 + 1e-6), (
                    key
                )


def test_zero_init_residual_starts_blocks_as_the_identity() -> None:
    for zero in (False, True):
        model = resnet18(zero_init_residual=zero)
        blocks = [m for m in model.modules() if isinstance(m, npnet.models.BasicBlock)]
        assert len(blocks) == 8
        for block in blocks:
            assert (block.bn2.weight.detach().numpy() == (0 if zero else 1)).all()
            assert (block.bn1.weight.detach().numpy() == 1).all()
