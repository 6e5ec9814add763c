"""The ops under the names of `torch.nn.functional`."""

from npnet.ops.activation import (
    elu,
    gelu,
    hardswish,
    leaky_relu,
    log_softmax,
    relu,
    sigmoid,
    silu,
    softmax,
    tanh,
)
from npnet.ops.adaptive_max_pool import adaptive_max_pool1d, adaptive_max_pool2d
from npnet.ops.conv import conv1d, conv2d
from npnet.ops.conv_transpose import conv_transpose1d, conv_transpose2d
from npnet.ops.dropout import dropout
from npnet.ops.elementwise_loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    mse_loss,
)
from npnet.ops.folding import fold, unfold
from npnet.ops.fractional_pool import fractional_max_pool2d
from npnet.ops.grid_sample import affine_grid, grid_sample
from npnet.ops.indexing import one_hot
from npnet.ops.interpolate import interpolate, upsample, upsample_bilinear, upsample_nearest
from npnet.ops.linear import linear
from npnet.ops.loss import cross_entropy, nll_loss
from npnet.ops.norm import batch_norm, group_norm, layer_norm
from npnet.ops.padding import pad
from npnet.ops.pixel_shuffle import pixel_shuffle, pixel_unshuffle
from npnet.ops.pool import adaptive_avg_pool2d, avg_pool2d, max_pool2d
from npnet.ops.pool1d import adaptive_avg_pool1d, avg_pool1d, max_pool1d
from npnet.ops.power_pool import lp_pool1d, lp_pool2d
from npnet.ops.unpool import max_unpool1d, max_unpool2d

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "affine_grid",
    "avg_pool1d",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "cross_entropy",
    "dropout",
    "elu",
    "fold",
    "fractional_max_pool2d",
    "gelu",
    "grid_sample",
    "group_norm",
    "hardswish",
    "interpolate",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "lp_pool1d",
    "lp_pool2d",
    "max_pool1d",
    "max_pool2d",
    "max_unpool1d",
    "max_unpool2d",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
    "unfold",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]
