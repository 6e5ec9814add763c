"""Cases of convolution, pooling, unfolding and normalisation."""

from __future__ import annotations

from typing import Any

from tests.cases.case import Case, Table, apart, constant, positive, ties

__all__ = ["CONVOLUTION", "NORMALISATION", "POOLING"]


def conv(x: tuple[int, ...], weight: tuple[int, ...], *, bias: bool = True, **options: Any) -> Case:
    """A case of conv2d with a bias or without."""
    shapes = [x, weight, weight[:1]] if bias else [x, weight]
    return Case([*shapes], lambda ns, *inputs: ns.conv2d(*inputs, **options))


CONVOLUTION: Table = {
    "conv2d": conv((2, 3, 7, 8), (4, 3, 3, 3)),
    "conv2d-no-bias": conv((2, 3, 7, 8), (4, 3, 3, 2), bias=False),
    "conv2d-positional": Case(
        [(2, 2, 6, 6), (4, 1, 3, 3), (4,)],
        lambda ns, x, w, b: ns.conv2d(x, w, b, (2, 1), (1, 0), (1, 2), 2),
    ),
    "conv2d-stride": conv((2, 3, 8, 9), (4, 3, 3, 3), stride=2),
    "conv2d-stride-pair": conv((2, 3, 8, 9), (4, 3, 3, 3), stride=(1, 3)),
    "conv2d-stride-beyond-kernel": conv((2, 3, 9, 9), (4, 3, 2, 2), stride=(4, 3)),
    "conv2d-padding": conv((2, 3, 5, 6), (4, 3, 3, 3), padding=2),
    "conv2d-padding-pair": conv((2, 3, 5, 6), (4, 3, 3, 3), padding=(0, 3)),
    "conv2d-same": conv((2, 3, 5, 6), (4, 3, 3, 5), padding="same"),
    "conv2d-same-dilation": conv((2, 3, 7, 6), (4, 3, 3, 2), padding="same", dilation=2),
    "conv2d-valid": conv((2, 3, 5, 6), (4, 3, 3, 3), padding="valid", stride=2),
    "conv2d-dilation": conv((2, 3, 9, 9), (4, 3, 3, 3), dilation=2, padding=1),
    "conv2d-dilation-pair": conv((2, 3, 9, 9), (4, 3, 3, 2), dilation=(1, 3), stride=2),
    "conv2d-groups": conv((2, 6, 5, 5), (4, 3, 3, 3), groups=2),
    "conv2d-depthwise": conv((2, 4, 5, 5), (8, 1, 3, 3), groups=4, padding=1, stride=2),
    "conv2d-1x1": conv((2, 3, 5, 5), (4, 3, 1, 1)),
    "conv2d-1x1-stride": conv((2, 3, 5, 5), (4, 3, 1, 1), stride=2, bias=False),
    "conv2d-kernel-is-image": conv((3, 4, 5, 5), (6, 4, 5, 5)),
    "conv2d-empty": conv((0, 3, 7, 8), (4, 3, 3, 3), padding=1),
    "conv2d-lenet": conv((16, 6, 14, 14), (16, 6, 5, 5)),
    "unfold": Case([(2, 3, 6, 7)], lambda ns, x: ns.unfold(x, 3)),
    "unfold-all": Case([(2, 3, 8, 7)], lambda ns, x: ns.unfold(x, (2, 3), (2, 1), (0, 1), (1, 2))),
    "unfold-empty": Case([(0, 3, 6, 7)], lambda ns, x: ns.unfold(x, 3)),
}

