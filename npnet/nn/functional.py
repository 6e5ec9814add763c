"""The ops under the names of `torch.nn.functional`."""

from npnet.ops.activation import (
    elu,
    elu_,
    gelu,
    hardswish,
    leaky_relu,
    leaky_relu_,
    log_softmax,
    relu,
    relu_,
    sigmoid,
    silu,
    softmax,
    tanh,
)
from npnet.ops.adaptive_max_pool import adaptive_max_pool1d, adaptive_max_pool2d
from npnet.ops.attention import scaled_dot_product_attention
from npnet.ops.conv import conv1d, conv2d
from npnet.ops.conv_transpose import conv_transpose1d, conv_transpose2d
from npnet.ops.ctc import ctc_loss
from npnet.ops.distance import (
    cosine_embedding_loss,
    normalize,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from npnet.ops.dropout import (
    alpha_dropout,
    dropout,
    dropout1d,
    dropout2d,
    dropout3d,
    feature_alpha_dropout,
)
from npnet.ops.elementwise_loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    huber_loss,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)
from npnet.ops.embedding import bilinear, embedding
from npnet.ops.embedding_bag import embedding_bag
from npnet.ops.folding import fold, unfold
from npnet.ops.fractional_pool import fractional_max_pool2d
from npnet.ops.grid_sample import affine_grid, grid_sample
from npnet.ops.indexing import one_hot
from npnet.ops.interpolate import interpolate, upsample, upsample_bilinear, upsample_nearest
from npnet.ops.likelihood import gaussian_nll_loss, kl_div, poisson_nll_loss
from npnet.ops.linear import linear
from npnet.ops.loss import cross_entropy, nll_loss
from npnet.ops.margin_loss import (
    hinge_embedding_loss,
    margin_ranking_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    soft_margin_loss,
)
from npnet.ops.multihead import multi_head_attention_forward
from npnet.ops.norm import batch_norm, group_norm, layer_norm
from npnet.ops.norms import cosine_similarity, pairwise_distance, pdist
from npnet.ops.padding import pad
from npnet.ops.piecewise import (
    hardshrink,
    hardsigmoid,
    hardtanh,
    hardtanh_,
    prelu,
    relu6,
    rrelu,
    rrelu_,
    softshrink,
    threshold,
    threshold_,
)
from npnet.ops.pixel_shuffle import pixel_shuffle, pixel_unshuffle
from npnet.ops.pool import adaptive_avg_pool2d, avg_pool2d, max_pool2d
from npnet.ops.pool1d import adaptive_avg_pool1d, avg_pool1d, max_pool1d
from npnet.ops.power_pool import lp_pool1d, lp_pool2d
from npnet.ops.sample_norm import instance_norm, local_response_norm, rms_norm
from npnet.ops.shuffle import channel_shuffle
from npnet.ops.smooth import (
    celu,
    celu_,
    glu,
    gumbel_softmax,
    logsigmoid,
    mish,
    selu,
    selu_,
    softmin,
    softplus,
    softsign,
    tanhshrink,
)
from npnet.ops.unpool import max_unpool1d, max_unpool2d

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "affine_grid",
    "alpha_dropout",
    "avg_pool1d",
    "avg_pool2d",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "celu_",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "ctc_loss",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "elu_",
    "embedding",
    "embedding_bag",
    "feature_alpha_dropout",
    "fold",
    "fractional_max_pool2d",
    "gaussian_nll_loss",
    "gelu",
    "glu",
    "grid_sample",
    "group_norm",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "hinge_embedding_loss",
    "huber_loss",
    "instance_norm",
    "interpolate",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "local_response_norm",
    "log_softmax",
    "logsigmoid",
    "lp_pool1d",
    "lp_pool2d",
    "margin_ranking_loss",
    "max_pool1d",
    "max_pool2d",
    "max_unpool1d",
    "max_unpool2d",
    "mish",
    "mse_loss",
    "multi_head_attention_forward",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "pdist",
    "pixel_shuffle",
    "pixel_unshuffle",
    "poisson_nll_loss",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rms_norm",
    "rrelu",
    "rrelu_",
    "scaled_dot_product_attention",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "unfold",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]
