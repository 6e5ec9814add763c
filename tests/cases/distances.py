"""Cases of distances, similarities, attention, and of losses that are made of them."""

from __future__ import annotations

from itertools import product
from typing import Any

from tests.cases.case import Case, Table, apart, constant, integers, mask, positive, probabilities

__all__ = ["DISTANCES"]

REDUCTIONS = ("mean", "sum", "none")


def signs(m: Any) -> Any:
    """Targets 1 and -1 of a mask."""
    return 2.0 * m - 1


def pairs() -> Table:
    """Losses of an input and a target of its shape, by reduction."""
    table: Table = {}
    for r in REDUCTIONS:
        table |= {
            f"l1_loss-{r}": Case(
                [(4, 5), (4, 5)], lambda ns, x, t, r=r: ns.l1_loss(x, t, reduction=r)
            ),
            f"smooth_l1_loss-{r}": Case(
                [(4, 5), (4, 5)],
                lambda ns, x, t, r=r: ns.smooth_l1_loss(x, t, reduction=r, beta=0.7),
            ),
            f"huber_loss-{r}": Case(
                [(4, 5), (4, 5)], lambda ns, x, t, r=r: ns.huber_loss(x, t, reduction=r, delta=0.6)
            ),
            f"soft_margin_loss-{r}": Case(
                [(4, 5), mask(4, 5)],
                lambda ns, x, m, r=r: ns.soft_margin_loss(x, signs(m), reduction=r),
            ),
            f"hinge_embedding_loss-{r}": Case(
                [apart(4, 5), mask(4, 5)],
                lambda ns, x, m, r=r: ns.hinge_embedding_loss(x, signs(m), 0.33, reduction=r),
            ),
            f"margin_ranking_loss-{r}": Case(
                [apart(4, 5), apart(4, 5), mask(4, 5)],
                lambda ns, x, y, m, r=r: ns.margin_ranking_loss(x, y, signs(m), 0.03, reduction=r),
            ),
            f"poisson_nll_loss-{r}": Case(
                [(4, 5), positive(4, 5)],
                lambda ns, x, t, r=r: ns.poisson_nll_loss(x, t, full=True, reduction=r),
            ),
            f"cosine_embedding_loss-{r}": Case(
                [(6, 4), (6, 4), mask(6)],
                lambda ns, x, y, m, r=r: ns.cosine_embedding_loss(x, y, signs(m), 0.1, reduction=r),
            ),
            f"triplet_margin_loss-{r}": Case(
                [(6, 4), (6, 4), (6, 4)],
                lambda ns, a, p, n, r=r: ns.triplet_margin_loss(a, p, n, swap=True, reduction=r),
            ),
            f"multilabel_soft_margin_loss-{r}": Case(
                [(4, 5), mask(4, 5), constant(positive(5))],
                lambda ns, x, m, w, r=r: ns.multilabel_soft_margin_loss(
                    x, m.to(x.dtype), w, reduction=r
                ),
            ),
            f"multilabel_margin_loss-{r}": Case(
                [(4, 5), integers(-1, 5, 4, 5)],
                lambda ns, x, t, r=r: ns.multilabel_margin_loss(x, t, reduction=r),
            ),
        }
    for p, r in product((1, 2), REDUCTIONS):
        table[f"multi_margin_loss-{p}-{r}"] = Case(
            [(4, 5), integers(0, 5, 4), constant(positive(5))],
            lambda ns, x, t, w, p=p, r=r: ns.multi_margin_loss(x, t, p, 0.8, w, reduction=r),
        )
    for log, r in product((False, True), ("batchmean", "sum", "none")):
        table[f"kl_div-{log}-{r}"] = Case(
            [(4, 5), probabilities(4, 5)],
            lambda ns, x, t, log=log, r=r: ns.kl_div(x, t, reduction=r, log_target=log),
        )
    return table


