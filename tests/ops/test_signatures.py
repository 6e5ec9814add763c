"""The functions of `nn.functional` take PyTorch's arguments, in its order, with its defaults."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch.nn.functional as reference

from npnet.nn import functional as F

REQUIRED = inspect.Parameter.empty

# Built-in functions have no signature; max_pool2d's is behind a dispatcher. From their pages in
# PyTorch's documentation.
DOCUMENTED: dict[str, dict[str, Any]] = {
    "avg_pool2d": {
        "input": REQUIRED,
        "kernel_size": REQUIRED,
        "stride": None,
        "padding": 0,
        "ceil_mode": False,
        "count_include_pad": True,
        "divisor_override": None,
    },
    "conv2d": {
        "input": REQUIRED,
        "weight": REQUIRED,
        "bias": None,
        "stride": 1,
        "padding": 0,
        "dilation": 1,
        "groups": 1,
    },
    "conv1d": {
        "input": REQUIRED,
        "weight": REQUIRED,
        "bias": None,
        "stride": 1,
        "padding": 0,
        "dilation": 1,
        "groups": 1,
    },
    **{
        f"conv_transpose{dims}d": {
            "input": REQUIRED,
            "weight": REQUIRED,
            "bias": None,
            "stride": 1,
            "padding": 0,
            "output_padding": 0,
            "groups": 1,
            "dilation": 1,
        }
        for dims in (1, 2)
    },
    "adaptive_avg_pool1d": {"input": REQUIRED, "output_size": REQUIRED},
    **{
        f"adaptive_max_pool{dims}d": {
            "input": REQUIRED,
            "output_size": REQUIRED,
            "return_indices": False,
        }
        for dims in (1, 2)
    },
    "avg_pool1d": {
        "input": REQUIRED,
        "kernel_size": REQUIRED,
        "stride": None,
        "padding": 0,
        "ceil_mode": False,
        "count_include_pad": True,
    },
    "fractional_max_pool2d": {
        "input": REQUIRED,
        "kernel_size": REQUIRED,
        "output_size": None,
        "output_ratio": None,
        "return_indices": False,
        "_random_samples": None,
    },
    "gelu": {"input": REQUIRED, "approximate": "none"},
    "max_pool1d": {
        "input": REQUIRED,
        "kernel_size": REQUIRED,
        "stride": None,
        "padding": 0,
        "dilation": 1,
        "ceil_mode": False,
        "return_indices": False,
    },
    "linear": {"input": REQUIRED, "weight": REQUIRED, "bias": None},
    "max_pool2d": {
        "input": REQUIRED,
        "kernel_size": REQUIRED,
        "stride": None,
        "padding": 0,
        "dilation": 1,
        "ceil_mode": False,
        "return_indices": False,
    },
    "one_hot": {"tensor": REQUIRED, "num_classes": -1},
    "pixel_shuffle": {"input": REQUIRED, "upscale_factor": REQUIRED},
    "pixel_unshuffle": {"input": REQUIRED, "downscale_factor": REQUIRED},
    "bilinear": {"input1": REQUIRED, "input2": REQUIRED, "weight": REQUIRED, "bias": None},
    "celu_": {"input": REQUIRED, "alpha": 1.0},
    "channel_shuffle": {"input": REQUIRED, "groups": REQUIRED},
    "cosine_similarity": {"x1": REQUIRED, "x2": REQUIRED, "dim": 1, "eps": 1e-8},
    "elu_": {"input": REQUIRED, "alpha": 1.0},
    "hardshrink": {"input": REQUIRED, "lambd": 0.5},
    "hardtanh_": {"input": REQUIRED, "min_val": -1.0, "max_val": 1.0},
    "leaky_relu_": {"input": REQUIRED, "negative_slope": 0.01},
    "logsigmoid": {"input": REQUIRED},
    "pairwise_distance": {
        "x1": REQUIRED,
        "x2": REQUIRED,
        "p": 2.0,
        "eps": 1e-6,
        "keepdim": False,
    },
    "pdist": {"input": REQUIRED, "p": 2},
    "prelu": {"input": REQUIRED, "weight": REQUIRED},
    "relu_": {"input": REQUIRED},
    "rrelu_": {"input": REQUIRED, "lower": 1 / 8, "upper": 1 / 3, "training": False},
    "scaled_dot_product_attention": {
        "query": REQUIRED,
        "key": REQUIRED,
        "value": REQUIRED,
        "attn_mask": None,
        "dropout_p": 0.0,
        "is_causal": False,
        "scale": None,
        "enable_gqa": False,
    },
    "selu_": {"input": REQUIRED},
    "softplus": {"input": REQUIRED, "beta": 1, "threshold": 20},
    "softshrink": {"input": REQUIRED, "lambd": 0.5},
    "threshold_": {"input": REQUIRED, "threshold": REQUIRED, "value": REQUIRED},
}


def arguments(function: Any) -> dict[str, Any]:
    return {name: p.default for name, p in inspect.signature(function).parameters.items()}


@pytest.mark.parametrize("name", F.__all__)
def test_arguments_are_pytorchs(name: str) -> None:
    theirs = DOCUMENTED[name] if name in DOCUMENTED else arguments(getattr(reference, name))
    ours = arguments(getattr(F, name))
    assert list(ours) == list(theirs)
    assert ours == theirs


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_table_is_needed(name: str) -> None:
    with pytest.raises((ValueError, AssertionError)):
        assert list(arguments(getattr(reference, name))) == list(DOCUMENTED[name])
