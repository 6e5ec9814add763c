"""Every function and layer given something else where it takes a tensor: what it says."""

import inspect
import re

import numpy as np
import pytest
import torch

import npnet
import npnet.nn.functional as F
from npnet import nn

OTHERS = {
    "ndarray": np.ones((2, 3), np.float32),
    "list": [1.0, 2.0],
    "NoneType": None,
    "int": 3,
    "a PyTorch tensor": torch.ones(2, 3),
}
# What the other arguments are, so that the first is looked at.
REST = {"dim": 0, "dim0": 0, "dim1": 1, "dim2": 1, "axis0": 0, "axis1": 1, "kernel_size": 1}
REST |= {"output_size": 1, "chunks": 1, "repeats": 1, "size": (1, 1), "dims": (0, 1), "shape": (6,)}
REST |= {"shifts": 1, "pad": (1, 1), "k": 1, "groups": 1, "upscale_factor": 1, "sizes": (2, 3)}
REST |= {"downscale_factor": 1, "threshold": 0, "value": 0, "split_size_or_sections": 1}


# Some of each family, whose words are looked at.
NAMED = ["argmax", "cumsum", "detach", "exp", "exp_", "flatten", "is_complex", "is_nonzero", "mean"]
NAMED += ["median", "nonzero", "numel", "ones_like", "reshape", "sort", "std", "std_mean", "sum"]
NAMED += ["unique", "unsqueeze", "where", "zero_"]


def functions():
    """Those whose first argument is a tensor, with the others that they need."""
    for place in (npnet, F):
        for name in place.__all__:
            function = getattr(place, name)
            if inspect.isclass(function) or not callable(function):
                continue
            first, *rest = [*inspect.signature(function).parameters.values(), None]
            if first is None or not (
                first.name == "self" or re.match("'?Tensor'?$", str(first.annotation))
            ):
                continue
            needed = [p for p in rest if p and p.default is p.empty and p.kind < p.VAR_POSITIONAL]
            args = [REST.get(p.name, npnet.ones(2, 3)) for p in needed]
            yield f"{place.__name__}.{name}", name, function, args


def layers():
    for layer in (
        nn.Linear(3, 2),
        nn.Conv2d(3, 2, 1),
        nn.ReLU(),
        nn.BatchNorm2d(3),
        nn.Dropout(),
        nn.MaxPool2d(2),
        nn.LSTM(3, 2),
        nn.Embedding(3, 2),
        nn.LayerNorm(3),
        nn.Softmax(1),
        nn.Upsample(scale_factor=2),
        nn.PixelShuffle(1),
        nn.Sequential(nn.Linear(3, 2)),
    ):
        name = type(layer).__name__
        yield name, name, layer, []
    for loss in (nn.CrossEntropyLoss(), nn.MSELoss(), nn.BCEWithLogitsLoss()):
        name = type(loss).__name__
        yield name, name, loss, [npnet.ones(2, 3)]


@pytest.mark.filterwarnings("ignore")  # of sizes and deprecated names
@pytest.mark.parametrize("kind", OTHERS)
def test_no_word_of_the_inside(kind):
    said = {}
    for place, _, function, args in (*functions(), *layers()):
        try:
            function(OTHERS[kind], *args)
        except AttributeError as error:
            said[place] = str(error)
        except TypeError as error:
            if ": " not in str(error):
                said[place] = str(error)
        except (RuntimeError, ValueError, NotImplementedError, IndexError):
            pass  # of another argument
    assert not said


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("name", NAMED)
def test_the_op_and_what_arrived(name, kind):
    args = {"reshape": [(6,)], "unsqueeze": [0], "cumsum": [0]}.get(name, [])
    args = [npnet.ones(2), npnet.ones(2)] if name == "where" else args
    with pytest.raises(TypeError, match=f"^{name}: .*, got {kind}; npnet") as caught:
        getattr(npnet, name)(OTHERS[kind], *args)
    advice = "from_numpy" if "PyTorch" in kind else "as_tensor"
    assert advice in str(caught.value)


@pytest.mark.parametrize("kind", OTHERS)
def test_layers(kind):
    for _, _, layer, args in layers():
        with pytest.raises(TypeError, match=f"got {kind}"):
            layer(OTHERS[kind], *args)


def test_errors_of_a_program_are_its_own():
    class Wrong(nn.Module):
        def forward(self, x):
            return x.no_such

    with pytest.raises(AttributeError, match="no_such"):
        Wrong()(np.ones(2))
    with pytest.raises(AttributeError, match="no_such"):
        nn.Sequential(Wrong())(npnet.ones(2))


def test_make_grid_names_a_pytorch_tensor():
    from npnet.utils import make_grid

    with pytest.raises(TypeError, match="got a PyTorch tensor"):
        make_grid(torch.ones(1, 3, 4, 4))
