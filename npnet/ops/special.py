"""Functions that no calculator has: the error function, the logarithm of gamma, its derivatives."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.arrays import Array
from npnet.ops import arithmetic, reduce, shape
from npnet.ops.functions import Unary, as_float
from npnet.tape import result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["digamma", "erf", "erf_of", "erfc", "erfinv", "i0", "lgamma", "mvlgamma", "polygamma"]

# P and Q of `erf_of`
ERF_ABOVE = (
    1.1283791393010172,
    0.1935461313072475,
    0.053101898293463165,
    0.00388339304046804,
    0.0002845675119625396,
    1.9867805598144273e-06,
)
ERF_BELOW = (
    1.0,
    0.5048583482541142,
    0.11535045194695387,
    0.015207348767348262,
    0.0011855840008578203,
    3.7420241340561784e-05,
)
CACHED_VALUES = 2**14  # values that are computed at a time: they stay in the cache
TERMS = 12  # of x that recurrences lead to before asymptotic series are exact to 1e-16


def _one_by_one(compute: Any, x: Array) -> Array:
    """A function of `math` on each value: NumPy has none; exact, at Python's speed."""
    return np.asarray(np.frompyfunc(compute, 1, 1)(x)).astype(x.dtype)


def _polynomial(coefficients: tuple[float, ...], x: Array, y: Array) -> None:
    """y = c0 + c1 x + c2 x^2 + ... by Horner's rule."""
    np.multiply(x, coefficients[-1], out=y)
    for c in coefficients[-2:0:-1]:
        y += c
        y *= x
    y += coefficients[0]


def erf_of(x: Array) -> Array:
    """erf of an array. In float64 exact, value by value; narrower floats all at once.

    Those are t P(t^2) / Q(t^2) in float64 for |t| <= 4, beyond which all round to 1. The largest
    relative error, 2.5e-8, is minimal, by Lawson's iteration on some thousand Chebyshev nodes: in
    float32 at most 0.92 units in the last place.
    """
    if x.dtype.itemsize > 4:
        return _one_by_one(math.erf, x)
    y = np.empty(x.shape, x.dtype)
    values, erfs = x.reshape(-1), y.reshape(-1)
    room = np.empty((4, min(x.size, CACHED_VALUES)))
    for first in range(0, x.size, CACHED_VALUES):
        block = values[first : first + CACHED_VALUES]
        t, square, above, below = room[:, : len(block)]
        np.clip(block, -4, 4, out=t)
        np.multiply(t, t, out=square)
        _polynomial(ERF_ABOVE, square, above)
        _polynomial(ERF_BELOW, square, below)
        above *= t
        above /= below
        np.copysign(1, t, out=above, where=square == 16)
        erfs[first : first + CACHED_VALUES] = above
    return y


class Erf(Unary):
    """gx = gy * 2 / sqrt(pi) * exp(-x^2)."""

    def value(self, x: Array) -> Array:
        return erf_of(x)

    def slope(self, x: Array, y: Array) -> Array:
        return 2 / math.sqrt(math.pi) * np.exp(-x * x)


class Erfc(Unary):
    """gx = -gy * 2 / sqrt(pi) * exp(-x^2)."""

    def value(self, x: Array) -> Array:
        return _one_by_one(math.erfc, x)

    def slope(self, x: Array, y: Array) -> Array:
        return -2 / math.sqrt(math.pi) * np.exp(-x * x)