POOLING: Table = {
    "max_pool2d": Case([apart(2, 3, 6, 6)], lambda ns, x: ns.max_pool2d(x, 2)),
    "max_pool2d-overlap": Case([apart(2, 3, 7, 7)], lambda ns, x: ns.max_pool2d(x, 3, 2)),
    "max_pool2d-gaps": Case([apart(2, 3, 8, 8)], lambda ns, x: ns.max_pool2d(x, 2, 3)),
    "max_pool2d-padding": Case([apart(2, 3, 6, 6)], lambda ns, x: ns.max_pool2d(x, 3, 2, 1)),
    "max_pool2d-pairs": Case(
        [apart(2, 3, 7, 8)], lambda ns, x: ns.max_pool2d(x, (2, 3), (1, 2), (1, 0), (2, 1))
    ),
    "max_pool2d-dilation-padding": Case(
        [apart(2, 3, 8, 8)], lambda ns, x: ns.max_pool2d(x, 3, 1, 1, dilation=2)
    ),
    "max_pool2d-ceil": Case(
        [apart(2, 3, 7, 6)], lambda ns, x: ns.max_pool2d(x, 3, 2, ceil_mode=True)
    ),
    "max_pool2d-ceil-padding": Case(
        [apart(2, 3, 5, 6)], lambda ns, x: ns.max_pool2d(x, 2, 3, 1, ceil_mode=True)
    ),
    "max_pool2d-indices": Case(
        [apart(2, 3, 6, 7)], lambda ns, x: ns.max_pool2d(x, 3, 2, 1, return_indices=True)
    ),
    "max_pool2d-ties": Case(
        [ties(2, 3, 7, 7)],
        lambda ns, x: ns.max_pool2d(x, 3, 2, 1, ceil_mode=True, return_indices=True),
        smooth=False,
    ),
    "max_pool2d-empty": Case([(0, 3, 6, 6)], lambda ns, x: ns.max_pool2d(x, 2)),
    "avg_pool2d": Case([(2, 3, 6, 6)], lambda ns, x: ns.avg_pool2d(x, 2)),
    "avg_pool2d-rest": Case([(2, 3, 7, 8)], lambda ns, x: ns.avg_pool2d(x, (2, 3))),
    "avg_pool2d-overlap": Case([(2, 3, 7, 7)], lambda ns, x: ns.avg_pool2d(x, 3, 2)),
    "avg_pool2d-gaps": Case([(2, 3, 8, 8)], lambda ns, x: ns.avg_pool2d(x, 2, 3)),
    "avg_pool2d-padding": Case([(2, 3, 6, 6)], lambda ns, x: ns.avg_pool2d(x, 3, 2, 1)),
    "avg_pool2d-exclude-pad": Case(
        [(2, 3, 6, 7)], lambda ns, x: ns.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
    ),
    "avg_pool2d-ceil": Case([(2, 3, 7, 6)], lambda ns, x: ns.avg_pool2d(x, 3, 2, ceil_mode=True)),
    "avg_pool2d-ceil-padding": Case(
        [(2, 3, 5, 6)], lambda ns, x: ns.avg_pool2d(x, (2, 3), 3, 1, ceil_mode=True)
    ),
    "avg_pool2d-ceil-exclude-pad": Case(
        [(2, 3, 5, 6)], lambda ns, x: ns.avg_pool2d(x, 3, 2, 1, True, False)
    ),
    "avg_pool2d-divisor": Case(
        [(2, 3, 5, 6)], lambda ns, x: ns.avg_pool2d(x, 3, 2, 1, True, divisor_override=-5)
    ),
    "avg_pool2d-empty": Case([(0, 3, 6, 6)], lambda ns, x: ns.avg_pool2d(x, 2)),
    "adaptive_avg_pool2d": Case([(2, 3, 6, 8)], lambda ns, x: ns.adaptive_avg_pool2d(x, (3, 2))),
    "adaptive_avg_pool2d-1": Case([(2, 3, 6, 8)], lambda ns, x: ns.adaptive_avg_pool2d(x, 1)),
    "adaptive_avg_pool2d-uneven": Case(
        [(2, 3, 7, 5)], lambda ns, x: ns.adaptive_avg_pool2d(x, (3, 4))
    ),
    "adaptive_avg_pool2d-none": Case(
        [(2, 3, 7, 5)], lambda ns, x: ns.adaptive_avg_pool2d(x, (None, 3))
    ),
    "adaptive_avg_pool2d-larger": Case(
        [(2, 3, 2, 3)], lambda ns, x: ns.adaptive_avg_pool2d(x, (5, 7))
    ),
    "adaptive_avg_pool2d-empty": Case(
        [(0, 3, 6, 6)], lambda ns, x: ns.adaptive_avg_pool2d(x, (2, 4))
    ),
}


def trained(ns: Any, x: Any, mean: Any, var: Any, *affine: Any, **options: Any) -> Any:
    """Batch norm in training, and what becomes of copies of the running statistics."""
    mean, var = mean.clone(), var.clone()
    return ns.batch_norm(x, mean, var, *affine, training=True, **options), mean, var


MEAN, VAR = constant((3,)), constant(positive(3))

