"""Activations, softmaxes, gates and dropout."""

from __future__ import annotations

from npnet.explain.explanation import Explanations, explain

__all__ = ["ACTIVATIONS"]

X = [[0.5, -1.0, 2.0], [1.5, 0.3, -0.7], [-2.0, 1.0, 0.8]]
WIDE = [[0.5, -1.0, 7.0], [1.5, -4.0, -0.7], [-2.0, 1.0, 0.8]]
LOGITS = [[2.0, -1.0, 0.5], [0.0, 1.0, 3.0]]
BY_ITSELF = "Each y hangs on its own x alone, so the chain rule has one term: gx = gy * dy/dx."
MASKED = (
    "The mask is drawn in the forward pass and kept: from there on it is a constant.",
    "y = x * m with m = mask / (1 - p), so gx = gy * m: what was dropped gets no gradient, what "
    "was kept is scaled as it was forward.",
)
AFFINE_MASK = (
    "y = a * (x where kept, else -1.758...) + b, with a and b made of p so that mean 0 and "
    "variance 1 stay: constants.",
    "dy/dx is a where x was kept and 0 where not: gx = gy * a * mask.",
)

ACTIVATIONS: Explanations = {
    "relu": explain(
        "F.relu(x)",
        {"x": X},
        BY_ITSELF,
        "y = x for x > 0, whose derivative is 1; y = 0 for x < 0, whose derivative is 0.",
        "At x = 0 there is none: any number from 0 to 1 is a subgradient, and 0 is taken, as in "
        "PyTorch.",
        "So gx = gy where x > 0, else 0. x > 0 exactly where y > 0, so y is kept, and not x.",
    ),
    "leaky_relu": explain(
        "F.leaky_relu(x, 0.1)",
        {"x": X},
        BY_ITSELF,
        "Two straight pieces: slope 1 for x > 0, else negative_slope.",
        "gx = gy * (1 where x > 0, else negative_slope).",
    ),
    "prelu": explain(
        "F.prelu(x, weight)",
        {"x": X, "weight": [0.25]},
        "By x it is leaky_relu: gx = gy * (1 where x > 0, else weight).",
        "By the weight: dy/dweight = x where x <= 0, else 0.",
        "One weight serves many values: gweight = sum of gy * x over those where x <= 0.",
    ),
    "rrelu": explain(
        "F.rrelu(x, training=True)",
        {"x": X},
        "The slopes a below 0 are drawn in the forward pass and kept.",
        "gx = gy * (1 where x > 0, else a).",
    ),
    "elu": explain(
        "F.elu(x)",
        {"x": X},
        BY_ITSELF,
        "For x > 0 the slope is 1. Below, d/dx alpha * (exp(x) - 1) = alpha * exp(x).",
        "gx = gy where x > 0, else gy * alpha * exp(x); with alpha = 1 both meet at 1.",
    ),
    "celu": explain(
        "F.celu(x, 2.0)",
        {"x": X},
        BY_ITSELF,
        "Below 0, d/dx alpha * (exp(x / alpha) - 1) = exp(x / alpha), which is 1 at 0 for every "
        "alpha: the curve has no kink.",
        "gx = gy where x > 0, else gy * exp(x / alpha).",
    ),
    "selu": explain(
        "F.selu(x)",
        {"x": X},
        BY_ITSELF,
        "It is elu times a scale: slope scale above 0, scale * alpha * exp(x) below.",
        "gx = gy * scale where x > 0, else gy * scale * alpha * exp(x).",
    ),
    "gelu": explain(
        "F.gelu(x)",
        {"x": X},
        BY_ITSELF,
        "y = x * Phi(x), a product: dy/dx = Phi(x) + x * Phi'(x).",
        "Phi is the integral of the normal density, so Phi' = phi(x) = exp(-x^2 / 2) / sqrt(2 pi).",
        "gx = gy * (Phi(x) + x * phi(x)).",
    ),
    "gelu_tanh": explain(
        "F.gelu(x, approximate='tanh')",
        {"x": X},
        BY_ITSELF,
        "y = x / 2 * (1 + t) with t = tanh(u), u = a * (x + b * x^3): close to gelu, without erf.",
        "By the product rule dy/dx = (1 + t) / 2 + x / 2 * dt/dx.",
        "By the chain rule dt/dx = (1 - t^2) * a * (1 + 3 b x^2).",
    ),
    "silu": explain(
        "F.silu(x)",
        {"x": X},
        BY_ITSELF,
        "y = x * s with s = sigmoid(x), and s' = s * (1 - s).",
        "dy/dx = s + x * s * (1 - s) = s * (1 + x * (1 - s)), and gx is gy times that.",
    ),
    "mish": explain(
        "F.mish(x)",
        {"x": X},
        BY_ITSELF,
        "y = x * t, t = tanh(p), p = log(1 + exp(x)): dt/dp = 1 - t^2 and dp/dx = sigmoid(x) = s.",
        "dy/dx = t + x * (1 - t^2) * s = t + x * s * (1 - t) * (1 + t), and gx is gy times that.",
    ),
    "hardswish": explain(
        "F.hardswish(x)",
        {"x": WIDE},
        BY_ITSELF,
        "y is 0 up to -3, x from 3 on, and x * (x + 3) / 6 = x^2 / 6 + x / 2 between.",
        "The slopes are 0, 1 and x / 3 + 1 / 2.",
    ),
    "hardsigmoid": explain(
        "F.hardsigmoid(x)",
        {"x": WIDE},
        BY_ITSELF,
        "y = (x + 3) / 6 between -3 and 3, a constant outside.",
        "gx = gy / 6 between, 0 outside. (1 / 6 is rounded to float32 in every dtype, as in "
        "PyTorch: finite differences see that, at 1e-8.)",
    ),
    "hardtanh": explain(
        "F.hardtanh(x)",
        {"x": [[0.5, -1.5, 2.0], [1.5, 0.3, -0.7], [-2.0, 0.9, 0.8]]},
        BY_ITSELF,
        "Between the bounds y = x, whose slope is 1; outside y is a constant.",
        "gx = gy between the bounds, 0 outside and on them.",
    ),
    "relu6": explain(
        "F.relu6(x)",
        {"x": WIDE},
        BY_ITSELF,
        "hardtanh from 0 to 6: gx = gy where 0 < x < 6, else 0.",
    ),
    "threshold": explain(
        "F.threshold(x, 0.4, -1.0)",
        {"x": X},
        BY_ITSELF,
        "Above the threshold y = x; below, a constant. It jumps there, which no gradient tells.",
        "gx = gy where x > threshold, else 0.",
    ),
    "hardshrink": explain(
        "F.hardshrink(x)",
        {"x": [[0.6, -1.0, 2.0], [1.5, 0.3, -0.7], [-0.2, 1.0, 0.8]]},
        BY_ITSELF,
        "y = x outside [-lambd, lambd], 0 inside.",
        "gx = gy outside, 0 inside.",
    ),
    "softshrink": explain(
        "F.softshrink(x)",
        {"x": [[0.6, -1.0, 2.0], [1.5, 0.3, -0.7], [-0.2, 1.0, 0.8]]},
        BY_ITSELF,
        "y = x - lambd or x + lambd outside [-lambd, lambd]: the slope is 1; inside y = 0.",
        "gx = gy outside, 0 inside.",
    ),
    "softplus": explain(
        "F.softplus(x)",
        {"x": X},
        BY_ITSELF,
        "y = log(1 + e) / beta, e = exp(beta * x): dy/dx = (1 / beta) * beta * e / (1 + e).",
        "e / (1 + e) = 1 / (1 + exp(-beta * x)), so gx = gy * sigmoid(beta * x).",
    ),
    "softsign": explain(
        "F.softsign(x)",
        {"x": X},
        BY_ITSELF,
        "Quotient rule: dy/dx = (1 + |x| - x * sign(x)) / (1 + |x|)^2 = 1 / (1 + |x|)^2.",
        "The tape has it of abs, add and div, each with its own backward pass.",
    ),
    "tanhshrink": explain(
        "F.tanhshrink(x)",
        {"x": X},
        BY_ITSELF,
        "dy/dx = 1 - (1 - tanh(x)^2) = tanh(x)^2.",
        "The tape has it of tanh and sub: two gradients arrive at x and add up.",
    ),
    "sigmoid": explain(
        "F.sigmoid(x)",
        {"x": X},
        BY_ITSELF,
        "y = 1 / (1 + e), e = exp(-x): dy/dx = e / (1 + e)^2 = 1 / (1 + e) * e / (1 + e).",
        "e / (1 + e) = 1 - y, so dy/dx = y * (1 - y): the output is all that need be kept.",
        "It is 1 / 4 at most and goes to 0 on both sides: saturated units do not learn.",
    ),
    "logsigmoid": explain(
        "F.logsigmoid(x)",
        {"x": X},
        BY_ITSELF,
        "y = -log(1 + exp(-x)): dy/dx = exp(-x) / (1 + exp(-x)) = sigmoid(-x).",
        "gx = gy * sigmoid(-x).",
    ),
    "tanh": explain(
        "F.tanh(x)",
        {"x": X},
        BY_ITSELF,
        "y = sinh(x) / cosh(x), sinh' = cosh, cosh' = sinh: dy/dx = (cosh^2 - sinh^2) / cosh^2.",
        "That is 1 - y^2, so the output is all that need be kept: gx = gy * (1 - y^2).",
    ),
    "glu": explain(
        "F.glu(x)",
        {"x": [[0.5, -1.0, 2.0, 0.3], [1.5, 0.3, -0.7, 1.0]]},
        "x = (a, b) in halves and y = a * s with s = sigmoid(b).",
        "By a: dy/da = s, so ga = gy * s.",
        "By b: dy/db = a * s * (1 - s), so gb = gy * a * s * (1 - s); gx is both side by side.",
    ),
    "softmax": explain(
        "F.softmax(x, 1)",
        {"x": LOGITS},
        "With E = sum over j of exp(x_j): y_i = exp(x_i) / E, so every y hangs on every x of "
        "its row.",
        "Quotient rule: dy_i/dx_j = y_i * ([i = j] - y_j).",
        "Chain rule: gx_j = sum over i of gy_i * y_i * ([i = j] - y_j) "
        "= y_j * gy_j - y_j * sum over i of gy_i * y_i.",
        "gx = y * (gy - sum(gy * y)): no Jacobian is ever made. Each row of gx sums to 0, as "
        "adding the same number to all x changes nothing.",
    ),
    "log_softmax": explain(
        "F.log_softmax(x, 1)",
        {"x": LOGITS},
        "y_i = x_i - log E with E = sum over j of exp(x_j), and d(log E)/dx_j = exp(x_j) / E = "
        "exp(y_j), the softmax.",
        "dy_i/dx_j = [i = j] - exp(y_j).",
        "gx_j = sum over i of gy_i * ([i = j] - exp(y_j)) = gy_j - exp(y_j) * sum(gy).",
    ),
    "softmin": explain(
        "F.softmin(x, 1)",
        {"x": LOGITS},
        "softmin(x) = softmax(-x): the inner derivative is -1.",
        "gx = -y * (gy - sum(gy * y)).",
    ),
    "gumbel_softmax": explain(
        "F.gumbel_softmax(x, 0.5)",
        {"x": LOGITS},
        "The noise g is drawn once: y = softmax((x + g) / tau), and g is a constant.",
        "softmax's gradient, divided by tau: gx = y * (gy - sum(gy * y)) / tau.",
    ),
    "dropout": explain("F.dropout(x, 0.4)", {"x": X}, *MASKED),
    "dropout1d": explain(
        "F.dropout1d(x, 0.5)", {"x": [[[1.0, 2.0], [-1.0, 3.0], [0.5, 1.5]]]}, *MASKED,
        "One number of the mask stands for a whole channel.",
    ),
    "dropout2d": explain(
        "F.dropout2d(x, 0.5)", {"x": [[[[1.0, 2.0]], [[-1.0, 3.0]], [[0.5, 1.5]]]]}, *MASKED,
        "One number of the mask stands for a whole channel.",
    ),
    "dropout3d": explain(
        "F.dropout3d(x, 0.5)", {"x": [[[[[1.0, 2.0]]], [[[-1.0, 3.0]]], [[[0.5, 1.5]]]]]}, *MASKED,
        "One number of the mask stands for a whole channel.",
    ),
    "alpha_dropout": explain("F.alpha_dropout(x, 0.4, training=True)", {"x": X}, *AFFINE_MASK),
    "feature_alpha_dropout": explain(
        "F.feature_alpha_dropout(x, 0.5, training=True)",
        {"x": [[[1.0, 2.0], [-1.0, 3.0], [0.5, 1.5]]]},
        *AFFINE_MASK,
        "One number of the mask stands for a whole channel.",
    ),
}  # fmt: skip