class Erfinv(Unary):
    """gx = gy * sqrt(pi) / 2 * exp(y^2).

    A first guess, then two of Halley's steps towards erf(y) = x.

    Source: Winitzki (2008), "A handy approximation for the error function and its inverse", eq. 7.
    """

    needs = "y"

    def value(self, x: Array) -> Array:
        z = x.astype(np.float64)
        inside = np.where(np.abs(z) < 1, z, 0)
        a, tail = 0.147, np.log1p(-inside * inside)
        half = 2 / (math.pi * a) + tail / 2
        y = np.copysign(np.sqrt(np.sqrt(half * half - tail / a) - half), inside)
        erfc = np.frompyfunc(math.erfc, 1, 1)
        rest = np.where(inside < 0, 1 + inside, 1 - inside)  # erfc of |y|: exact in the tails
        size = np.abs(y)
        for _ in range(3):
            off = np.asarray(erfc(size), np.float64) - rest
            step = off / (-2 / math.sqrt(math.pi) * np.exp(-size * size))
            size = size - step / (1 + size * step)
        y = np.copysign(size, inside)
        edge = np.where(np.abs(z) == 1, np.copysign(np.inf, z), np.nan)
        return np.where(np.abs(z) < 1, y, edge).astype(x.dtype)

    def slope(self, x: Array, y: Array) -> Array:
        return math.sqrt(math.pi) / 2 * np.exp(y * y)


def _lgamma(x: float) -> float:
    if x == -math.inf or (x <= 0 and x == math.floor(x)):
        return math.inf  # a pole
    return math.lgamma(x)


class Lgamma(Unary):
    """gx = gy * digamma(x)."""

    def value(self, x: Array) -> Array:
        return _one_by_one(_lgamma, x)

    def slope(self, x: Array, y: Array) -> Array:
        return _polygamma(0, x)


# B_2k / (2k)! of Bernoulli's numbers, k = 1, 2, ...
_BERNOULLI = (
    1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000,
    1 / 74724249600,
)  # fmt: skip


def _zeta(s: int, x: Array) -> Array:
    """sum over k >= 0 of (x + k)^-s, for s >= 2, by the Euler-Maclaurin formula."""
    total = sum((x + k) ** -float(s) for k in range(TERMS))
    top = x + TERMS
    total = total + top ** (1.0 - s) / (s - 1) + top ** -float(s) / 2
    rising, power = float(s), top ** (-1.0 - s)
    for k, factor in enumerate(_BERNOULLI):
        total = total + factor * rising * power
        rising *= (s + 2 * k + 1) * (s + 2 * k + 2)
        power = power / (top * top)
    return np.asarray(total)


def _digamma(x: Array) -> Array:
    """log(top) - 1/(2 top) - sum of B_2k / (2k top^2k), after psi(x) = psi(x + 1) - 1/x."""
    total = -sum(1 / (x + k) for k in range(TERMS))
    top = x + TERMS
    total = total + np.log(top) - 1 / (2 * top)
    for k, factor in enumerate(_BERNOULLI, 1):
        total = total - factor * math.factorial(2 * k - 1) / top ** (2.0 * k)
    return np.asarray(total)


def _polygamma(n: int, x: Array) -> Array:
    """The n-th derivative of digamma, by reflection where x < 0 and n < 2.

    psi(1 - x) - psi(x) = pi / tan(pi x), and psi'(1 - x) + psi'(x) = (pi / sin(pi x))^2.
    """
    z = x.astype(np.float64)
    turned = z < 0.5 if n < 2 else np.zeros(z.shape, bool)
    right = np.where(turned, 1 - z, z)
    if n == 0:
        y = _digamma(right)
        y = np.where(turned, y - math.pi / np.tan(math.pi * (z - np.floor(z))), y)
        pole = np.where(z == 0, -np.copysign(np.inf, z), np.nan)
        y = np.where((z <= 0) & (z == np.floor(z)), pole, y)
    else:
        y = (-1) ** (n + 1) * math.factorial(n) * _zeta(n + 1, right)
        if n == 1:
            y = np.where(turned, (math.pi / np.sin(math.pi * z)) ** 2 - y, y)
    return y.astype(x.dtype)


class Polygamma(Unary):
    """gx = gy * polygamma(n + 1, x)."""

    def __init__(self, n: int) -> None:
        self.n = n

    def value(self, x: Array) -> Array:
        return _polygamma(self.n, x)

    def slope(self, x: Array, y: Array) -> Array:
        return _polygamma(self.n + 1, x)


