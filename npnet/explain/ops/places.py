"""Ops that read values at places, write them there, or arrange them."""

from __future__ import annotations

from npnet.explain.explanation import Explanations, explain

__all__ = ["PLACES"]

X = [[0.5, -1.0, 2.0], [1.5, 0.3, -0.7], [-2.0, 1.0, 0.8]]
Y = [[1.0, 2.0, -0.5], [0.4, -1.5, 3.0], [2.5, 0.6, -1.0]]
ROW = [0.5, -1.0, 2.0]
MASK = [[True, False, True], [False, True, False], [False, False, True]]
INDEX = [[0, 2, 1], [0, 1, 1]]
COPIES = "Each result is a copy of one value: dy/dx is 1 for that one, else 0."
BACK = "gx has gy at the places that were read, and 0 at all others."
TWICE = "gx is the sum of gy over all copies of a value: what was read twice gets both."
MOVED = "Values change places, and nothing else."
OVERWRITTEN = "What is written over is gone: gx is gy, but 0 at the places written to."
TAKEN = "gsrc is gy read at the places where each of its values went."
FRAME = "What was put in between or around is constant and wants no gradient."
PIECE = "Each input gets its piece of gy."

_READING: Explanations = {
    "getitem": explain(
        "x[1:, [0, 0, 2]]",
        {"x": X},
        COPIES,
        TWICE,
        "A slice is a view and no copy; its gradient is the same.",
    ),
    "index_select": explain(
        "npnet.index_select(x, 0, rows)", {"x": X, "rows": [2, 0, 2]}, COPIES, TWICE
    ),
    "masked_select": explain("npnet.masked_select(x, mask)", {"x": X, "mask": MASK}, COPIES, BACK),
    "take": explain("npnet.take(x, index)", {"x": X, "index": [0, 4, 4]}, COPIES, TWICE),
    "take_along_dim": explain(
        "npnet.take_along_dim(x, index, 1)", {"x": X, "index": [*INDEX, [2, 2, 0]]}, COPIES, TWICE
    ),
    "select": explain("npnet.select(x, 0, 1)", {"x": X}, COPIES, BACK),
    "narrow": explain("npnet.narrow(x, 1, 1, 2)", {"x": X}, COPIES, BACK),
    "split": explain(
        "npnet.split(x, 2, 1)", {"x": X}, COPIES, "Of several pieces each writes its gy into gx."
    ),
    "chunk": explain(
        "npnet.chunk(x, 2, 1)", {"x": X}, COPIES, "Of several pieces each writes its gy into gx."
    ),
    "tensor_split": explain(
        "npnet.tensor_split(x, 2, 1)",
        {"x": X},
        COPIES,
        "Of several pieces each writes its gy into gx.",
    ),
    "unbind": explain(
        "npnet.unbind(x)", {"x": X}, COPIES, "Of several slices each writes its gy into gx."
    ),
    "diagonal": explain("npnet.diagonal(x, 1)", {"x": X}, COPIES, BACK),
    "unfold_axis": explain(
        "x.unfold(0, 2, 1)",
        {"x": ROW},
        "Windows of 2 values, one after each step of 1, as a new last axis. " + COPIES,
        "Where windows overlap, a value is in several: " + TWICE,
    ),
    "as_strided": explain(
        "npnet.as_strided(x, (2, 2), (1, 1))",
        {"x": ROW},
        "y[i, j] is the value i + j steps on in memory. " + COPIES,
        TWICE,
    ),
    "tril": explain(
        "npnet.tril(x)", {"x": X}, "y = x where the mask holds, else 0: gx is tril(gy)."
    ),
    "triu": explain(
        "npnet.triu(x)", {"x": X}, "y = x where the mask holds, else 0: gx is triu(gy)."
    ),
    "combinations": explain("npnet.combinations(x)", {"x": ROW}, COPIES, TWICE),
    "cartesian_prod": explain(
        "npnet.cartesian_prod(a, b)", {"a": ROW, "b": [1.5, -0.5]}, COPIES, TWICE
    ),
}

