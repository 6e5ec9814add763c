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
from npnet.ops.conv import conv2d, unfold
from npnet.ops.dropout import dropout
from npnet.ops.elementwise_loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    mse_loss,
)
from npnet.ops.indexing import one_hot
from npnet.ops.linear import linear
from npnet.ops.loss import cross_entropy, nll_loss
from npnet.ops.norm import batch_norm, group_norm, layer_norm
from npnet.ops.padding import pad
from npnet.ops.pool import adaptive_avg_pool2d, avg_pool2d, max_pool2d

__all__ = [
    "adaptive_avg_pool2d",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "conv2d",
    "cross_entropy",
    "dropout",
    "elu",
    "gelu",
    "group_norm",
    "hardswish",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "pad",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
    "unfold",
]
