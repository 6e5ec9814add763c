"""The names by which students call things, for npnet's: arguments, weights, gradients, layers."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["ARGUMENTS", "GRADS", "WEIGHTS", "canonical", "gradient_names", "plain"]

# npnet's name -> others; compared in small letters and without underscores.
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "in_features": (
        "input_size", "input_dim", "in_dim", "n_in", "d_in", "in_size", "n_inputs", "num_inputs",
        "fan_in", "input_features", "dim_in", "inputs",
    ),
    "out_features": (
        "output_size", "output_dim", "out_dim", "n_out", "d_out", "out_size", "n_outputs",
        "num_outputs", "fan_out", "output_features", "dim_out", "outputs", "units",
    ),
    "in_channels": ("c_in", "in_ch", "input_channels", "n_in", "channels_in", "in_c"),
    "out_channels": (
        "c_out", "out_ch", "output_channels", "n_out", "channels_out", "out_c", "num_filters",
        "n_filters", "filters",
    ),
    "kernel_size": (
        "kernel", "k", "ksize", "filter_size", "pool_size", "size", "window", "window_size", "pool",
    ),
    "stride": ("s", "strides", "step"),
    "padding": ("pad", "p", "pads"),
    "num_features": ("channels", "features", "num_channels", "dim", "n_features", "c", "size"),
    "eps": ("epsilon",),
    "momentum": ("mu", "beta", "rho"),
    "p": ("prob", "rate", "drop_prob", "drop", "dropout", "drop_rate", "dropout_rate", "p_drop",
        "dropout_ratio", "ratio", "probability", "drop_probability", "dropout_prob", "dropout_p",
    ),
    "lr": ("learning_rate", "alpha", "eta", "step_size"),
    "weight_decay": ("wd", "decay", "l2", "lambda"),
    "beta1": ("b1", "beta_1"),
    "beta2": ("b2", "beta_2"),
    "betas": (),
    "training": (
        "train", "is_training", "is_train", "training_mode", "mode", "train_flg", "train_flag",
        "training_flag", "train_mode",
    ),
    "x": ("input", "inputs", "inp", "a", "z", "logits", "images", "scores", "data"),
    "target": ("targets", "y", "t", "label", "labels", "y_true", "true", "classes"),
    "gy": (
        "grad_output", "grad_out", "grad", "dout", "dy", "g", "upstream", "delta", "output_grad",
        "grad_y", "d_out", "dl_dy", "dldy", "upstream_grad", "out_grad", "dz", "grad_outputs",
    ),
    "param": ("w", "weight", "theta", "parameter", "value"),
    "params": ("parameters", "weights", "values"),
    "grads": ("gradients", "grad_dict"),
}  # fmt: skip
WEIGHTS: dict[str, tuple[str, ...]] = {
    "weight": ("weights", "w", "kernel", "kernels", "filters", "gamma", "scale"),
    "bias": ("biases", "b", "beta", "shift"),
    "running_mean": ("moving_mean", "mean_running", "run_mean", "ema_mean"),
    "running_var": ("moving_var", "var_running", "run_var", "running_variance", "moving_variance"),
}
GRADS = frozenset({"grads", "grad", "gradients", "dparams", "gradient"})  # dicts of gradients


def plain(name: str) -> str:
    """A name as names are compared."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def canonical(name: str, wanted: Iterator[str] | tuple[str, ...]) -> str | None:
    """Which of npnet's names a student's is: the same word first, another spelling then."""
    known = {**WEIGHTS, **ARGUMENTS}
    names = tuple(wanted)
    for ours in names:
        if plain(ours) == plain(name):
            return ours
    for ours in names:
        if plain(name) in map(plain, known.get(ours, ())):
            return ours
    return None


def gradient_names(name: str) -> tuple[str, ...]:
    """How the gradient of a weight of this name may be called, as `plain` has it."""
    base = plain(name)
    ends = (f"grad{base}", f"{base}grad", f"d{base}", f"g{base}", f"gradient{base}")
    return (*ends, f"{base}gradient", f"delta{base}", f"{base}g", f"dl{base}", f"dld{base}")