NORMALISATION: Table = {
    "instance_norm": Case(
        [(3, 4, 5, 2), (4,), (4,)], lambda ns, x, w, b: ns.instance_norm(x, weight=w, bias=b)
    ),
    "instance_norm-tracked": Case(
        [(4, 3, 5), MEAN, VAR, (3,), (3,)],
        lambda ns, x, m, v, w, b: (ns.instance_norm(x, m * 1, v * 1, w, b, momentum=0.3), m, v),
    ),
    "instance_norm-eval": Case(
        [(4, 3, 5), MEAN, VAR], lambda ns, x, m, v: ns.instance_norm(x, m, v, use_input_stats=False)
    ),
    "rms_norm": Case([(3, 4, 5), (5,)], lambda ns, x, w: ns.rms_norm(x, (5,), w)),
    "rms_norm-two": Case([(3, 4, 5)], lambda ns, x: ns.rms_norm(x, (4, 5), eps=0.1)),
    "local_response_norm": Case(
        [(2, 7, 3, 2)], lambda ns, x: ns.local_response_norm(x, 5, alpha=0.5, beta=0.6, k=2.0)
    ),
    "local_response_norm-even": Case(
        [(2, 3, 4)], lambda ns, x: ns.local_response_norm(x, 4, alpha=0.3)
    ),
    "batch_norm": Case([(4, 3, 5, 2), MEAN, VAR, (3,), (3,)], trained),
    "batch_norm-2d": Case([(6, 3), MEAN, VAR, (3,), (3,)], trained),
    "batch_norm-3d": Case([(4, 3, 5), MEAN, VAR, (3,), (3,)], trained),
    "batch_norm-plain": Case([(4, 3, 5, 2), MEAN, VAR], trained),
    "batch_norm-weight-only": Case([(4, 3, 5, 2), MEAN, VAR, (3,)], trained),
    "batch_norm-momentum": Case(
        [(4, 3, 5, 2), MEAN, VAR, (3,), (3,)],
        lambda ns, *inputs: trained(ns, *inputs, momentum=0.7, eps=0.1),
    ),
    "batch_norm-untracked": Case(
        [(4, 3, 5, 2), (3,), (3,)],
        lambda ns, x, w, b: ns.batch_norm(x, None, None, w, b, training=True),
    ),
    "batch_norm-eval": Case(
        [(4, 3, 5, 2), MEAN, VAR, (3,), (3,)], lambda ns, *inputs: ns.batch_norm(*inputs)
    ),
    "batch_norm-eval-plain": Case(
        [(4, 3), MEAN, VAR], lambda ns, *inputs: ns.batch_norm(*inputs, eps=0.1)
    ),
    "batch_norm-empty": Case([(0, 3, 5, 2), MEAN, VAR, (3,), (3,)], trained),
    "batch_norm-eval-empty": Case(
        [(0, 3, 5, 2), MEAN, VAR, (3,), (3,)], lambda ns, *inputs: ns.batch_norm(*inputs)
    ),
    "group_norm": Case([(3, 6, 5, 2), (6,), (6,)], lambda ns, x, w, b: ns.group_norm(x, 3, w, b)),
    "group_norm-2d": Case([(4, 6), (6,), (6,)], lambda ns, x, w, b: ns.group_norm(x, 2, w, b, 0.1)),
    "group_norm-one-group": Case([(3, 4, 5), (4,)], lambda ns, x, w: ns.group_norm(x, 1, w)),
    "group_norm-a-group-each": Case([(3, 4, 5, 2)], lambda ns, x: ns.group_norm(x, 4)),
    "group_norm-empty": Case([(0, 4, 5), (4,)], lambda ns, x, w: ns.group_norm(x, 2, w)),
    "layer_norm": Case([(4, 5), (5,), (5,)], lambda ns, x, w, b: ns.layer_norm(x, (5,), w, b)),
    "layer_norm-2-axes": Case(
        [(2, 3, 4, 5), (4, 5), (4, 5)], lambda ns, x, w, b: ns.layer_norm(x, (4, 5), w, b, 0.1)
    ),
    "layer_norm-no-bias": Case([(4, 5), (5,)], lambda ns, x, w: ns.layer_norm(x, (5,), w)),
    "layer_norm-bias-only": Case([(4, 5), (5,)], lambda ns, x, b: ns.layer_norm(x, (5,), bias=b)),
    "layer_norm-plain": Case([(2, 3, 5)], lambda ns, x: ns.layer_norm(x, [3, 5])),
    "layer_norm-empty": Case([(0, 5), (5,)], lambda ns, x, w: ns.layer_norm(x, (5,), w)),
}
