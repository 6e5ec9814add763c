"""Cases of ops that move values: shape, order, indexing, joining, padding."""

from __future__ import annotations

from typing import Any

from tests.cases.case import Case, Table, constant, integers, mask

__all__ = ["EMBEDDING", "INDEXING", "PADDING", "SHAPES"]

SHAPES: Table = {
    "reshape": Case([(2, 3, 4)], lambda ns, x: ns.reshape(x, (4, -1))),
    "reshape-images": Case([(2, 12)], lambda ns, x: ns.reshape(x, (2, 3, 2, 2))),
    "reshape-0d": Case([(1, 1)], lambda ns, x: x.reshape(())),
    "view": Case([(2, 3, 4)], lambda ns, x: x.contiguous().view(6, 4)),
    "flatten": Case([(2, 3, 4)], lambda ns, x: x.flatten(1)),
    "flatten-images": Case([(2, 3, 4, 5)], lambda ns, x: x.flatten(1)),
    "flatten-some": Case([(2, 3, 4, 5)], lambda ns, x: ns.flatten(x, 1, -2)),
    "flatten-0d": Case([()], lambda ns, x: x.flatten()),
    "flatten-empty": Case([(0, 3, 4)], lambda ns, x: x.flatten(1)),
    "permute": Case([(2, 3, 4)], lambda ns, x: x.permute(2, 0, -2)),
    "transpose": Case([(2, 3, 4)], lambda ns, x: ns.transpose(x, 0, -1)),
    "t": Case([(2, 3)], lambda ns, x: x.t() @ x),
    "T": Case([(2, 3)], lambda ns, x: x.T),
    "squeeze": Case([(1, 3, 1)], lambda ns, x: x.squeeze()),
    "squeeze-dim": Case([(1, 3, 1)], lambda ns, x: ns.squeeze(x, -1)),
    "squeeze-not-1": Case([(1, 3, 1)], lambda ns, x: x.squeeze(1)),
    "squeeze-dims": Case([(1, 3, 1)], lambda ns, x: x.squeeze((0, 1))),
    "squeeze-0d": Case([()], lambda ns, x: x.squeeze(-1)),
    "unsqueeze": Case([(2, 3)], lambda ns, x: (x.unsqueeze(0), ns.unsqueeze(x, -1))),
    "expand": Case([(3, 1)], lambda ns, x: x.expand(2, 3, 4)),
    "expand-kept": Case([(3, 1)], lambda ns, x: x.expand(-1, 4)),
    "expand-empty": Case([(1, 3)], lambda ns, x: x.expand(0, 3)),
    "cat": Case([(2, 3), (2, 1), (2, 2)], lambda ns, *xs: ns.cat(xs, 1)),
    "cat-same-twice": Case([(2, 3)], lambda ns, x: ns.cat([x, x])),
    "cat-empty": Case([(0, 3), (2, 3)], lambda ns, *xs: ns.cat(xs)),
    "cat-legacy-empty": Case([constant((0,)), (2, 3)], lambda ns, *xs: ns.cat(xs, 1)),
    "cat-dtypes": Case([(2, 3), integers(0, 9, 1, 3)], lambda ns, *xs: ns.cat(xs, dim=-2)),
    "stack": Case([(2, 3), (2, 3)], lambda ns, *xs: (ns.stack(xs), ns.stack(xs, dim=-1))),
    "clone": Case([(2, 3)], lambda ns, x: x.clone()),
    "contiguous": Case([(2, 3)], lambda ns, x: x.t().contiguous()),
    "one_hot": Case([integers(0, 4, 2, 3)], lambda ns, y: (ns.one_hot(y), ns.one_hot(y, 7))),
}


def written(x: Any, index: Any, value: Any) -> Any:
    """A copy of x after `x[index] = value`."""
    y = x.clone()
    y[index] = value
    return y


