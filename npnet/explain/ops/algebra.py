"""Linear algebra: products, solving, decompositions, norms and distances."""

from __future__ import annotations

from npnet.explain.explanation import Explanations, explain

__all__ = ["ALGEBRA"]

A = [[2.0, 1.0, 0.5], [-1.0, 3.0, 1.0], [0.5, -0.5, 1.5]]  # has an inverse, det A > 0
B = [[1.0, 0.5], [-1.0, 2.0], [0.3, -0.2]]
HALF = [[1.0, 0.2, 0.4], [0.3, 1.5, -0.5], [-0.1, 0.1, 0.5]]  # half of A + A^T, which is positive
TALL = [[1.0, 2.0], [-0.5, 1.5], [2.0, -1.0]]
U, V, W = [1.0, -2.0, 0.5], [0.3, 1.5, -1.0], [0.5, -1.5]
MOVES = (
    "Move A by dA, a small matrix, and see how y moves: where dL = the sum of gA * dA for every "
    "dA, gA is the gradient. That sum is tr(gA^T dA), and tr(XY) = tr(YX)."
)
PAIRS = "d(A B) = dA B + A dB, and the order must be kept."
NORMALISED = "dy/dx_i = sign(x_i) * (|x_i| / y)^(p - 1), which for p = 2 is x_i / y."
MIRRORED = "The example takes A + A^T, which is symmetric and stays so when one value of A moves."
APART = (
    "Differences of the values divide: where two are equal, single vectors have no derivative "
    "(here 0 is taken), and where two are close it is large."
)

_PRODUCTS: Explanations = {
    "einsum": explain(
        "npnet.einsum('ij,jk->ik', a, b)",
        {"a": TALL, "b": [[1.0, 0.5, -1.0], [0.3, -0.2, 2.0]]},
        "y[out] = sum over all other labels of the product of the factors.",
        "dy/da is the product of the other factors: ga is again such a sum, of gy and the other "
        "factors, over the labels that a has not: here ga = einsum('ik,jk->ij', gy, b).",
        "A label of a that occurs nowhere else was summed alone: its gradient is repeated along "
        "it.",
    ),
    "inner": explain(
        "npnet.inner(a, b)",
        {"a": A, "b": U},
        "y = sum over the last axis of a * b: ga = gy times b, gb = gy times a, each summed over "
        "what it was repeated for.",
    ),
    "outer": explain(
        "npnet.outer(a, b)",
        {"a": U, "b": W},
        "y[i, j] = a_i * b_j: ga = gy @ b, gb = gy^T @ a.",
    ),
    "kron": explain(
        "npnet.kron(a, b)",
        {"a": [[1.0, 2.0], [-0.5, 1.5]], "b": [[0.5, -1.0]]},
        "Every a[i, j] times the whole of b, as blocks.",
        "ga[i, j] = the sum over its block of gy * b; gb = the sum over blocks of a[i, j] * gy.",
    ),
    "tensordot": explain(
        "npnet.tensordot(a, b, 1)",
        {"a": A, "b": B},
        "A matrix product over the last axes of a and the first of b, the others put together.",
        "So ga = gy @ b^T and gb = a^T @ gy, in the shapes of a and b.",
    ),
    "cross": explain(
        "npnet.cross(a, b)",
        {"a": [U], "b": [V]},
        "y = a x b is linear in both, and gy . (da x b) = da . (b x gy).",
        "ga = b x gy, gb = gy x a.",
    ),
    "addmv": explain(
        "npnet.addmv(x, a, v)",
        {"x": [0.5, -1.5, 0.7], "a": A, "v": U},
        "y = x + a @ v: gx = gy, ga[i, j] = gy_i * v_j, gv = a^T @ gy.",
    ),
    "addr": explain(
        "npnet.addr(x, u, v)",
        {"x": [[1.0, 0.5], [0.2, -1.0], [0.0, 1.5]], "u": U, "v": W},
        "y = x + u v^T: gx = gy, gu = gy @ v, gv = gy^T @ u.",
    ),
    "baddbmm": explain(
        "npnet.baddbmm(x, a, b)",
        {"x": [[[0.5], [1.0]]], "a": [[[1.0, 2.0], [-1.0, 0.5]]], "b": [[[0.5], [-1.5]]]},
        "For each of the batch y = x + a @ b: gx = gy, ga = gy @ b^T, gb = a^T @ gy.",
    ),
    "addbmm": explain(
        "npnet.addbmm(x, a, b)",
        {"x": [[0.5], [1.0]], "a": [[[1.0, 2.0], [-1.0, 0.5]]], "b": [[[0.5], [-1.5]]]},
        "y = x + the sum over the batch of a @ b: every product gets the same gy.",
        "gx = gy, ga = gy @ b^T, gb = a^T @ gy.",
    ),
    "multi_dot": explain(
        "npnet.linalg.multi_dot([a, b, c])",
        {"a": A, "b": B, "c": [[1.0], [-0.5]]},
        "y = (a @ b) @ c: two products, each with its two gradients.",
        "gb = a^T @ gy @ c^T: what stands before it and after it, transposed.",
    ),
    "matrix_power": explain(
        "npnet.linalg.matrix_power(A, 3)",
        {"A": A},
        PAIRS,
        "d(A^3) = dA A A + A dA A + A A dA: gA = the sum over k < 3 of (A^T)^k gy (A^T)^(2-k).",
        "The code squares and multiplies; the tape adds up the same.",
    ),
}