_WRITING: Explanations = {
    "masked_fill": explain(
        "npnet.masked_fill(x, mask, value)",
        {"x": X, "mask": MASK, "value": 0.5},
        OVERWRITTEN,
        "gvalue is the sum of gy over the places that it was written to.",
    ),
    "fill": explain(
        "npnet.fill(x, value)",
        {"x": X, "value": 0.5},
        OVERWRITTEN,
        "Here that is everything: gx = 0, and gvalue is the sum of gy.",
    ),
    "scatter": explain(
        "npnet.scatter(x, 0, index, src)",
        {"x": X, "index": [[0, 2, 1], [1, 1, 0]], "src": Y[:2]},
        "y[index[i, j], j] = src[i, j], on a copy of x.",
        OVERWRITTEN,
        TAKEN,
        "Where two are written to one place the last stays, yet both would get gy: the indices of "
        "a column should differ.",
    ),
    "scatter_add": explain(
        "npnet.scatter_add(x, 0, index, src)",
        {"x": X, "index": INDEX, "src": Y[:2]},
        "y[index[i, j], j] += src[i, j]: x and src are terms of sums, each counts 1.",
        "gx = gy. " + TAKEN,
    ),
    "scatter_reduce": explain(
        "npnet.scatter_reduce(x, 0, index, src, 'prod')",
        {"x": X, "index": INDEX, "src": Y[:2]},
        "Each place holds the product of x and of what arrives there.",
        "By each factor: gy times the product of the others, for x and for src alike.",
        "Of 'mean' each gets gy by the count; of 'amax' and 'amin' the one that is y gets gy.",
    ),
    "index_add": explain(
        "npnet.index_add(x, 0, rows, src, alpha=0.5)",
        {"x": X, "rows": [2, 0], "src": Y[:2]},
        "Row rows[i] gets alpha * src[i] added: gx = gy, gsrc[i] = alpha * gy[rows[i]].",
    ),
    "index_copy": explain(
        "npnet.index_copy(x, 0, rows, src)",
        {"x": X, "rows": [2, 0], "src": Y[:2]},
        OVERWRITTEN,
        TAKEN,
    ),
    "index_fill": explain(
        "npnet.index_fill(x, 0, rows, 0.5)", {"x": X, "rows": [2, 0]}, OVERWRITTEN
    ),
    "index_reduce": explain(
        "npnet.index_reduce(x, 0, rows, src, 'mean')",
        {"x": X, "rows": [2, 2], "src": Y[:2]},
        "Each place holds the mean of x and of what arrives there, of n values in all.",
        "Each of the n gets gy / n.",
    ),
    "index_put": explain(
        "npnet.index_put(x, (rows, columns), src)",
        {"x": X, "rows": [2, 0], "columns": [1, 1], "src": ROW[:2]},
        "y = x, and then y[rows[i], columns[i]] = src[i]; x[...] = src in place has the same "
        "gradients.",
        OVERWRITTEN,
        TAKEN,
    ),
    "put": explain(
        "npnet.put(x, index, src)",
        {"x": X, "index": [4, 0], "src": ROW[:2]},
        "The places are counted as if x had one axis.",
        OVERWRITTEN,
        TAKEN,
    ),
    "masked_scatter": explain(
        "npnet.masked_scatter(x, mask, src)",
        {"x": X, "mask": MASK, "src": [1.5, 0.2, -0.4, 0.9]},
        "The values of src, one after the other, go where the mask holds.",
        OVERWRITTEN,
        TAKEN,
    ),
    "select_scatter": explain(
        "npnet.select_scatter(x, src, 0, 1)", {"x": X, "src": ROW}, OVERWRITTEN, TAKEN
    ),
    "slice_scatter": explain(
        "npnet.slice_scatter(x, src, 0, 1, 3)", {"x": X, "src": Y[:2]}, OVERWRITTEN, TAKEN
    ),
}

_ARRANGING: Explanations = {
    "flip": explain(
        "npnet.flip(x, [1])", {"x": X}, MOVED, "Reversed once more, gy is in the order of x."
    ),
    "roll": explain(
        "npnet.roll(x, 1, 1)", {"x": X}, MOVED, "gx is gy, rolled the other way round."
    ),
    "rot90": explain("npnet.rot90(x)", {"x": X}, MOVED, "gx is gy, turned back by 90 degrees."),
    "movedim": explain("npnet.movedim(x, 0, 2)", {"x": [X]}, MOVED, "gx is gy with the axis back."),
    "clone": explain("npnet.clone(x)", {"x": X}, "A copy: gx = gy."),
    "expand": explain(
        "x.expand(2, 3)",
        {"x": ROW},
        "Each value stands for several: gx is the sum of gy along the axes of the repetition.",
    ),
    "repeat": explain("x.repeat(2, 1)", {"x": X[:2]}, COPIES, TWICE),
    "tile": explain("npnet.tile(x, (2,))", {"x": X[:2]}, COPIES, TWICE),
    "repeat_interleave": explain("npnet.repeat_interleave(x, 2, 0)", {"x": X[:2]}, COPIES, TWICE),
    "meshgrid": explain(
        "npnet.meshgrid(a, b, indexing='ij')",
        {"a": ROW, "b": [1.5, -0.5]},
        "Two results, of which the example takes the first: y[i, j] = a_i.",
        "ga_i = the sum over j of gy[i, j]; of the second result gb_j is the sum over i.",
    ),
    "diag": explain(
        "npnet.diag(x)",
        {"x": ROW},
        "A vector becomes a diagonal: gx is the diagonal of gy. " + FRAME,
        "A matrix becomes a vector: gx has gy on the diagonal, 0 elsewhere.",
    ),
    "diag_embed": explain(
        "npnet.diag_embed(x)", {"x": X[:2]}, "gx is the diagonal of gy. " + FRAME
    ),
    "diagflat": explain("npnet.diagflat(x)", {"x": ROW}, "gx is the diagonal of gy. " + FRAME),
    "block_diag": explain(
        "npnet.block_diag(a, b)", {"a": X[:1], "b": [[1.5], [-0.5]]}, MOVED, PIECE, FRAME
    ),
    "hstack": explain("npnet.hstack([a, b])", {"a": X, "b": Y}, MOVED, PIECE),
    "vstack": explain("npnet.vstack([a, b])", {"a": X, "b": ROW}, MOVED, PIECE),
    "dstack": explain("npnet.dstack([a, b])", {"a": X, "b": Y}, MOVED, PIECE),
    "column_stack": explain("npnet.column_stack([a, b])", {"a": X, "b": ROW}, MOVED, PIECE),
    "pad_constant": explain(
        "F.pad(x, (1, 1, 0, 1), value=0.5)", {"x": X[:2]}, "gx is what arrives inside. " + FRAME
    ),
}

PLACES: Explanations = {**_READING, **_WRITING, **_ARRANGING}
