"""Sums, products, extremes, order and statistics."""

from __future__ import annotations

from npnet.explain.explanation import Explanations, explain

__all__ = ["REDUCTIONS"]

X = [[0.5, -1.0, 2.0], [1.5, 0.3, -0.7]]
ROW = [0.5, -1.0, 2.0, 1.2]
NAN = "The logarithm of a number below 0 is NaN here."
PICKED = "y is one of the values, whose derivative by itself is 1: it gets gy, all others 0."
FIRST = "Of equal values the one that was taken gets everything."
SHARED = "Of equal values each gets gy divided by how many they are."
CHOSEN = "Which one is taken does not change when values move a little: choosing has no derivative."

REDUCTIONS: Explanations = {
    "prod": explain(
        "npnet.prod(x, 1)",
        {"x": X},
        "y is linear in each factor: dy/dx_i is the product of the others.",
        "gx_i = gy * that product, without a division by x_i, which may be 0.",
    ),
    "cumsum": explain(
        "npnet.cumsum(x, 1)",
        {"x": X},
        "y_i = the sum over j <= i of x_j: x_j is in every y_i from j on.",
        "gx_j = the sum over i >= j of gy_i: a running sum from the other end.",
    ),
    "cumprod": explain(
        "npnet.cumprod(x, 1)",
        {"x": X},
        "y_i = the product over j <= i of x_j; dy_i/dx_j is the product without x_j, if i >= j.",
        "gx_j = the sum over i >= j of gy_i * y_i / x_j.",
        "Without a division: the product before j, times the sum over i of gy_i * the products "
        "from j + 1 to i, which follow one another from the end.",
    ),
    "logcumsumexp": explain(
        "npnet.logcumsumexp(x, 1)",
        {"x": X},
        "y_i = log(the sum over j <= i of e^x_j): dy_i/dx_j = e^(x_j - y_i) if j <= i.",
        "gx_j = the sum over i >= j of gy_i * e^(x_j - y_i).",
    ),
    "nansum": explain(
        "npnet.nansum(npnet.log(x), 1)",
        {"x": X},
        NAN,
        "A sum in which NaN counts as 0: gy is repeated, and is 0 where NaN was.",
    ),
    "nanmean": explain(
        "npnet.nanmean(npnet.log(x), 1)",
        {"x": X},
        NAN,
        "The sum of what is a number, divided by how many they are: gx = gy / M there, else 0.",
    ),
    "var_mean": explain(
        "npnet.var_mean(x, 1)",
        {"x": X},
        "Two results, of which the example takes the first: var has gx = gy * 2 c / (M - 1) with "
        "c = x - mean.",
        "The mean adds gy / M.",
    ),
    "std_mean": explain(
        "npnet.std_mean(x, 1)",
        {"x": X},
        "Two results, of which the example takes the first: std has gx = gy * c / ((M - 1) * y).",
        "The mean adds gy / M.",
    ),
    "min": explain("npnet.min(x, 1)", {"x": X}, PICKED, FIRST),
    "amax": explain("npnet.amax(x, 1)", {"x": X}, PICKED, SHARED),
    "amin": explain("npnet.amin(x, 1)", {"x": X}, PICKED, SHARED),
    "aminmax": explain(
        "npnet.aminmax(x, dim=1)",
        {"x": X},
        "Two results, of which the example takes the smallest.",
        PICKED,
        SHARED,
    ),
    "cummax": explain(
        "npnet.cummax(x, 1)",
        {"x": X},
        "y_i is the largest of x_0 to x_i, so that one x may be several y.",
        "gx_j = the sum of gy_i over all i that took x_j.",
    ),
    "cummin": explain(
        "npnet.cummin(x, 1)",
        {"x": X},
        "As cummax, of the smallest: gx_j = the sum of gy_i over all i that took x_j.",
    ),
    "kthvalue": explain("npnet.kthvalue(x, 2, 1)", {"x": X}, PICKED, CHOSEN),
    "median": explain(
        "npnet.median(x, 1)",
        {"x": X},
        PICKED,
        CHOSEN,
        "Of an even count the lower of the two in the middle is taken, and no mean.",
    ),
    "nanmedian": explain(
        "npnet.nanmedian(npnet.log(x), 1)", {"x": X}, NAN, PICKED, "NaN are passed over."
    ),
    "mode": explain("npnet.mode(x, 1)", {"x": X}, PICKED, CHOSEN),
    "quantile": explain(
        "npnet.quantile(x, 0.3)",
        {"x": ROW},
        "The share q lies at the rank r = q * (M - 1) of the sorted values, between two of them.",
        "With w the part of r behind the point: y = (1 - w) * lower + w * upper.",
        "The lower gets gy * (1 - w), the upper gy * w, all others 0.",
    ),
    "nanquantile": explain(
        "npnet.nanquantile(npnet.log(x), 0.3)",
        {"x": ROW},
        NAN,
        "As quantile, of the values that are not NaN: both neighbours get their share of gy.",
    ),
    "sort": explain(
        "npnet.sort(x, 1)",
        {"x": X},
        "Values change places: y_i = x_{p(i)}. " + CHOSEN,
        "gx_{p(i)} = gy_i: gy goes back to where each value came from.",
    ),
    "topk": explain(
        "npnet.topk(x, 2, 1)",
        {"x": X},
        "The first k of the sorted values: y_i = x_{p(i)}. " + CHOSEN,
        "gx_{p(i)} = gy_i, and 0 for those that were not among them.",
    ),
    "msort": explain(
        "npnet.msort(x)", {"x": X}, "sort along the first axis: gy goes back to where it came from."
    ),
    "trace": explain(
        "npnet.trace(x)",
        {"x": [[0.5, -1.0], [2.0, 1.5]]},
        "y = the sum of x[i, i]: gx = gy on the diagonal, 0 elsewhere.",
    ),
    "diff": explain(
        "npnet.diff(x)",
        {"x": ROW},
        "y_i = x_{i+1} - x_i: each value is once the later and once the earlier.",
        "gx_i = gy_{i-1} - gy_i, with 0 for what lies outside.",
    ),
    "trapezoid": explain(
        "npnet.trapezoid(y, x)",
        {"y": ROW, "x": [0.0, 0.5, 1.5, 2.0]},
        "The sum over i of (x_{i+1} - x_i) * (y_i + y_{i+1}) / 2.",
        "By y_i: half of the widths at its two sides. By x_i: the mean height at its left minus "
        "that at its right.",
    ),
    "cumulative_trapezoid": explain(
        "npnet.cumulative_trapezoid(y, x)",
        {"y": ROW, "x": [0.0, 0.5, 1.5, 2.0]},
        "Running sums of the trapezoids: each gets the sum of gy from its own on (see cumsum).",
        "Within one, the derivatives are those of trapezoid.",
    ),
    "vander": explain(
        "npnet.vander(x, 3)",
        {"x": [0.5, -1.0, 2.0]},
        "Row i is x_i^2, x_i, 1: gx_i = gy[i, 0] * 2 x_i + gy[i, 1].",
    ),
    "cov": explain(
        "npnet.cov(x)",
        {"x": X},
        "y = C C^T / (M - 1) with C = x less the mean of each row.",
        "gC = (gy + gy^T) C / (M - 1), and gx = gC less its own mean: C has no mean part.",
    ),
    "corrcoef": explain(
        "npnet.corrcoef(x)",
        {"x": X},
        "y_ij = c_ij / sqrt(c_ii * c_jj) with c = cov(x).",
        "gc_ij = gy_ij / sqrt(c_ii c_jj); c_ii gets -y_ij * gy_ij / (2 c_ii) from every entry of "
        "its row, and of its column.",
        "From c on as cov. The diagonal of y is 1 whatever x is: it gives nothing.",
    ),
}