_MATRICES: Explanations = {
    "inv": explain(
        "npnet.linalg.inv(A)",
        {"A": A},
        MOVES,
        "A Y = I does not move: dA Y + A dY = 0, so dY = -Y dA Y.",
        "tr(gY^T dY) = -tr(gY^T Y dA Y) = -tr(Y gY^T Y dA): gA^T = -Y gY^T Y.",
        "gA = -Y^T gY Y^T.",
    ),
    "solve": explain(
        "npnet.linalg.solve(A, B)",
        {"A": A, "B": B},
        MOVES,
        "From A X = B: dA X + A dX = dB, so dX = A^-1 (dB - dA X).",
        "gB = A^-T gX: one more system, with A transposed. gA = -gB X^T.",
        "No inverse is ever formed.",
    ),
    "det": explain(
        "npnet.linalg.det(A)",
        {"A": A},
        "Along row i, det A = the sum over j of A[i, j] * C[i, j], and the cofactor C[i, j] does "
        "not hold A[i, j]: d det / dA[i, j] = C[i, j].",
        "C = det A * A^-T where there is an inverse: gA = gy * y * A^-T (Jacobi).",
    ),
    "slogdet": explain(
        "npnet.linalg.slogdet(A).logabsdet",
        {"A": A},
        "d log |det A| = d det A / det A: what det has, divided by det A.",
        "gA = g * A^-T; the sign is constant and gives nothing.",
    ),
    "logdet": explain(
        "npnet.logdet(A)", {"A": A}, "gA = gy * A^-T, as of slogdet, where det A > 0."
    ),
    "cholesky": explain(
        "npnet.linalg.cholesky(A + npnet.transpose(A, 0, 1))",
        {"A": HALF},
        MOVES,
        "From A = L L^T: L^-1 dA L^-T = L^-1 dL + (L^-1 dL)^T, of which the first is lower "
        "triangular: dL = L Phi(L^-1 dA L^-T), Phi takes the lower triangle, half the diagonal.",
        "Backwards: S = L^-T Phi(L^T gL) L^-1, and gA = (S + S^T) / 2, as A is symmetric.",
        MIRRORED,
    ),
    "eigvalsh": explain(
        "npnet.linalg.eigvalsh(A + npnet.transpose(A, 0, 1))",
        {"A": HALF},
        MOVES,
        "A v = w v with |v| = 1, multiplied by v^T from the left: dw = v^T dA v.",
        "gA = V diag(gw) V^T.",
        MIRRORED,
    ),
    "eigh": explain(
        "npnet.linalg.eigh(A + npnet.transpose(A, 0, 1)).eigenvectors",
        {"A": HALF},
        MOVES,
        "A = V diag(w) V^T, and V^T V = I makes K = V^T dV antisymmetric.",
        "V^T dA V = diag(dw) + K diag(w) - diag(w) K: dw is its diagonal, and "
        "K_ij = (V^T dA V)_ij / (w_j - w_i).",
        "gA = V (diag(gw) + (V^T gV)_ij / (w_j - w_i)) V^T, made symmetric.",
        MIRRORED,
        APART,
    ),
    "svdvals": explain(
        "npnet.linalg.svdvals(A)",
        {"A": TALL},
        MOVES,
        "dS = the diagonal of U^T dA V, as U and V turn at right angles to themselves.",
        "gA = U diag(gS) V^T.",
    ),
    "svd": explain(
        "npnet.linalg.svd(A, False).U",
        {"A": TALL},
        MOVES,
        "U^T U = I and V^T V = I: U^T dU and V^T dV are antisymmetric.",
        "U^T dA V = U^T dU S + dS + S (V^T dV)^T: its diagonal gives dS, and what is off it gives "
        "both turns, by the factors F_ij = 1 / (s_j^2 - s_i^2).",
        "Backwards gA = U (sym(F * U^T gU) S + S sym(F * V^T gV) + diag(gS)) V^T, sym(X) = X + "
        "X^T, and for a tall A also the part of gU that lies outside U: (I - U U^T) gU S^-1 V^T.",
        APART,
    ),
    "qr": explain(
        "npnet.linalg.qr(A).Q",
        {"A": TALL},
        MOVES,
        "dA = dQ R + Q dR; Q^T dQ is antisymmetric, dR R^-1 upper triangular.",
        "gA = (gQ + Q copyltu(M)) R^-T, M = R gR^T - gQ^T Q; copyltu mirrors the lower triangle.",
    ),
    "pinv": explain(
        "npnet.linalg.pinv(A)",
        {"A": TALL},
        MOVES,
        "dY = -Y dA Y, as of the inverse, and Y Y^T dA^T (I - A Y) + (I - Y A) dA^T Y^T Y for "
        "what lies outside the columns and rows of A.",
        "gA = -Y^T gY Y^T + (I - A Y) gY^T Y Y^T + Y^T Y gY^T (I - Y A).",
    ),
}

