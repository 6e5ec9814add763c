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
INTS, DOUBLE = zeros(2, 3, 8, 8, dtype=np.int64), zeros(4, 3, 3, 3, dtype=np.float64)

WINDOWS: list[Refusal] = [
    (
        lambda: F.conv2d(zeros(3, 8, 8), W),
        ShapeError,
        "conv2d: input must have 4 axes (N, C, H, W), got 3: input.shape = (3, 8, 8)",
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
    (lambda: F.conv2d(INTS, W.long()), RuntimeError, f"conv2d: {ONE_DTYPE} int64"),
    (
        lambda: F.conv2d(X.numpy(), W),  # type: ignore[arg-type]
        TypeError,
        "conv2d: inputs must be tensors, got ndarray; npnet.as_tensor makes one",
    ),
    (lambda: F.max_pool2d(zeros(3, 8, 8), 2), ShapeError, "max_pool2d: input must have 4 axes"),
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
    (lambda: F.avg_pool2d(INTS, 2), RuntimeError, f"avg_pool2d: {ONE_DTYPE} int64"),
    (
        lambda: F.adaptive_avg_pool2d(X, (1, 2, 3)),
        TypeError,
        "adaptive_avg_pool2d: output_size must be two numbers, got (1, 2, 3)",
    ),
    (lambda: F.adaptive_avg_pool2d(X, -1), ValueError, "output_size must be >= 0, got (-1, -1)"),
    (lambda: F.adaptive_avg_pool2d(zeros(1, 1, 0, 2), 1), ShapeError, "the image has no pixels"),
    (lambda: F.adaptive_avg_pool2d(INTS, 1), RuntimeError, f"adaptive_avg_pool2d: {ONE_DTYPE}"),
    (lambda: F.unfold(X, 9), ShapeError, "unfold: the kernel reaches over (9, 9) pixels"),
    (lambda: F.unfold(zeros(3, 8, 8), 2), ShapeError, "unfold: input must have 4 axes"),
]


@all_of(WINDOWS)
def test_says_what_is_wrong(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    check(call, error, text)