DISTANCES: Table = {
    **pairs(),
    "mse_loss-promoted": Case([(4,), mask(4)], lambda ns, x, m: ns.mse_loss(x, m.long())),
    "smooth_l1_loss-0": Case([(4,), (4,)], lambda ns, x, t: ns.smooth_l1_loss(x, t, beta=0.0)),
    "poisson_nll_loss-rate": Case(
        [positive(4, 5), positive(4, 5)],
        lambda ns, x, t: ns.poisson_nll_loss(x, t, log_input=False, eps=0.1),
    ),
    "gaussian_nll_loss": Case(
        [(4, 5), (4, 5), positive(4, 5)],
        lambda ns, x, t, v: ns.gaussian_nll_loss(x, t, v, full=True),
    ),
    "gaussian_nll_loss-rows": Case(
        [(4, 5), (4, 5), positive(4)], lambda ns, x, t, v: ns.gaussian_nll_loss(x, t, v)
    ),
    "normalize": Case([(4, 5)], lambda ns, x: ns.normalize(x)),
    "normalize-p": Case([(4, 5, 2)], lambda ns, x: ns.normalize(x, p=3.0, dim=-1)),
    "cosine_similarity": Case([(4, 5), (4, 5)], lambda ns, x, y: ns.cosine_similarity(x, y)),
    "cosine_similarity-eps": Case(
        [(4, 5), (5,)], lambda ns, x, y: ns.cosine_similarity(x, y, dim=-1, eps=3.0), smooth=False
    ),
    "pairwise_distance": Case([(4, 5), (4, 5)], lambda ns, x, y: ns.pairwise_distance(x, y)),
    "pairwise_distance-keepdim": Case(
        [(4, 5), (5,)], lambda ns, x, y: ns.pairwise_distance(x, y, p=1.0, keepdim=True)
    ),
    "pdist": Case([(5, 4)], lambda ns, x: (ns.pdist(x), ns.pdist(x, 1.0), ns.pdist(x, p=3))),
    **{
        f"ctc_loss-{r}": Case(
            [(6, 4, 5), integers(1, 4, 4, 3)],
            lambda ns, x, t, r=r: ns.ctc_loss(
                ns.log_softmax(x, 2), t, [6, 5, 6, 1], [2, 1, 3, 0], blank=4, reduction=r
            ),
        )
        for r in REDUCTIONS
    },
    "ctc_loss-joined": Case(
        [(9, 3, 4), integers(1, 3, 5)],  # few labels: some follow themselves
        lambda ns, x, t: ns.ctc_loss(ns.log_softmax(x, -1), t, [9, 8, 7], [3, 0, 2]),
    ),
    "ctc_loss-one": Case(
        [(7, 4), integers(1, 4, 2)],
        lambda ns, x, t: ns.ctc_loss(ns.log_softmax(x, -1), t, (7,), (2,), reduction="none"),
    ),
    "ctc_loss-too-short": Case(
        [(2, 2, 4), integers(1, 4, 2, 3)],
        lambda ns, x, t: ns.ctc_loss(
            ns.log_softmax(x, -1), t, [2, 2], [3, 1], zero_infinity=True, reduction="sum"
        ),
    ),
    "triplet_margin_with_distance_loss": Case(
        [(6, 4), (6, 4), (6, 4)],
        lambda ns, a, p, n: ns.triplet_margin_with_distance_loss(
            a, p, n, distance_function=lambda x, y: ((x - y) ** 2).sum(-1), margin=2.0
        ),
    ),
    "scaled_dot_product_attention": Case(
        [(2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 7)],
        lambda ns, q, k, v: ns.scaled_dot_product_attention(q, k, v),
    ),
    "scaled_dot_product_attention-causal": Case(
        [(2, 6, 5), (2, 6, 5), (2, 6, 3)],
        lambda ns, q, k, v: ns.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.3),
    ),
    "scaled_dot_product_attention-mask": Case(
        [(4, 5), (6, 5), (6, 3), mask(4, 6)],
        lambda ns, q, k, v, m: ns.scaled_dot_product_attention(q, k, v, m),
    ),
}