INDEXING: Table = {
    "index-int": Case([(4, 5)], lambda ns, x: (x[1], x[-1, 2])),
    "index-slices": Case([(4, 5, 6)], lambda ns, x: x[1:3, ::2, -4:]),
    "index-none-ellipsis": Case([(4, 5, 6)], lambda ns, x: x[None, ..., 1:, None, 0]),
    "index-outside": Case([(4, 5)], lambda ns, x: x[7:]),
    "index-tensor": Case([(4, 5), integers(0, 4, 7)], lambda ns, x, i: x[i]),
    "index-negative": Case([(4, 5), integers(-4, 4, 2, 3)], lambda ns, x, i: x[:, i]),
    "index-0d-tensor": Case([(4, 5), integers(0, 4)], lambda ns, x, i: x[i]),
    "index-tensors": Case(
        [(4, 5, 6), integers(0, 4, 3), integers(0, 5, 2, 1)], lambda ns, x, i, j: x[i, j]
    ),
    "index-tensors-apart": Case(
        [(4, 5, 6), integers(0, 4, 3), integers(0, 6, 3)], lambda ns, x, i, j: x[i, :, j]
    ),
    "index-int-and-tensor": Case([(4, 5, 6), integers(0, 6, 2)], lambda ns, x, i: x[0, :, i]),
    "index-tensor-none": Case([(4, 5, 6), integers(0, 5, 2)], lambda ns, x, i: x[..., i, None, 1]),
    "index-list": Case([(4, 5)], lambda ns, x: x[[0, 2, 2]]),
    "index-mask": Case([(4, 5), mask(4, 5)], lambda ns, x, m: x[m]),
    "index-mask-axis": Case([(4, 5, 6), mask(5)], lambda ns, x, m: x[1, m, 2:]),
    "index-mask-first": Case([(4, 5, 6), mask(4, 5)], lambda ns, x, m: x[m, 0]),
    "index-empty": Case([(4, 5), integers(0, 4, 0)], lambda ns, x, i: x[i]),
    "set-int": Case([(4, 5), (5,)], lambda ns, x, v: written(x, 1, v)),
    "set-number": Case([(4, 5)], lambda ns, x: written(x, (slice(1, 3), 2), 0.5)),
    "set-broadcast": Case([(4, 5), (3, 1)], lambda ns, x, v: written(x, slice(1, None), v)),
    "set-leading-1": Case([(4, 5), (1, 5)], lambda ns, x, v: written(x, 0, v)),
    "set-mask": Case([(4, 5), mask(4, 5)], lambda ns, x, m: written(x, m, 2.0)),
    "set-tensor": Case([(4, 5), (2, 5)], lambda ns, x, v: written(x, ns.tensor([3, 1]), v)),
    "set-int-and-tensor": Case(
        [(4, 5, 6), (5, 2)], lambda ns, x, v: written(x, (0, slice(None), ns.tensor([3, 1])), v)
    ),
    "gather": Case([(4, 5), integers(0, 4, 3, 5)], lambda ns, x, i: ns.gather(x, 0, i)),
    "gather-last": Case([(4, 5), integers(0, 5, 3, 7)], lambda ns, x, i: x.gather(-1, i)),
    "gather-1d": Case([(4,), integers(0, 4, 6)], lambda ns, x, i: x.gather(0, i)),
}

EMBEDDING: Table = {
    "embedding": Case([integers(0, 4, 2, 3), (4, 5)], lambda ns, i, w: ns.embedding(i, w)),
    "embedding-padding": Case(
        [integers(0, 4, 9), (4, 5)],
        lambda ns, i, w: ns.embedding(i, w, padding_idx=-2),
        smooth=False,  # a row whose gradient is 0 by definition
    ),
    "embedding-frequency": Case(
        [integers(0, 4, 9), (4, 5)],
        lambda ns, i, w: ns.embedding(i, w, scale_grad_by_freq=True),
        smooth=False,  # a gradient divided by counts is none of differences
    ),
    **{
        f"embedding_bag-{mode}": Case(
            [integers(0, 4, 7), (4, 5)],
            lambda ns, i, w, mode=mode: ns.embedding_bag(
                i, w, i.new_tensor([0, 3, 3]), mode=mode, padding_idx=2
            ),
            smooth=False,  # a row whose gradient is 0 by definition
        )
        for mode in ("sum", "mean", "max")
    },
    "embedding_bag-weights": Case(
        [integers(0, 4, 2, 3), (4, 5), (2, 3)],
        lambda ns, i, w, a: ns.embedding_bag(i, w, mode="sum", per_sample_weights=a),
    ),
    "bilinear": Case(
        [(2, 5, 3), (2, 5, 4), (6, 3, 4), (6,)], lambda ns, x, y, w, b: ns.bilinear(x, y, w, b)
    ),
    "channel_shuffle": Case([(2, 6, 3)], lambda ns, x: ns.channel_shuffle(x, 3)),
}

PADDING: Table = {
    "pad": Case([(2, 3, 4)], lambda ns, x: ns.pad(x, (1, 2))),
    "pad-value": Case([(2, 3, 4)], lambda ns, x: ns.pad(x, (1, 0, 0, 2), value=3.5)),
    "pad-negative": Case([(2, 3, 6)], lambda ns, x: ns.pad(x, (-1, 2, 1, -2))),
    "pad-reflect": Case([(2, 3, 4, 5)], lambda ns, x: ns.pad(x, (3, 2, 0, 3), "reflect")),
    "pad-reflect-1d": Case([(2, 3, 4)], lambda ns, x: ns.pad(x, (3, 1), mode="reflect")),
    "pad-replicate": Case([(2, 3, 4, 5)], lambda ns, x: ns.pad(x, (6, 1, 0, 2), "replicate")),
    "pad-circular": Case([(2, 3, 4, 5)], lambda ns, x: ns.pad(x, (5, 1, 2, 4), "circular")),
    "pad-circular-negative": Case(
        [(2, 3, 4, 5)], lambda ns, x: ns.pad(x, (2, -1, -1, 2), "circular")
    ),
    "pad-reflect-negative": Case(
        [(2, 3, 4, 5)], lambda ns, x: ns.pad(x, (2, -1, -1, 2), "reflect")
    ),
    "pad-replicate-negative": Case(
        [(2, 3, 4, 5)], lambda ns, x: ns.pad(x, (2, -1, -1, 2), "replicate")
    ),
    "pad-replicate-nothing": Case(
        [(2, 3, 4, 4)], lambda ns, x: ns.pad(x, (-4, 5, 0, 0), "replicate")
    ),
    "pad-empty": Case([(0, 3, 4, 5)], lambda ns, x: ns.pad(x, (1, 1, 1, 1), "reflect")),
}
