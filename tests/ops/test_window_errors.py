"""What convolution, pooling and unfolding refuse: the op, the rule, what arrived."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from npnet.base.checks import ShapeError
from npnet.nn import functional as F
from tests.ops.refusals import ONE_DTYPE, Refusal, all_of, check, zeros

NAN = float("nan")
X, W = zeros(2, 3, 8, 8), zeros(4, 3, 3, 3)
INTS, DOUBLE = zeros(2, 3, 8, 8, dtype=np.int32), zeros(4, 3, 3, 3, dtype=np.float64)

WINDOWS: list[Refusal] = [
    (
        lambda: F.conv2d(zeros(8, 8), W),
        ShapeError,
        "conv2d: input must be (N, C, H, W), or (C, H, W) for one, got 2 axes: input.shape",
    ),
    (
        lambda: F.conv2d(X, zeros(4, 3, 3)),
        ShapeError,
        "conv2d: weight must have 4 axes (O, C/groups, KH, KW), got 3",
    ),
    (
        lambda: F.conv2d(zeros(128, 1, 28, 28), zeros(6, 3, 5, 5)),
        ShapeError,
        "conv2d: x has 1 channel but weight takes 3; got x (128, 1, 28, 28), weight (6, 3, 5, 5)",
    ),
    (
        lambda: F.conv2d(X, zeros(4, 2, 3, 3), groups=2),
        ShapeError,
        "conv2d: x has 3 channels but weight takes 2 in each of 2 groups",
    ),
    (lambda: F.conv2d(X, W, zeros(3)), ShapeError, "conv2d: bias must be (4,), got (3,)"),
    (
        lambda: F.conv2d(X, zeros(4, 3, 9, 9)),
        ShapeError,
        "conv2d: the kernel reaches over (9, 9) pixels but the padded input has (8, 8)",
    ),
    (
        lambda: F.conv2d(zeros(1, 16, 4, 4), zeros(120, 16, 5, 5)),
        ShapeError,
        "LeNet wants 32x32 images: resize with transforms.Resize(32)",
    ),
    (lambda: F.conv2d(X, W, groups=0), ValueError, "conv2d: groups must be >= 1 and divide the 4"),
    (lambda: F.conv2d(X, W, groups=3), ValueError, "output channels, got 3"),
    (lambda: F.conv2d(X, W, stride=0), ValueError, "conv2d: stride must be >= 1, got 0"),
    (lambda: F.conv2d(X, W, stride=(1, -1)), ValueError, "stride must be >= 1, got (1, -1)"),
    (lambda: F.conv2d(X, W, padding=-1), ValueError, "conv2d: padding must be >= 0, got -1"),
    (lambda: F.conv2d(X, W, dilation=0), ValueError, "conv2d: dilation must be >= 1, got 0"),
    (
        lambda: F.conv2d(X, W, padding=(1, 1, 1)),  # type: ignore[arg-type]
        TypeError,
        "conv2d: padding must be an int or a pair of ints, got (1, 1, 1)",
    ),
    (
        lambda: F.conv2d(X, W, stride=NAN),  # type: ignore[arg-type]
        TypeError,
        "conv2d: stride must be an int or a pair of ints, got nan",
    ),
    (
        lambda: F.conv2d(X, W, padding="full"),
        ValueError,
        "conv2d: padding must be 'same', 'valid' or numbers, got 'full'",
    ),
    (
        lambda: F.conv2d(X, W, padding="same", stride=2),
        ValueError,
        "conv2d: padding 'same' needs stride 1, got (2, 2)",
    ),
    (lambda: F.conv2d(X, DOUBLE), RuntimeError, f"conv2d: {ONE_DTYPE} float32, float64; x.float()"),
    (lambda: F.conv2d(INTS, W.int()), RuntimeError, f"conv2d: {ONE_DTYPE} int32"),
    (
        lambda: F.conv2d(X.numpy(), W),  # type: ignore[arg-type]
        TypeError,
        "conv2d: inputs must be tensors, got ndarray; npnet.as_tensor makes one",
    ),
    (lambda: F.max_pool2d(zeros(8, 8), 2), ShapeError, "max_pool2d: input must be (N, C, H, W)"),
    (lambda: F.max_pool2d(X, 0), ValueError, "max_pool2d: kernel_size must be >= 1, got 0"),
    (lambda: F.max_pool2d(X, 2, 0), ValueError, "max_pool2d: stride must be >= 1, got 0"),
    (
        lambda: F.max_pool2d(X, 2, padding=2),
        ShapeError,
        "max_pool2d: padding must be at most half the kernel, (1, 1); got (2, 2)",
    ),
    (lambda: F.max_pool2d(X, 9), ShapeError, "max_pool2d: the kernel reaches over (9, 9) pixels"),
    (lambda: F.avg_pool2d(X, 2, padding=2), ShapeError, "avg_pool2d: padding must be at most half"),
    (
        lambda: F.avg_pool2d(X, 2, divisor_override=0),
        RuntimeError,
        "avg_pool2d: divisor_override must not be 0",
    ),
    (lambda: F.avg_pool2d(INTS, 2), RuntimeError, f"avg_pool2d: {ONE_DTYPE} int32"),
    (
        lambda: F.adaptive_avg_pool2d(X, (1, 2, 3)),
        TypeError,
        "adaptive_avg_pool2d: output_size must be two numbers, got (1, 2, 3)",
    ),
    (lambda: F.adaptive_avg_pool2d(X, -1), ValueError, "output_size must be >= 0, got (-1, -1)"),
    (lambda: F.adaptive_avg_pool2d(zeros(1, 1, 0, 2), 1), ShapeError, "the image has no pixels"),
    (lambda: F.adaptive_avg_pool2d(INTS, 1), RuntimeError, f"adaptive_avg_pool2d: {ONE_DTYPE}"),
    (lambda: F.unfold(X, 9), ShapeError, "unfold: the kernel reaches over (9, 9) pixels"),
    (lambda: F.unfold(zeros(8, 8), 2), ShapeError, "unfold: input must be (N, C, H, W)"),
]

ROW, V = zeros(2, 3, 8), zeros(3, 4, 3, 3)

RARER: list[Refusal] = [
    (lambda: F.conv1d(zeros(2, 3, 8, 8), W), ShapeError, "conv1d: input must be (N, C, L), or"),
    (lambda: F.conv1d(ROW, W), ShapeError, "conv1d: weight must have 3 axes (O, C/groups, K)"),
    (lambda: F.conv1d(ROW, zeros(4, 2, 3)), ShapeError, "conv1d: x has 3 channels but weight"),
    (
        lambda: F.conv1d(ROW, zeros(4, 3, 3), stride=(1, 1)),
        TypeError,
        "conv1d: stride must be an int or a sequence of one, got (1, 1)",
    ),
    (
        lambda: F.conv_transpose2d(X, W),
        ShapeError,
        "conv_transpose2d: x has 3 channels but weight takes 4; got x (2, 3, 8, 8), weight (4, 3",
    ),
    (lambda: F.conv_transpose2d(X, V, groups=2), ValueError, "must be >= 1 and divide the 3 input"),
    (lambda: F.conv_transpose2d(X, V, zeros(3)), ShapeError, "bias must be (4,), got (3,)"),
    (
        lambda: F.conv_transpose2d(X, V, stride=2, output_padding=2),
        RuntimeError,
        "output_padding must be less than the stride (2, 2) or the dilation (1, 1), got (2, 2)",
    ),
    (
        lambda: F.conv_transpose2d(zeros(1, 3, 1, 1), V, padding=2),
        ShapeError,
        "conv_transpose2d: the output would be (-1, -1) pixels",
    ),
    (lambda: F.max_pool1d(ROW, 9), ShapeError, "max_pool1d: the kernel reaches over (1, 9) pixels"),
    (lambda: F.avg_pool1d(X, 2), ShapeError, "avg_pool1d: input must be (N, C, L), or (C, L)"),
    (
        lambda: F.max_unpool2d(X, zeros(2, 3, 8, 8, dtype=np.int64) + 300, 2),
        RuntimeError,
        "max_unpool2d: indices must lie in [0, 255], as output (16, 16) has places, got 300 to 300",
    ),
    (lambda: F.max_unpool2d(X, X, 2), RuntimeError, "max_unpool2d: indices must be int64, got flo"),
    (
        lambda: F.max_unpool2d(X, INTS.long(), 2, output_size=(20, 16)),
        ValueError,
        "max_unpool2d: output_size must lie within a stride of (16, 16), got (20, 16)",
    ),
    (
        lambda: F.fold(zeros(2, 12, 7), (5, 6), 2),
        ShapeError,
        "fold: images of (5, 6) have (4, 5) windows, but input has 7 columns; got input (2, 12, 7)",
    ),
    (lambda: F.fold(zeros(2, 7, 20), (5, 6), 2), ShapeError, "fold: the 7 rows of input must be a"),
    (
        lambda: F.fractional_max_pool2d(X, 2),
        ValueError,
        "fractional_max_pool2d: needs an output_size or an output_ratio, got neither",
    ),
    (lambda: F.fractional_max_pool2d(X, 2, 8), ShapeError, "must fit into the image; got input (2"),
    (lambda: F.interpolate(X), ValueError, "needs either size or scale_factor, got neither"),
    (lambda: F.interpolate(X, 4, 2.0), ValueError, "either size or scale_factor, got both"),
    (
        lambda: F.interpolate(X, (4, 4, 4)),
        ValueError,
        "interpolate: size must be a number or 2 of them, as the input has axes beside N and C",
    ),
    (
        lambda: F.interpolate(X, 4, mode="linear"),
        NotImplementedError,
        "interpolate: mode 'linear' takes 3 axes, got (2, 3, 8, 8); mode 'bilinear' takes these",
    ),
    (lambda: F.interpolate(X, 4, mode="cubic"), NotImplementedError, "mode must be one of nearest"),
    (
        lambda: F.interpolate(X, 4, align_corners=True),
        ValueError,
        "interpolate: align_corners is of the modes linear, bilinear",
    ),
    (lambda: F.interpolate(X, 0), ShapeError, "interpolate: input and output must have pixels"),
    (lambda: F.interpolate(INTS, 4, mode="bilinear"), RuntimeError, f"interpolate: {ONE_DTYPE}"),
    (
        lambda: F.pixel_shuffle(X, 2),
        ShapeError,
        "pixel_shuffle: the channels must be a multiple of upscale_factor^2 = 4, got 3",
    ),
    (lambda: F.pixel_unshuffle(X, 3), ShapeError, "height and width must be multiples of 3"),
    (
        lambda: F.grid_sample(X, zeros(2, 4, 4, 3), align_corners=False),
        ShapeError,
        "grid_sample: takes input (N, C, H, W) and grid (N, OH, OW, 2)",
    ),
    (
        lambda: F.grid_sample(X, zeros(2, 4, 4, 2), "linear"),
        ValueError,
        "grid_sample: mode must be one of bilinear, nearest, bicubic; got 'linear'",
    ),
    (
        lambda: F.affine_grid(zeros(2, 3, 3), (2, 3, 8, 8), align_corners=False),
        ShapeError,
        "affine_grid: theta must be (2, 2, 3), got (2, 3, 3)",
    ),
]


@all_of(WINDOWS, RARER)
def test_says_what_is_wrong(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    check(call, error, text)
