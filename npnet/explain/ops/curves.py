"""Functions of one number or two: trigonometry, exponentials, gamma functions, rounding."""

from __future__ import annotations

from npnet.explain.explanation import Explanations, explain

__all__ = ["CURVES"]

X = [0.5, -1.2, 2.3]
OTHER = [2.0, 0.7, -1.5]
POSITIVE = [0.5, 1.3, 3.0]
ABOVE_ONE = [1.5, 2.0, 3.0]
INSIDE = [0.5, -0.8, 0.1]  # between -1 and 1
SHARE = [0.2, 0.5, 0.9]  # between 0 and 1
INVERSE = (
    "The inverse of a function: where x = f(y), dy/dx = 1 / f'(y), which is then written with x."
)
OF_A_BASE = "d(log_b x)/dx = 1 / (x * log b)."

CURVES: Explanations = {
    "tan": explain(
        "npnet.tan(x)",
        {"x": X},
        "y = sin x / cos x: by the quotient rule dy/dx = (cos^2 + sin^2) / cos^2 = 1 + tan^2.",
        "gx = gy * (1 + y^2): the result is enough.",
    ),
    "asin": explain(
        "npnet.asin(x)",
        {"x": INSIDE},
        INVERSE,
        "f = sin: f'(y) = cos y = sqrt(1 - sin^2 y) = sqrt(1 - x^2), so gx = gy / sqrt(1 - x^2).",
    ),
    "acos": explain(
        "npnet.acos(x)",
        {"x": INSIDE},
        "acos x = pi / 2 - asin x: the derivative of asin with the other sign.",
        "gx = -gy / sqrt(1 - x^2).",
    ),
    "atan": explain(
        "npnet.atan(x)",
        {"x": X},
        INVERSE,
        "f = tan: f'(y) = 1 + tan^2 y = 1 + x^2, so gx = gy / (1 + x^2).",
    ),
    "atan2": explain(
        "npnet.atan2(x, other)",
        {"x": X, "other": OTHER},
        "y is the angle of the point (other, x): atan(x / other) and a constant for its quadrant.",
        "With q = x / other: dy/dq = 1 / (1 + q^2) = other^2 / r^2, r^2 = x^2 + other^2.",
        "dq/dx = 1 / other and dq/dother = -x / other^2: gx = gy * other / r^2, "
        "gother = -gy * x / r^2.",
    ),
    "hypot": explain(
        "npnet.hypot(x, other)",
        {"x": X, "other": OTHER},
        "y = sqrt(x^2 + other^2): dy/dx = 2 x / (2 y) = x / y, and gother alike.",
    ),
    "sinh": explain(
        "npnet.sinh(x)",
        {"x": X},
        "y = (e^x - e^-x) / 2: dy/dx = (e^x + e^-x) / 2 = cosh x.",
    ),
    "cosh": explain(
        "npnet.cosh(x)",
        {"x": X},
        "y = (e^x + e^-x) / 2: dy/dx = (e^x - e^-x) / 2 = sinh x, with no change of sign.",
    ),
    "asinh": explain(
        "npnet.asinh(x)",
        {"x": X},
        INVERSE,
        "f = sinh: f'(y) = cosh y = sqrt(sinh^2 y + 1), so gx = gy / sqrt(x^2 + 1).",
    ),
    "acosh": explain(
        "npnet.acosh(x)",
        {"x": ABOVE_ONE},
        INVERSE,
        "f = cosh: f'(y) = sinh y = sqrt(cosh^2 y - 1), so gx = gy / sqrt(x^2 - 1).",
    ),
    "atanh": explain(
        "npnet.atanh(x)",
        {"x": INSIDE},
        INVERSE,
        "f = tanh: f'(y) = 1 - tanh^2 y, so gx = gy / (1 - x^2).",
    ),
    "sinc": explain(
        "npnet.sinc(x)",
        {"x": X},
        "y = sin(pi x) / (pi x): by the quotient rule dy/dx = cos(pi x) / x - sin(pi x) / "
        "(pi x^2) = (cos(pi x) - y) / x.",
        "At 0 the function is level: gx = 0 there.",
    ),
    "deg2rad": explain("npnet.deg2rad(x)", {"x": X}, "y = x * pi / 180: gx = gy * pi / 180."),
    "rad2deg": explain("npnet.rad2deg(x)", {"x": X}, "y = x * 180 / pi: gx = gy * 180 / pi."),
    "exp2": explain(
        "npnet.exp2(x)", {"x": X}, "2^x = e^(x log 2): dy/dx = y * log 2, so gx = gy * y * log 2."
    ),
    "expm1": explain(
        "npnet.expm1(x)", {"x": X}, "y = e^x - 1: dy/dx = e^x = y + 1, so gx = gy * (y + 1)."
    ),
    "log2": explain("npnet.log2(x)", {"x": POSITIVE}, OF_A_BASE, "gx = gy / (x * log 2)."),
    "log10": explain("npnet.log10(x)", {"x": POSITIVE}, OF_A_BASE, "gx = gy / (x * log 10)."),
    "log1p": explain(
        "npnet.log1p(x)", {"x": POSITIVE}, "y = log(1 + x): dy/dx = 1 / (1 + x), exact near 0 too."
    ),
    "logit": explain(
        "npnet.logit(x, 0.1)",
        {"x": [0.2, 0.5, 0.95]},
        "y = log(z) - log(1 - z) with z = x limited to [eps, 1 - eps].",
        "dy/dz = 1 / z + 1 / (1 - z) = 1 / (z * (1 - z)): the inverse of sigmoid's s * (1 - s).",
        "Where x was limited, y is constant: gx = 0. Without eps nothing is limited.",
    ),
    "xlogy": explain(
        "npnet.xlogy(x, other)",
        {"x": X, "other": POSITIVE},
        "y = x * log(other): gx = gy * log(other), gother = gy * x / other.",
    ),
    "logaddexp": explain(
        "npnet.logaddexp(x, other)",
        {"x": X, "other": OTHER},
        "y = log(e^x + e^other): dy/dx = e^x / (e^x + e^other) = e^(x - y).",
        "gx = gy * e^(x - y), gother = gy * e^(other - y): shares that add up to gy.",
    ),
    "logaddexp2": explain(
        "npnet.logaddexp2(x, other)",
        {"x": X, "other": OTHER},
        "y = log2(2^x + 2^other): dy/dx = 2^x log 2 / ((2^x + 2^other) log 2) = 2^(x - y).",
        "gx = gy * 2^(x - y), gother = gy * 2^(other - y).",
    ),
    "erf": explain(
        "npnet.erf(x)",
        {"x": X},
        "y = 2 / sqrt(pi) * the integral of e^(-t^2) for t from 0 to x: its derivative by the "
        "upper end is what is integrated, there.",
        "gx = gy * 2 / sqrt(pi) * e^(-x^2).",
    ),
    "erfc": explain(
        "npnet.erfc(x)", {"x": X}, "y = 1 - erf(x): gx = -gy * 2 / sqrt(pi) * e^(-x^2)."
    ),
    "erfinv": explain(
        "npnet.erfinv(x)",
        {"x": INSIDE},
        INVERSE,
        "f = erf: f'(y) = 2 / sqrt(pi) * e^(-y^2), so gx = gy * sqrt(pi) / 2 * e^(y^2).",
    ),
    "lgamma": explain(
        "npnet.lgamma(x)",
        {"x": POSITIVE},
        "y = log |gamma(x)|; digamma is by definition its derivative: gx = gy * digamma(x).",
    ),
    "digamma": explain(
        "npnet.digamma(x)",
        {"x": POSITIVE},
        "It is polygamma of order 0: gx = gy * polygamma(1, x).",
    ),
    "polygamma": explain(
        "npnet.polygamma(2, x)",
        {"x": POSITIVE},
        "polygamma(n, x) is by definition the n-th derivative of digamma.",
        "One more derivative is the next one: gx = gy * polygamma(n + 1, x).",
    ),
    "mvlgamma": explain(
        "npnet.mvlgamma(x, 2)",
        {"x": ABOVE_ONE},
        "y = a constant + the sum over j < p of lgamma(x - j / 2).",
        "gx = gy * the sum over j < p of digamma(x - j / 2).",
    ),
    "i0": explain(
        "npnet.i0(x)",
        {"x": X},
        "I0(x) = 1 / pi * the integral of e^(x cos t) for t from 0 to pi.",
        "By x under the integral: dy/dx = 1 / pi * the integral of cos t * e^(x cos t) = I1(x).",
    ),
    "square": explain("npnet.square(x)", {"x": X}, "y = x * x: gx = gy * x + gy * x = gy * 2 x."),
    "reciprocal": explain("npnet.reciprocal(x)", {"x": X}, "d(1/x)/dx = -1 / x^2: gx = -gy * y^2."),
    "rsqrt": explain(
        "npnet.rsqrt(x)", {"x": POSITIVE}, "y = x^(-1/2): dy/dx = -x^(-3/2) / 2 = -y^3 / 2."
    ),
    "neg": explain("npnet.neg(x)", {"x": X}, "y = -x: gx = -gy."),
    "frac": explain(
        "npnet.frac(x)",
        {"x": X},
        "y = x - trunc(x), and trunc is constant but for its jumps: gx = gy.",
    ),
    "copysign": explain(
        "npnet.copysign(x, other)",
        {"x": X, "other": OTHER},
        "y = |x| with the sign of other: x itself or -x, so gx = gy or -gy, and 0 where x = 0.",
        "By other, y is constant but for a jump: gother = 0.",
    ),
    "nan_to_num": explain(
        "npnet.nan_to_num(npnet.log(x), 0.5)",
        {"x": X},
        "The logarithm of a number below 0 is NaN here.",
        "y = x where it is a number: gx = gy; where a constant replaced it, gx = 0.",
    ),
    "nextafter": explain(
        "npnet.nextafter(x, other)",
        {"x": X, "other": OTHER},
        "y is x but for one rounding: gx = gy; where x = other, y is other: gother = gy there.",
    ),
    "ldexp": explain(
        "npnet.ldexp(x, other)",
        {"x": X, "other": OTHER},
        "y = x * 2^other: gx = gy * 2^other, gother = gy * y * log 2.",
    ),
    "float_power": explain(
        "npnet.float_power(x, other)",
        {"x": POSITIVE, "other": OTHER},
        "As pow, in float64: gx = gy * p * x^(p - 1), gother = gy * y * log x.",
    ),
    "remainder": explain(
        "npnet.remainder(x, other)",
        {"x": X, "other": OTHER},
        "y = x - floor(x / other) * other, and floor is constant but for its jumps.",
        "So y is linear on each piece: gx = gy, gother = -gy * floor(x / other).",
    ),
    "fmod": explain(
        "npnet.fmod(x, other)",
        {"x": X, "other": OTHER},
        "As remainder, with trunc for floor: gx = gy, gother = -gy * trunc(x / other).",
    ),
    "rsub": explain(
        "npnet.rsub(x, other)", {"x": X, "other": OTHER}, "y = other - x: gx = -gy, gother = gy."
    ),
    "addcmul": explain(
        "npnet.addcmul(x, a, b, value=0.5)",
        {"x": X, "a": OTHER, "b": POSITIVE},
        "y = x + v * a * b: gx = gy, ga = gy * v * b, gb = gy * v * a.",
    ),
    "addcdiv": explain(
        "npnet.addcdiv(x, a, b, value=0.5)",
        {"x": X, "a": OTHER, "b": POSITIVE},
        "y = x + v * a / b: gx = gy, ga = gy * v / b, gb = -gy * v * a / b^2.",
    ),
    "lerp": explain(
        "npnet.lerp(x, end, weight)",
        {"x": X, "end": OTHER, "weight": SHARE},
        "y = (1 - w) * x + w * end: gx = gy * (1 - w), gend = gy * w.",
        "gw = gy * (end - x): how far there is to go.",
    ),
    "minimum": explain(
        "npnet.minimum(x, other)",
        {"x": X, "other": OTHER},
        "The smaller one gets gy, the other 0; where they are equal, half each.",
    ),
    "fmax": explain(
        "npnet.fmax(x, other)",
        {"x": X, "other": OTHER},
        "The one that is taken gets gy: the larger, or the one that is a number; x at a tie.",
    ),
    "fmin": explain(
        "npnet.fmin(x, other)",
        {"x": X, "other": OTHER},
        "The one that is taken gets gy: the smaller, or the one that is a number; x at a tie.",
    ),
    "clamp_min": explain(
        "npnet.clamp_min(x, 0.2)", {"x": X}, "gx = gy where x is not below the bound, else 0."
    ),
    "clamp_max": explain(
        "npnet.clamp_max(x, 0.2)", {"x": X}, "gx = gy where x is not above the bound, else 0."
    ),
    "clamp_between": explain(
        "npnet.clamp(x, low, high)",
        {"x": X, "low": [-0.5, -0.9, -2.0], "high": [1.0, 1.5, 2.0]},
        "Bounds may be tensors with gradients of their own: y is x, low or high.",
        "Whichever of the three y is gets gy, the other two 0.",
    ),
}