_NORMS: Explanations = {
    "vector_norm": explain(
        "npnet.linalg.vector_norm(x, 3)",
        {"x": U},
        "y = (sum of |x|^p)^(1/p).",
        NORMALISED,
        "Where y = 0 it has a kink: gx = 0 is taken.",
    ),
    "matrix_norm": explain(
        "npnet.linalg.matrix_norm(A, 2)",
        {"A": TALL},
        "y is the largest singular value, and ds = u^T dA v.",
        "gA = gy * u v^T. Of 'nuc' it is the sum of these, of 'fro' A / y.",
    ),
    "norm": explain(
        "npnet.norm(A, 'nuc')",
        {"A": TALL},
        "The sum of the singular values: each has ds = u^T dA v, so gA = gy * U V^T.",
        "With p a number, see vector_norm.",
    ),
    "norm_inf": explain(
        "npnet.linalg.norm(x, npnet.inf)",
        {"x": [1.0, -2.0, 0.5]},
        "y = the largest |x|: it gets gy * sign(x), all others 0; several share it evenly.",
    ),
    "dist": explain(
        "npnet.dist(x, other, 1.5)",
        {"x": U, "other": V},
        "The norm of d = x - other: d grows with x one for one, and falls with other.",
        "gx = gy * sign(d) * (|d| / y)^(p - 1), gother = -gx.",
    ),
    "cdist": explain(
        "npnet.cdist(x, other)",
        {"x": TALL, "other": [[0.5, 1.0], [-1.0, 0.5]]},
        "y[i, j] = |x_i - other_j|: its slope by x_i is the unit vector from other_j to x_i.",
        "gx_i = the sum over j of gy[i, j] * that vector; gother_j = the sum over i with a minus.",
    ),
    "renorm": explain(
        "npnet.renorm(x, 2, 0, 1.7)",
        {"x": TALL},
        "A row longer than maxnorm becomes x * maxnorm / |x|; others stay: gx = gy.",
        "By the product rule gx = maxnorm / |x| * (gy - u (u . gy)) with u = x / |x|: along the "
        "row itself nothing changes.",
    ),
}

ALGEBRA: Explanations = {**_PRODUCTS, **_MATRICES, **_NORMS}
