"""Losses and distances."""

from __future__ import annotations

from npnet.explain.explanation import Constant, Explanations, explain

__all__ = ["LOSSES"]

LOGITS = [[2.0, -1.0, 0.5], [0.2, 1.0, 2.5]]  # no two differ by a margin of 1
CLASSES = [0, 1]
X, T = [[0.5, -1.0, 2.0], [1.5, 0.3, -0.7]], [[1.0, 0.5, -1.0], [1.2, -0.5, 0.0]]
SIGNS = Constant([[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0]])
ZEROS_AND_ONES = Constant([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
UNIT = [[0.8, 0.3, 0.5], [0.2, 0.6, 0.9]]
A = [[1.0, 2.0, -1.0], [0.5, -0.5, 1.5]]
B = [[0.5, 1.0, 1.0], [-1.0, 2.0, 0.5]]
C = [[-1.0, 0.5, 2.0], [0.5, 0.0, -2.0]]
MEAN = (
    "The mean over M losses divides by M: each loss l gets gy / M (with reduction='sum' gy, with "
    "'none' its own gy)."
)

LOSSES: Explanations = {
    "mse_loss": explain(
        "F.mse_loss(x, target)",
        {"x": X, "target": Constant(T)},
        "L = (1 / M) * sum of d^2 with d = x - target: dL/dd = 2 d / M.",
        "d grows with x one for one, and falls with the target: gx = gy * 2 (x - target) / M, and "
        "gtarget = -gx where it is wanted.",
    ),
    "l1_loss": explain(
        "F.l1_loss(x, target)",
        {"x": X, "target": Constant(T)},
        MEAN,
        "d|x - t|/dx = sign(x - t); at x = t, where it bends, 0 is taken.",
        "gx = gy * sign(x - target) / M.",
    ),
    "smooth_l1_loss": explain(
        "F.smooth_l1_loss(x, target)",
        {"x": X, "target": Constant(T)},
        MEAN,
        "Of d = x - t: d^2 / (2 beta) has slope d / beta, |d| - beta / 2 has slope sign(d). Both "
        "are 1 at |d| = beta: there is no kink.",
        "gx = gy / M * (d / beta where |d| < beta, else sign(d)).",
    ),
    "huber_loss": explain(
        "F.huber_loss(x, target)",
        {"x": X, "target": Constant(T)},
        MEAN,
        "Of d = x - t: d^2 / 2 has slope d, delta * (|d| - delta / 2) has slope delta * sign(d).",
        "gx = gy / M * clip(d, -delta, delta): large errors pull no harder than delta.",
    ),
    "cross_entropy": explain(
        "F.cross_entropy(x, target)",
        {"x": LOGITS, "target": CLASSES},
        "For one sample of class k: l = -log p_k with p = softmax(x), which is "
        "l = -x_k + log(sum over j of exp(x_j)).",
        "dl/dx_j = -[j = k] + exp(x_j) / sum of exp = p_j - [j = k].",
        MEAN,
        "gx = gy * (softmax(x) - one_hot(target)) / N: how much too likely each class was. It "
        "never saturates where the answer is wrong, unlike the softmax alone.",
        "softmax and logarithm are done together, so that neither overflows nor log(0) appears.",
    ),
    "nll_loss": explain(
        "F.nll_loss(x, target)",
        {"x": [[-0.2, -3.2, -1.7], [-3.2, -2.2, -0.2]], "target": CLASSES},
        "l_n = -x[n, k_n]: one value of each row counts.",
        MEAN,
        "gx[n, k_n] = -gy / N, all else is 0; with class weights w, -gy * w[k_n] / sum of w[k].",
    ),
    "binary_cross_entropy": explain(
        "F.binary_cross_entropy(x, target)",
        {"x": UNIT, "target": ZEROS_AND_ONES},
        MEAN,
        "l = -(t log x + (1 - t) log(1 - x)): dl/dx = -t / x + (1 - t) / (1 - x).",
        "That is (x - t) / (x * (1 - x)), and gx = gy / M times it.",
    ),
    "binary_cross_entropy_with_logits": explain(
        "F.binary_cross_entropy_with_logits(x, target)",
        {"x": X, "target": ZEROS_AND_ONES},
        MEAN,
        "With s = sigmoid(x) and l as binary_cross_entropy of s: dl/ds = (s - t) / (s * (1 - s)).",
        "ds/dx = s * (1 - s) cancels the denominator: gx = gy / M * (sigmoid(x) - target).",
        "With pos_weight p the term of t is multiplied: ((1 - t) + p t) s - p t in its place.",
    ),
    "kl_div": explain(
        "F.kl_div(x, target, reduction='batchmean')",
        {"x": [[-1.2, -0.9, -1.5], [-0.7, -2.0, -1.1]],
         "target": Constant([[0.3, 0.5, 0.2], [0.6, 0.1, 0.3]])},
        "l = t * (log t - x), linear in x: dl/dx = -t.",
        "gx = -gy * target / N with 'batchmean'; the target may have a gradient too, "
        "log t - x + 1.",
    ),
    "kl_div_log_target": explain(
        "F.kl_div(x, target, reduction='sum', log_target=True)",
        {"x": [[-1.2, -0.9, -1.5], [-0.7, -2.0, -1.1]],
         "target": [[-1.2, -0.7, -1.6], [-0.5, -2.3, -1.2]]},
        "l = e^t * (t - x): dl/dx = -e^t, gx = -gy * e^t.",
        "dl/dt = e^t * (t - x) + e^t by the product rule: gt = gy * e^t * (t - x + 1).",
    ),
    "poisson_nll_loss": explain(
        "F.poisson_nll_loss(x, target)",
        {"x": X, "target": Constant([[1.0, 0.0, 3.0], [2.0, 1.0, 0.0]])},
        MEAN,
        "l = exp(x) - t * x: dl/dx = exp(x) - t, expected less counted.",
    ),
    "gaussian_nll_loss": explain(
        "F.gaussian_nll_loss(x, target, var)",
        {"x": X, "target": Constant(T), "var": [[0.5, 1.0, 2.0], [1.5, 0.8, 1.2]]},
        MEAN,
        "l = (log v + d^2 / v) / 2, d = x - t: dl/dx = d / v, an error counted in variances.",
        "dl/dv = (1 / v - d^2 / v^2) / 2, which is 0 where v = d^2.",
    ),
    "hinge_embedding_loss": explain(
        "F.hinge_embedding_loss(x, target)",
        {"x": X, "target": SIGNS},
        MEAN,
        "Where t = 1, l = x: slope 1. Where t = -1, l = max(margin - x, 0): slope -1 as long as "
        "x < margin, else 0.",
    ),
    "soft_margin_loss": explain(
        "F.soft_margin_loss(x, target)",
        {"x": X, "target": SIGNS},
        MEAN,
        "l = log(1 + exp(-t x)): dl/dx = -t * exp(-t x) / (1 + exp(-t x)) = -t * sigmoid(-t x).",
    ),
    "margin_ranking_loss": explain(
        "F.margin_ranking_loss(x1, x2, target, margin=0.5)",
        {"x1": X, "x2": T, "target": SIGNS},
        MEAN,
        "l = max(m, 0), m = -t (x1 - x2) + margin: where m > 0, dl/dx1 = -t and dl/dx2 = t.",
        "Pairs in the right order by more than the margin get no gradient.",
    ),
    "multi_margin_loss": explain(
        "F.multi_margin_loss(x, target)",
        {"x": LOGITS, "target": CLASSES},
        MEAN,
        "l = sum over c != k of max(m_c, 0)^p / C, m_c = margin - x_k + x_c.",
        "Each class c with m_c > 0 gives p * m_c^(p-1) / C to x_c, and its negative to x_k.",
    ),
    "multilabel_margin_loss": explain(
        "F.multilabel_margin_loss(x, target)",
        {"x": LOGITS, "target": [[0, 2, -1], [1, -1, 0]]},
        MEAN,
        "Each pair of a target k and another class c with 1 - x_k + x_c > 0 gives 1 / C to x_c "
        "and -1 / C to x_k.",
    ),
    "multilabel_soft_margin_loss": explain(
        "F.multilabel_soft_margin_loss(x, target)",
        {"x": X, "target": ZEROS_AND_ONES},
        "It is the mean over C classes of binary_cross_entropy_with_logits.",
        "gx = gy * (sigmoid(x) - target) / (N * C).",
    ),
    "cosine_embedding_loss": explain(
        "F.cosine_embedding_loss(x1, x2, target)",
        {"x1": A, "x2": B, "target": Constant([1.0, -1.0])},
        "l = 1 - c where t = 1, max(c - margin, 0) where t = -1, and c is the cosine: "
        "dl/dc = -1, or 1 where c > margin, else 0.",
        "Through the cosine: dc/dx1 = (x2 / |x2| - c * x1 / |x1|) / |x1|, and x2 alike.",
    ),
    "cosine_similarity": explain(
        "F.cosine_similarity(x1, x2)",
        {"x1": A, "x2": B},
        "With u = x1 / |x1| and v = x2 / |x2|: c = u . v.",
        "A unit vector moves only across itself: du/dx1 = (1 - u u^T) / |x1|.",
        "gx1 = gy * (v - c * u) / |x1| and gx2 = gy * (u - c * v) / |x2|.",
    ),
    "pairwise_distance": explain(
        "F.pairwise_distance(x1, x2)",
        {"x1": A, "x2": B},
        "d = x1 - x2 + eps and y = |d|: dy/dd = d / y.",
        "gx1 = gy * d / y, gx2 = -gx1.",
    ),
    "pdist": explain(
        "F.pdist(x)",
        {"x": [[1.0, 2.0], [0.5, -0.5], [-1.0, 1.5]]},
        "y of the pair (i, j) is |x_i - x_j|, whose slope by x_i is (x_i - x_j) / y.",
        "Each row is in several pairs: its gradient is the sum over them, with the sign of its "
        "place.",
    ),
    "triplet_margin_loss": explain(
        "F.triplet_margin_loss(anchor, positive, negative)",
        {"anchor": A, "positive": B, "negative": C},
        MEAN,
        "l = max(p - n + margin, 0) of two distances: where it is above 0, p gets 1 and n gets -1.",
        "Through pairwise_distance to all three; both distances pull at the anchor, and add up.",
    ),
    "triplet_margin_with_distance_loss": explain(
        "F.triplet_margin_with_distance_loss(anchor, positive, negative, margin=2.0)",
        {"anchor": A, "positive": B, "negative": C},
        "As triplet_margin_loss, with a distance of one's own, through which the tape walks.",
    ),
    "normalize": explain(
        "F.normalize(x)",
        {"x": A},
        "y = x / s with s = |x|: quotient rule, with ds/dx = x / s = y.",
        "gx = (gy - y * sum(gy * y)) / s: what is left of gy across y.",
    ),
    "ctc_loss": explain(
        "F.ctc_loss(F.log_softmax(x, 2), target, [4], [2])",
        {"x": [[[0.5, 1.0, -1.0]], [[1.0, -0.5, 0.3]], [[-0.2, 0.4, 0.8]], [[0.1, 0.2, 1.5]]],
         "target": [[1, 2]]},
        "P is the sum, over all ways to place the labels in time, of products of probabilities; "
        "y = -log P (divided by the number of labels, in the mean).",
        "Every way that has class k at time t has the factor exp(x_tk): dP/dx_tk = the sum of the "
        "products of those ways = sum of a_t(s) b_t(s) over the labels s that are k.",
        "a sums over beginnings and b over ends of ways, each by a recursion in T steps.",
        "dy/dx_tk = -(that sum) / P, and through log_softmax softmax(x)_tk is added: what is "
        "likely less what the labels say.",
    ),
}  # fmt: skip