class I0(Unary):
    """The modified Bessel function of order 0;  gx = gy * I1(x) by its integral."""

    def value(self, x: Array) -> Array:
        return np.i0(x.astype(np.float64)).reshape(x.shape).astype(x.dtype)

    def slope(self, x: Array, y: Array) -> Array:
        # I1(x) = 1/pi * integral over 0 <= t <= pi of exp(x cos t) cos t; the trapezoidal rule
        # converges at once, since the integrand is periodic.
        t = (np.arange(256) + 0.5) * (math.pi / 256)
        values = np.exp(x.astype(np.float64)[..., None] * np.cos(t)) * np.cos(t)
        return np.asarray(values.mean(-1)).astype(x.dtype)


def erf(input: Tensor) -> Tensor:
    """The error function, 2 / sqrt(pi) * integral of exp(-t^2) from 0 to x.

    Shape: (...) -> the same.

    Example:
        >>> npnet.erf(npnet.tensor([0.0, 1.0, -1.0]))
        tensor([ 0.0000,  0.8427, -0.8427])
    """
    return Erf()(as_float(input))


def erfc(input: Tensor) -> Tensor:
    """1 - erf(x), exact where erf is close to 1 too.

    Shape: (...) -> the same.

    Example:
        >>> npnet.erfc(npnet.tensor([0.0, 1.0]))
        tensor([1.0000, 0.1573])
    """
    return Erfc()(as_float(input))


def erfinv(input: Tensor) -> Tensor:
    """The number of which this is the error function; NaN outside [-1, 1].

    Shape: (...) -> the same.

    Example:
        >>> npnet.erfinv(npnet.tensor([0.0, 0.5, 1.0]))
        tensor([0.0000, 0.4769,    inf])
    """
    return Erfinv()(as_float(input))


def lgamma(input: Tensor) -> Tensor:
    """The logarithm of the absolute value of the gamma function.

    Shape: (...) -> the same.

    Example:
        >>> npnet.lgamma(npnet.tensor([1.0, 5.0]))  # log 24: of whole numbers log (n - 1)!
        tensor([0.0000, 3.1781])
    """
    return Lgamma()(as_float(input))


def digamma(input: Tensor) -> Tensor:
    """The derivative of `lgamma`.

    Shape: (...) -> the same.

    Example:
        >>> npnet.digamma(npnet.tensor([1.0, 2.0]))
        tensor([-0.5772,  0.4228])
    """
    return Polygamma(0)(as_float(input))


def polygamma(n: int, input: Tensor) -> Tensor:
    """The n-th derivative of `digamma`.

    Shape: (...) -> the same.

    Raises:
        RuntimeError: n is negative.

    Example:
        >>> npnet.polygamma(1, npnet.tensor([1.0]))  # pi^2 / 6
        tensor([1.6449])
    """
    if n < 0:
        raise RuntimeError(f"polygamma: n must be >= 0, got {n}")
    return Polygamma(n)(as_float(input))


def mvlgamma(input: Tensor, p: int) -> Tensor:
    """log of the multivariate gamma function of dimension p.

    y = p (p - 1) / 4 * log(pi) + sum over 0 <= i < p of lgamma(x - i / 2)

    Shape: (...) -> the same.

    Example:
        >>> npnet.mvlgamma(npnet.tensor([2.0, 3.0]), 2)
        tensor([0.4516, 1.5502])
    """
    if p < 1:
        raise RuntimeError(f"mvlgamma: p must be >= 1, got {p}")
    x = shape.unsqueeze(as_float(input), -1)
    steps = arithmetic.sub(x, result((np.arange(p) / 2).astype(x.dtype)))
    return arithmetic.add(reduce.sum(lgamma(steps), -1), p * (p - 1) / 4 * math.log(math.pi))


def i0(input: Tensor) -> Tensor:
    """The modified Bessel function of the first kind, of order 0.

    Shape: (...) -> the same.

    Example:
        >>> npnet.i0(npnet.tensor([0.0, 1.0]))
        tensor([1.0000, 1.2661])
    """
    return I0()(as_float(input))
