"""Cases of losses: every option, and the options together."""

from __future__ import annotations

from itertools import product
from typing import Any

from tests.cases.case import Case, Table, constant, integers, positive, probabilities, unit

__all__ = ["LOSSES"]

WEIGHT = constant(positive(5))


def class_losses() -> Table:
    """cross_entropy of class numbers: weight x ignore_index x label_smoothing x reduction."""

    def call(ns: Any, x: Any, y: Any, w: Any, weighted: bool, **options: Any) -> Any:
        return ns.cross_entropy(x, y, w if weighted else None, **options)

    table = {}
    for weighted, ignored, smoothing, reduction in product(
        (False, True), (-100, 2), (0.0, 0.3), ("mean", "sum", "none")
    ):
        options = {
            "weighted": weighted,
            "ignore_index": ignored,
            "label_smoothing": smoothing,
            "reduction": reduction,
        }
        name = f"cross_entropy-{'weight-' if weighted else ''}{ignored}-{smoothing}-{reduction}"
        table[name] = Case(
            [(8, 5), integers(0, 5, 8), WEIGHT],
            lambda ns, *inputs, options=options: call(ns, *inputs, **options),
        )
    return table


def probability_losses() -> Table:
    """cross_entropy of probabilities: weight x label_smoothing x reduction."""
    table = {}
    for weighted, smoothing, reduction in product((0, 1), (0.0, 0.3), ("mean", "sum", "none")):
        table[f"cross_entropy-p-{'weight-' if weighted else ''}{smoothing}-{reduction}"] = Case(
            [(8, 5), probabilities(8, 5), *[WEIGHT] * weighted],
            lambda ns, *inputs, s=smoothing, r=reduction: ns.cross_entropy(
                *inputs, label_smoothing=s, reduction=r
            ),
        )
    return table


SHAPED: Table = {
    "cross_entropy-1d": Case([(5,), integers(0, 5)], lambda ns, x, y: ns.cross_entropy(x, y)),
    "cross_entropy-1d-none": Case(
        [(5,), integers(0, 5), WEIGHT],
        lambda ns, *a: ns.cross_entropy(*a, reduction="none", label_smoothing=0.2),
    ),
    "cross_entropy-1d-p": Case(
        [(5,), probabilities(5)], lambda ns, x, p: ns.cross_entropy(x, p, label_smoothing=0.2)
    ),
    "cross_entropy-3d": Case(
        [(2, 5, 3), integers(0, 5, 2, 3), WEIGHT],
        lambda ns, *a: ns.cross_entropy(*a, ignore_index=1, label_smoothing=0.2),
    ),
    "cross_entropy-4d": Case(
        [(2, 5, 3, 4), integers(0, 5, 2, 3, 4), WEIGHT],
        lambda ns, *a: ns.cross_entropy(*a, ignore_index=0, reduction="none"),
    ),
    "cross_entropy-4d-p": Case(
        [(2, 5, 3, 4), probabilities(2, 5, 3, 4), WEIGHT],
        lambda ns, *a: ns.cross_entropy(*a, label_smoothing=0.2),
    ),
    "cross_entropy-empty": Case(
        [(0, 5), integers(0, 5, 0)], lambda ns, x, y: ns.cross_entropy(x, y, reduction="sum")
    ),
    "cross_entropy-empty-none": Case(
        [(0, 5), integers(0, 5, 0), WEIGHT], lambda ns, *a: ns.cross_entropy(*a, reduction="none")
    ),
    "cross_entropy-large": Case(
        [(4, 5), integers(0, 5, 4)], lambda ns, x, y: ns.cross_entropy(1000 * x, y)
    ),
    "nll_loss": Case([(8, 5), integers(0, 5, 8)], lambda ns, x, y: ns.nll_loss(x, y)),
    "nll_loss-weight": Case([(8, 5), integers(0, 5, 8), WEIGHT], lambda ns, *a: ns.nll_loss(*a)),
    "nll_loss-ignore": Case(
        [(8, 5), integers(0, 5, 8), WEIGHT],
        lambda ns, *a: (ns.nll_loss(*a, ignore_index=3), ns.nll_loss(*a, reduction="sum")),
    ),
    "nll_loss-1d": Case([(5,), integers(0, 5)], lambda ns, x, y: ns.nll_loss(x, y)),
    "nll_loss-4d": Case(
        [(2, 5, 3, 4), integers(0, 5, 2, 3, 4), WEIGHT],
        lambda ns, *a: (ns.nll_loss(*a), ns.nll_loss(*a, ignore_index=1, reduction="none")),
    ),
    "nll_loss-empty": Case(
        [(0, 5), integers(0, 5, 0)], lambda ns, x, y: ns.nll_loss(x, y, reduction="sum")
    ),
}


def pair_losses() -> Table:
    """Losses of an input and a target of its shape: reduction x weights."""
    table: Table = {}
    for r in ("mean", "sum", "none"):
        table[f"mse_loss-{r}"] = Case(
            [(4, 3), (4, 3)], lambda ns, x, t, r=r: ns.mse_loss(x, t, reduction=r)
        )
        table[f"mse_loss-weight-{r}"] = Case(
            [(4, 3), (4, 3), constant(positive(4, 3))],
            lambda ns, x, t, w, r=r: ns.mse_loss(x, t, reduction=r, weight=w),
        )
        table[f"binary_cross_entropy-{r}"] = Case(
            [unit(4, 3), unit(4, 3)], lambda ns, *a, r=r: ns.binary_cross_entropy(*a, reduction=r)
        )
        table[f"binary_cross_entropy-weight-{r}"] = Case(
            [unit(4, 3), unit(4, 3), constant(positive(4, 1))],
            lambda ns, *a, r=r: ns.binary_cross_entropy(*a, reduction=r),
        )
        table[f"binary_cross_entropy_with_logits-{r}"] = Case(
            [(4, 3), unit(4, 3)],
            lambda ns, x, t, r=r: ns.binary_cross_entropy_with_logits(3 * x, t, reduction=r),
        )
        table[f"binary_cross_entropy_with_logits-weights-{r}"] = Case(
            [(4, 3), unit(4, 3), constant(positive(3)), constant(positive(3))],
            lambda ns, x, t, w, p, r=r: ns.binary_cross_entropy_with_logits(
                x, t, w, reduction=r, pos_weight=p
            ),
        )
    table["binary_cross_entropy_with_logits-pos_weight-0d"] = Case(
        [(4,), unit(4), constant(positive())],
        lambda ns, x, t, p: ns.binary_cross_entropy_with_logits(x, t, pos_weight=p),
    )
    table["mse_loss-empty"] = Case(
        [(0, 3), (0, 3)], lambda ns, x, t: ns.mse_loss(x, t, reduction="sum")
    )
    table["mse_loss-0d"] = Case([(), ()], lambda ns, x, t: ns.mse_loss(x, t))
    return table


LOSSES: Table = {**class_losses(), **probability_losses(), **SHAPED, **pair_losses()}
