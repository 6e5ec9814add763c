"""What ops are called elsewhere, and what has no derivative."""

from __future__ import annotations

__all__ = ["ALSO", "WITHOUT"]


def _all(names: str, meaning: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), meaning)


# Ops that have no derivative, or none that says anything.
WITHOUT = {
    **_all(
        "one_hot argmax argmin argsort argwhere nonzero count_nonzero bincount histc searchsorted "
        "bucketize matrix_rank gcd lcm bitwise_and bitwise_or bitwise_xor bitwise_not "
        "bitwise_left_shift bitwise_right_shift",
        "its result is whole numbers, which have no derivative",
    ),
    **_all(
        "all any allclose eq equal ge gt greater greater_equal isclose isfinite isin isinf isnan "
        "isneginf isposinf isreal le lt less less_equal logical_and logical_not logical_or "
        "logical_xor ne not_equal signbit",
        "its result is true or false",
    ),
    **_all(
        "ceil fix floor floor_divide heaviside round sgn sign trunc",
        "it is constant but for its jumps, and its gradient 0",
    ),
    **_all("bernoulli binomial multinomial poisson", "it draws at random"),
    **_all("unique unique_consecutive", "how many values there are depends on the values"),
    "detach": "it cuts the tape, so that no gradient goes through",
}
# What a layer or an op is called elsewhere, without its underscores.
ALSO = {
    **_all("attention", "scaled_dot_product_attention"),
    **_all("batchnorm1d batchnorm2d batchnorm3d", "batch_norm"),
    **_all("instancenorm instancenorm1d instancenorm2d instancenorm3d", "instance_norm"),
    **_all("bceloss", "binary_cross_entropy"),
    **_all("bcewithlogitsloss", "binary_cross_entropy_with_logits"),
    **_all("crossentropyloss", "cross_entropy"),
    **_all("nllloss", "nll_loss"),
    **_all("multiheadattention", "multi_head_attention_forward"),
    **_all("convolution conv conv3d", "conv2d"),
    **_all("dense", "linear"),
    **_all("swish", "silu"),
    **_all("softmax2d logits", "softmax"),
    **_all("maxpool maxpooling pooling", "max_pool2d"),
    **_all("avgpool averagepool averagepooling meanpool", "avg_pool2d"),
    **_all("lrn", "local_response_norm"),
    **{f"{cell}cell": cell for cell in ("rnn", "lstm", "gru")},
    **_all("@ mm bmm mv dot vdot addmm", "matmul"),
    **_all("+ plus", "add"),
    **_all("- subtract", "sub"),
    **_all("* multiply", "mul"),
    **_all("/ divide truedivide", "div"),
    **_all("% mod", "remainder"),
    "**": "pow",
    **_all("negative", "neg"),
    **_all("positive contiguous", "clone"),
    **_all("absolute", "abs"),
    **_all("clip", "clamp"),
    **{f"arc{f}": f"a{f}" for f in ["cos", "cosh", "sin", "sinh", "tan", "tan2", "tanh"]},
    **_all("view viewas reshapeas squeeze unsqueeze unflatten ravel", "reshape"),
    **_all("atleast1d atleast2d atleast3d", "reshape"),
    **_all("t mt swapaxes swapdims adjoint", "transpose"),
    **_all("moveaxis", "movedim"),
    **_all("broadcastto broadcasttensors expandas", "expand"),
    **_all("concat concatenate", "cat"),
    **_all("rowstack", "vstack"),
    **_all("fliplr flipud", "flip"),
    **_all("splitwithsizes unsafesplit", "split"),
    **_all("unsafechunk", "chunk"),
    **_all("dsplit hsplit vsplit", "tensor_split"),
    **_all("narrowcopy", "narrow"),
    **_all("index indexing slice setitem", "getitem"),
    **_all("ger", "outer"),
    **_all("chainmatmul", "multi_dot"),
    **_all("inverse", "inv"),
    **_all("pinverse", "pinv"),
    **_all("trapz", "trapezoid"),
}
