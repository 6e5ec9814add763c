"""Convolutions, pools and what else goes over an image by windows."""

from __future__ import annotations

from npnet.explain.explanation import Explanations, explain

__all__ = ["WINDOWS"]

IMAGE = [[[[1.0, 2.0, -1.0], [0.5, -2.0, 3.0], [1.5, 0.0, -0.5]]]]  # (1, 1, 3, 3)
SIGNAL = [[[1.0, -2.0, 0.5, 3.0, -1.5]]]  # (1, 1, 5)
POSITIVE = [[[[1.0, 2.0, 0.5], [1.5, 3.0, 2.5], [4.0, 0.2, 0.8]]]]
KERNEL = [[[[0.5, -1.0], [2.0, 1.0]]]]  # (1, 1, 2, 2)

AS_ROW = (
    "A signal (N, C, L) is an image (N, C, 1, L) of one row, so everything is that of {}.",
    "Both reshapes only rename places: their backward pass reshapes the gradient back.",
)


def _as_row(op: str) -> tuple[str, ...]:
    return tuple(step.format(op) for step in AS_ROW)


WINDOWS: Explanations = {
    "conv2d": explain(
        "F.conv2d(x, weight, bias)",
        {"x": IMAGE, "weight": KERNEL, "bias": [0.5]},
        "Write y[o, p] = bias[o] + sum over r of weight[o, r] * columns[r, p]: p is a pixel of the "
        "output, r runs over channel, row and column of the kernel, and columns[:, p] is the "
        "window of x below p (im2col). A convolution is a matrix product.",
        "Chain rule for the bias: dy[o, p] / dbias[o] = 1 for every pixel p, so "
        "gbias[o] = sum over p of gy[o, p].",
        "For the weight: dy[o, p] / dweight[o, r] = columns[r, p], so gweight[o, r] = sum over p "
        "of gy[o, p] * columns[r, p], which is gy columns^T: each weight has seen every window.",
        "For the columns: gcolumns[r, p] = sum over o of weight[o, r] * gy[o, p], which is "
        "weight^T gy.",
        "A pixel of x lies in several windows, and so in several columns: its gradient is the sum "
        "over all of them (col2im). Where windows overlap it must be +=, not =.",
        "So gx is a convolution of gy with the kernel turned by 180 degrees, with stride and "
        "dilation changing places.",
    ),
    "conv1d": explain(
        "F.conv1d(x, weight, bias)",
        {"x": SIGNAL, "weight": [[[1.0, 0.5, -1.0]]], "bias": [0.5]},
        *_as_row("conv2d"),
        "gbias = sum of gy; gweight[u] = sum over i of gy[i] * x[i + u]; gx[j] = sum over u of "
        "weight[u] * gy[j - u], where j - u is a place of gy.",
    ),
    "conv_transpose2d": explain(
        "F.conv_transpose2d(x, weight, bias, stride=2)",
        {"x": [[[[1.0, -2.0], [0.5, 3.0]]]], "weight": KERNEL, "bias": [0.5]},
        "A convolution is y = A x for a matrix A that the weight fills; this op is y = A^T x: "
        "what conv2d does in its backward pass.",
        "The derivative of A^T x by x is A^T, so gx = A gy: the forward pass of conv2d.",
        "y is linear in the weight too: each product weight[u, v] * x[i, j] went to "
        "y[i*S + u, j*S + v], so gweight[u, v] = sum over i, j of x[i, j] * gy[i*S + u, j*S + v]: "
        "conv2d's gradient of its weight, with x and gy having changed places.",
        "gbias[o] = sum of gy over batch and pixels.",
    ),
    "conv_transpose1d": explain(
        "F.conv_transpose1d(x, weight, bias, stride=2)",
        {"x": [[[1.0, -2.0, 3.0]]], "weight": [[[1.0, 0.5, -1.0]]], "bias": [0.5]},
        *_as_row("conv_transpose2d"),
        "gx[i] = sum over u of weight[u] * gy[i*S + u]; gweight[u] = sum over i of x[i] * "
        "gy[i*S + u].",
    ),
    "max_pool2d": explain(
        "F.max_pool2d(x, 2, stride=1)",
        {"x": IMAGE},
        "y[i, j] is one of the pixels of its window: the first largest one, at the place w(i, j) "
        "that the forward pass keeps.",
        "Near there y[i, j] = x[w(i, j)]: the derivative is 1 by that pixel and 0 by all others.",
        "Chain rule: gx[p] = sum of gy[i, j] over all windows whose winner is p. Windows that "
        "overlap may have the same winner, so gradients add up.",
        "Where two pixels are equal there is no derivative; as in PyTorch, the first in row-major "
        "order gets everything.",
    ),
    "max_pool1d": explain("F.max_pool1d(x, 2, stride=1)", {"x": SIGNAL}, *_as_row("max_pool2d")),
    "avg_pool2d": explain(
        "F.avg_pool2d(x, 2, stride=1)",
        {"x": IMAGE},
        "y[i, j] = (sum of the K pixels of the window) / K is linear: its derivative by each of "
        "these pixels is 1 / K.",
        "Chain rule: gx[p] = sum over the windows (i, j) that p lies in of gy[i, j] / K.",
        "With padding that does not count, or windows that reach out, K is another in each window: "
        "gy is divided first, then added up.",
    ),
    "avg_pool1d": explain("F.avg_pool1d(x, 2)", {"x": SIGNAL}, *_as_row("avg_pool2d")),
    "adaptive_avg_pool2d": explain(
        "F.adaptive_avg_pool2d(x, 2)",
        {"x": IMAGE},
        "The mean over a rectangle is the mean over its rows of the means over its columns, so two "
        "passes along one axis each do it.",
        "Along one axis y[i] = (sum over j of bin i of x[j]) / size of bin i: linear.",
        "gx[j] = sum over the bins i that j lies in of gy[i] / size of bin i. Neighbouring bins "
        "may share a pixel, which then gets both shares.",
        "Backward goes through the two passes in the other order.",
    ),
    "adaptive_avg_pool1d": explain(
        "F.adaptive_avg_pool1d(x, 2)", {"x": SIGNAL}, *_as_row("adaptive_avg_pool2d")
    ),
    "adaptive_max_pool2d": explain(
        "F.adaptive_max_pool2d(x, 2)",
        {"x": IMAGE},
        "As max_pool2d, with bins in place of windows: y[i, j] = x[w(i, j)], the largest pixel of "
        "its bin.",
        "gx[p] = sum of gy[i, j] over the bins whose winner is p; bins may share a pixel.",
    ),
    "adaptive_max_pool1d": explain(
        "F.adaptive_max_pool1d(x, 2)", {"x": SIGNAL}, *_as_row("adaptive_max_pool2d")
    ),
    "fractional_max_pool2d": explain(
        "F.fractional_max_pool2d(x, 2, output_size=2)",
        {"x": IMAGE},
        "Where the windows begin is drawn, and then fixed: from there on it is max_pool2d.",
        "gx[p] = sum of gy over the windows whose largest pixel is p.",
    ),
    "lp_pool2d": explain(
        "F.lp_pool2d(x, 2, 2, stride=1)",
        {"x": POSITIVE},
        "With s the sum of x^p over a window, y = s^(1/p).",
        "dy/ds = (1/p) * s^(1/p - 1) = y / (p * s), and ds/dx = p * x^(p-1) for a pixel of the "
        "window.",
        "Together gx[p'] = sum over its windows of gy * y / s * x^(p-1); for p = 2 that is "
        "gy * x / y. The tape does it by the powers and the average pool that it is written with.",
    ),
    "lp_pool1d": explain(
        "F.lp_pool1d(x, 2, 2)", {"x": [[[1.0, 2.0, 0.5, 3.0]]]}, *_as_row("lp_pool2d")
    ),
    "max_unpool2d": explain(
        "F.max_unpool2d(x, indices, 2)",
        {"x": [[[[1.0, -2.0], [3.0, 0.5]]]], "indices": [[[[0, 3], [9, 14]]]]},
        "Each value goes to one place: y[indices[i]] = x[i], all else is 0.",
        "dy/dx is 1 there: gx[i] = gy[indices[i]], a look-up.",
    ),
    "max_unpool1d": explain(
        "F.max_unpool1d(x, indices, 2)",
        {"x": [[[1.0, -2.0, 3.0]]], "indices": [[[1, 2, 5]]]},
        *_as_row("max_unpool2d"),
    ),
    "unfold": explain(
        "F.unfold(x, 2)",
        {"x": IMAGE},
        "Each output is a copy of one pixel: columns[r, p] = x at place r of the window p.",
        "A pixel was copied once for each window that it lies in, so gx[pixel] = sum of gy over "
        "all its copies: col2im, which is fold.",
    ),
    "fold": explain(
        "F.fold(x, (3, 3), (2, 2))",
        {
            "x": [
                [[1.0, 2.0, -1.0, 0.5], [0.5, -2.0, 3.0, 1.0], [1.5, 0.0, -0.5, 2.0],
                 [1.0, 1.0, 2.0, -3.0]]
            ]
        },
        "Each pixel of y is a sum of the columns' values that belong to it.",
        "The derivative of a sum by each of its terms is 1, so every column gets the gradient of "
        "its pixel: gx = unfold(gy).",
    ),
    "interpolate": explain(
        "F.interpolate(x, scale_factor=2, mode='bilinear', align_corners=True)",
        {"x": [[[[1.0, 2.0], [-1.0, 3.0]]]]},
        "Each pixel of y is a weighted mean of its neighbours in x, and the weights hang on places "
        "alone: y = R x C^T, R for rows and C for columns.",
        "Linear, so gx = R^T gy C: each pixel of x collects gy by the weights that it was given.",
    ),
    "upsample": explain(
        "F.interpolate(x, scale_factor=2)",
        {"x": [[[[1.0, 2.0], [-1.0, 3.0]]]]},
        "The older name of interpolate. By the nearest pixel, each pixel of x is copied to a block "
        "of y.",
        "gx is the sum of gy over that block.",
    ),
    "upsample_nearest": explain(
        "F.interpolate(x, scale_factor=2, mode='nearest')",
        {"x": [[[[1.0, 2.0], [-1.0, 3.0]]]]},
        "Each pixel of x is copied to a block of y.",
        "gx is the sum of gy over that block.",
    ),
    "upsample_bilinear": explain(
        "F.interpolate(x, size=(3, 3), mode='bilinear', align_corners=True)",
        {"x": [[[[1.0, 2.0], [-1.0, 3.0]]]]},
        "y = R x C^T with weights that hang on places alone.",
        "gx = R^T gy C.",
    ),
    "grid_sample": explain(
        "F.grid_sample(x, grid, align_corners=True)",
        {"x": IMAGE, "grid": [[[[-0.4, 0.3], [0.6, -0.7]]]]},
        "A place (u, v) between four pixels gives y = (1-a)(1-b) x00 + a(1-b) x01 + (1-a) b x10 + "
        "ab x11, where a and b are how far it is from the first column and row.",
        "y is linear in the pixels: each of the four gets gy times its weight, added up over all "
        "places that look at it.",
        "By a: dy/da = (1-b)(x01 - x00) + b (x11 - x10), and b alike; times how many pixels a "
        "step of the grid is, (W - 1) / 2 and (H - 1) / 2 here, that is ggrid.",
        "Where (u, v) falls on a pixel, weights bend: there the gradient is one side's.",
    ),
    "affine_grid": explain(
        "F.affine_grid(theta, (1, 1, 2, 2), align_corners=True)",
        {"theta": [[[1.0, 0.5, -0.2], [0.0, 2.0, 0.3]]]},
        "grid[i, j] = theta @ (u_j, v_i, 1): a matrix product with places that are constants.",
        "gtheta = sum over i, j of ggrid[i, j] (u_j, v_i, 1)^T.",
    ),
    "pad": explain(
        "F.pad(x, (1, 1), mode='reflect')",
        {"x": [[1.0, -2.0, 3.0]]},
        "Each value of y is a copy of one of x, or a constant.",
        "Constants want no gradient; gx is the sum of gy over all copies: for zeros, gy with the "
        "border cut off; for reflect, replicate and circular, with the border added to where it "
        "came from.",
    ),
    "pixel_shuffle": explain(
        "F.pixel_shuffle(x, 2)",
        {"x": [[[[1.0]], [[-2.0]], [[3.0]], [[0.5]]]]},
        "Values change places and nothing else: y[place(i)] = x[i].",
        "gx[i] = gy[place(i)]: the inverse, pixel_unshuffle, of gy.",
    ),
    "pixel_unshuffle": explain(
        "F.pixel_unshuffle(x, 2)",
        {"x": [[[[1.0, -2.0], [3.0, 0.5]]]]},
        "Values change places and nothing else.",
        "gx = pixel_shuffle(gy).",
    ),
    "channel_shuffle": explain(
        "F.channel_shuffle(x, 2)",
        {"x": [[[1.0], [-2.0], [3.0], [0.5]]]},
        "Channels (groups, C/groups) are read as (C/groups, groups): a transpose.",
        "gx is gy with the transpose undone.",
    ),
}  # fmt: skip
