"""Linear algebra of matrices and batches of them, under the names of `torch.linalg`.

The decompositions are LAPACK's, through NumPy; the backward passes are written out here.

Source: Giles (2008), "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation", section 2 and 3, and for `qr` Walter and Lehmann (2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError
from npnet.ops import extremes, functions, norms, reduce, shape
from npnet.ops.broadcasting import check_tensors
from npnet.ops.linear import matmul
from npnet.ops.shape import axis, cast
from npnet.tape import Function, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "cholesky",
    "det",
    "eigh",
    "eigvalsh",
    "inv",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "vector_norm",
]

vector_norm = norms.vector_norm


class SLogDet(NamedTuple):
    """What `slogdet` returns."""

    sign: Tensor
    logabsdet: Tensor


class QR(NamedTuple):
    """What `qr` returns."""

    Q: Tensor
    R: Tensor


class Eigh(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class SVD(NamedTuple):
    """What `svd` returns."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def _t(a: Array) -> Array:
    return a.swapaxes(-1, -2)


def _check(op: str, A: Tensor, square: bool = True) -> None:
    if A.ndim < 2 or (square and A.shape[-1] != A.shape[-2]):
        kind = "square matrices" if square else "matrices"
        raise RuntimeError(f"linalg.{op}: takes {kind}, got {A.shape}")
    if not A.is_floating_point():
        raise RuntimeError(f"linalg.{op}: input must be floating point, got {A.dtype}")


class LinAlgError(RuntimeError):
    """A matrix has no inverse, or no such decomposition.

    Example:
        >>> try:
        ...     npnet.linalg.inv(npnet.zeros(2, 2))
        ... except npnet.linalg.LinAlgError as error:
        ...     print(error)
        linalg.inv: Singular matrix
    """


def _lapack(op: str, compute: Any, *arrays: Array) -> Any:
    try:
        return compute(*arrays)
    except np.linalg.LinAlgError as error:
        raise LinAlgError(f"linalg.{op}: {error}") from None


class Inv(Function):
    """Y = A^-1;  gA = -Y^T gY Y^T."""

    def forward(self, a: Array) -> Array:
        y = np.asarray(_lapack("inv", np.linalg.inv, a), a.dtype)
        self.save_for_backward(y)
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        (y,) = self.saved
        return (-_t(y) @ gy @ _t(y),)


def inv(A: Tensor) -> Tensor:
    """The inverse of square matrices.

    Shape: (..., n, n) -> the same.

    Raises:
        LinAlgError: a matrix has no inverse.
        RuntimeError: the matrices are not square, or not of a floating point dtype.

    Example:
        >>> npnet.linalg.inv(npnet.tensor([[2.0, 0.0], [0.0, 4.0]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.2500]])
    """
    _check("inv", A)
    return Inv()(A)


class Solve(Function):
    """A X = B;  gB = A^-T gX, gA = -gB X^T."""

    def forward(self, a: Array, b: Array) -> Array:
        y = np.asarray(_lapack("solve", np.linalg.solve, a, b), a.dtype)
        self.save_for_backward(a, y)
        return y

    def backward(self, gy: Array) -> tuple[Array, Array]:
        a, y = self.saved
        gb = np.linalg.solve(_t(a), gy)
        return -gb @ _t(y), gb


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X of A X = B, or of X A = B with `left=False`; B may be vectors.

    Shape: A (..., n, n), B (..., n, k) or (..., n) -> as B, leading axes broadcast.

    Raises:
        LinAlgError: a matrix is singular.
        ShapeError: A and B do not fit.
        RuntimeError: A is not square.

    Example:
        >>> npnet.linalg.solve(npnet.tensor([[2.0, 0.0], [0.0, 4.0]]), npnet.tensor([6.0, 4.0]))
        tensor([3., 1.])
    """
    _check("solve", A)
    if A.dtype != B.dtype:
        raise RuntimeError(f"linalg.solve: dtypes must be equal, got {A.dtype} and {B.dtype}")
    is_vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and A.shape[:-1] == B.shape)
    if is_vector:
        if not left:
            raise RuntimeError("linalg.solve: left=False takes matrices, got vectors")
        return shape.squeeze(solve(A, shape.unsqueeze(B, -1)), -1)
    if not left:
        return shape.transpose(
            solve(shape.transpose(A, -2, -1), shape.transpose(B, -2, -1)), -2, -1
        )
    if B.ndim < 2 or A.shape[-1] != B.shape[-2]:
        raise ShapeError(f"linalg.solve: A {A.shape} and B {B.shape} do not fit")
    batch = shape.broadcast_shapes("linalg.solve", A.shape[:-2], B.shape[:-2])
    a, b = (shape.expand(x, (*batch, *x.shape[-2:])) for x in (A, B))
    return Solve()(a, b)


class Det(Function):
    """y = det A;  gA = gy * y * A^-T, of the cofactors where A has no inverse."""

    def forward(self, a: Array) -> Array:
        y = np.asarray(np.linalg.det(a), a.dtype)
        self.save_for_backward(a)
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        """By A = U S V^T: the cofactors are det(U) det(V) U diag(products of the others) V^T."""
        (a,) = self.saved
        u, s, vh = np.linalg.svd(a.astype(np.float64))
        n = s.shape[-1]
        others = np.repeat(s[..., None, :], n, -2)
        others[..., range(n), range(n)] = 1
        sign = np.linalg.det(u) * np.linalg.det(vh)
        cofactors = (u * (sign[..., None] * others.prod(-1))[..., None, :]) @ vh
        return ((gy[..., None, None] * cofactors).astype(a.dtype),)


def det(A: Tensor) -> Tensor:
    """The determinant of square matrices.

    Shape: (..., n, n) -> (...).

    Raises:
        RuntimeError: the matrices are not square, or not of a floating point dtype.

    Example:
        >>> npnet.linalg.det(npnet.tensor([[1.0, 2.0], [3.0, 4.0]])).round(decimals=3)
        tensor(-2.)
    """
    check_tensors("det", A)
    _check("det", A)
    return Det()(A)


def _pull_slogdet(a: Array, gradients: list[Array]) -> Array:
    """gA = g * A^-T for y = log |det A|; the sign is constant."""
    return gradients[1][..., None, None] * _t(np.asarray(_lapack("slogdet", np.linalg.inv, a)))


def slogdet(A: Tensor) -> SLogDet:
    """The sign of the determinant, and the logarithm of its absolute value.

    Shape: (..., n, n) -> (...) and (...).

    Raises:
        RuntimeError: the matrices are not square, or not of a floating point dtype.

    Example:
        >>> npnet.linalg.slogdet(npnet.tensor([[0.0, 1.0], [1.0, 0.0]]))
        SLogDet(sign=tensor(-1.), logabsdet=tensor(0.))
    """
    check_tensors("slogdet", A)
    _check("slogdet", A)
    a = A.array.copy()
    return SLogDet(*_parts(A, np.linalg.slogdet(a), lambda _, g: _pull_slogdet(a, g)))


class Cholesky(Function):
    """A = L L^T;  gA = sym(L^-T Phi(L^T gL) L^-1), Phi takes the lower triangle, half the diagonal.

    Source: Murray (2016), "Differentiation of the Cholesky decomposition", eq. 9.
    """

    def forward(self, a: Array) -> Array:
        y = np.asarray(_lapack("cholesky", np.linalg.cholesky, a), a.dtype)
        self.save_for_backward(y)
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        (y,) = self.saved
        phi = np.tril(_t(y) @ np.tril(gy))
        n = range(y.shape[-1])
        phi[..., n, n] /= 2
        inverse = np.linalg.inv(y)
        g = _t(inverse) @ phi @ inverse
        return ((g + _t(g)) / 2,)


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The lower triangle L of A = L L^T, or with `upper` its transpose; A must be positive.

    Shape: (..., n, n) -> the same.

    Raises:
        LinAlgError: a matrix is not positive definite.
        RuntimeError: the matrices are not square, or not of a floating point dtype.

    Example:
        >>> npnet.linalg.cholesky(npnet.tensor([[4.0, 2.0], [2.0, 5.0]]))
        tensor([[2., 0.],
                [1., 2.]])
    """
    _check("cholesky", A)
    y = Cholesky()(A)
    return shape.transpose(y, -2, -1) if upper else y


# ---- decompositions ----------------------------------------------------------------------------


class _Part(Function):
    """One factor of a decomposition; its gradient is that of the whole with the others' 0."""

    def __init__(self, parts: tuple[Array, ...], which: int, pull: Any) -> None:
        self.parts, self.which, self.pull = parts, which, pull

    def forward(self, a: Array) -> Array:
        return self.parts[self.which]

    def backward(self, gy: Array) -> tuple[Array]:
        gradients = [np.zeros_like(part) for part in self.parts]
        gradients[self.which] = gy
        return (np.asarray(self.pull(self.parts, gradients), gy.dtype),)


def _parts(A: Tensor, arrays: Sequence[Array], pull: Any) -> tuple[Tensor, ...]:
    """The factors as results of A; its gradient is linear in theirs, so each gives its own."""
    held = tuple(np.asarray(a, A.dtype) for a in arrays)
    return tuple(_Part(held, i, pull)(A) for i in range(len(held)))


def _pull_eigh(parts: tuple[Array, ...], gradients: list[Array]) -> Array:
    """V (diag(gw) + (V^T gV) / (w_j - w_i)) V^T."""
    w, v = parts
    gw, gv = gradients
    apart = w[..., None, :] - w[..., :, None]
    factor = np.where(apart == 0, 0, 1 / np.where(apart == 0, 1, apart))
    inner = (_t(v) @ gv) * factor
    n = range(w.shape[-1])
    inner[..., n, n] = gw
    g = v @ inner @ _t(v)
    return np.asarray((g + _t(g)) / 2)


def eigh(A: Tensor, UPLO: str = "L") -> Eigh:
    """Eigenvalues, smallest first, and eigenvectors of symmetric matrices.

    Args:
        UPLO: which triangle counts, "L" or "U".

    Shape: (..., n, n) -> eigenvalues (..., n), eigenvectors (..., n, n), one a column.

    Raises:
        RuntimeError: the matrices are not square, or `UPLO` is none of these.

    Example:
        >>> A = npnet.tensor([[2.0, 1.0], [1.0, 2.0]])
        >>> values, vectors = npnet.linalg.eigh(A)
        >>> values.round(decimals=3), npnet.allclose(A @ vectors, values * vectors, atol=1e-5)
        (tensor([1., 3.]), True)
    """
    _check("eigh", A)
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"linalg.eigh: UPLO must be 'L' or 'U', got {UPLO!r}")
    uplo: Any = UPLO.upper()
    w, v = _lapack("eigh", lambda a: np.linalg.eigh(a, uplo), A.array)
    return Eigh(*_parts(A, (w, v), _pull_eigh))


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of symmetric matrices, smallest first.

    Shape: (..., n, n) -> (..., n).

    Raises:
        RuntimeError: the matrices are not square, or `UPLO` is none of these.

    Example:
        >>> npnet.linalg.eigvalsh(npnet.tensor([[2.0, 1.0], [1.0, 2.0]])).round(decimals=3)
        tensor([1., 3.])
    """
    return eigh(A, UPLO).eigenvalues


def _pull_svd(parts: tuple[Array, ...], gradients: list[Array]) -> Array:
    """U (sym(F * U^T gU) S + S sym(F * V^T gV) + diag(gS)) V^T, and what lies outside U and V."""
    u, s, vh = parts
    gu, gs, gvh = gradients
    v, gv = _t(vh), _t(gvh)
    squares = s * s
    apart = squares[..., None, :] - squares[..., :, None]
    f = np.where(apart == 0, 0, 1 / np.where(apart == 0, 1, apart))
    a, b = _t(u) @ gu, _t(v) @ gv
    inner = (f * (a - _t(a))) * s[..., None, :] + s[..., :, None] * (f * (b - _t(b)))
    n = range(s.shape[-1])
    inner[..., n, n] += gs
    g = u @ inner @ vh
    if u.shape[-2] > u.shape[-1]:
        g = g + ((gu - u @ a) / s[..., None, :]) @ vh
    if v.shape[-2] > v.shape[-1]:
        g = g + (u / s[..., None, :]) @ _t(gv - v @ b)
    return np.asarray(g)


def _pull_full_svd(parts: tuple[Array, ...], gradients: list[Array]) -> Array:
    """Of square U and V, their first columns alone have a gradient."""
    k = parts[1].shape[-1]
    thin = [(u[..., :k], s, vh[..., :k, :]) for u, s, vh in (parts, gradients)]
    return _pull_svd(thin[0], list(thin[1]))


def svd(A: Tensor, full_matrices: bool = True) -> SVD:
    """U, the singular values S, largest first, and V^T of A = U diag(S) V^T.

    Args:
        full_matrices: whether U and V are square; only the columns that they would have otherwise
            have a gradient.

    Shape: (..., m, n) -> U (..., m, m), S (..., k), V^T (..., n, n), k = min(m, n); U (..., m, k)
        and V^T (..., k, n) without full_matrices.

    Raises:
        RuntimeError: there are fewer than two axes.

    Example:
        >>> A = npnet.tensor([[0.0, 3.0], [2.0, 0.0]])
        >>> U, S, Vh = npnet.linalg.svd(A)
        >>> S.round(decimals=3), npnet.allclose(U @ npnet.diag(S) @ Vh, A, atol=1e-5)
        (tensor([3., 2.]), True)
    """
    _check("svd", A, square=False)
    parts = _lapack("svd", lambda a: np.linalg.svd(a, full_matrices=full_matrices), A.array)
    return SVD(*_parts(A, parts, _pull_full_svd))


def svdvals(A: Tensor) -> Tensor:
    """The singular values of matrices, largest first.

    Shape: (..., m, n) -> (..., min(m, n)).

    Raises:
        RuntimeError: there are fewer than two axes.

    Example:
        >>> npnet.linalg.svdvals(npnet.tensor([[0.0, 3.0], [2.0, 0.0]])).round(decimals=3)
        tensor([3., 2.])
    """
    return svd(A, full_matrices=False).S


def _pull_qr(parts: tuple[Array, ...], gradients: list[Array], a: Array) -> Array:
    """(gQ + Q copyltu(R gR^T - gQ^T Q)) R^-T; what is wider than high, [X, Y], by X alone.

    There R = [U, Q^T Y]: so gY = Q gV, and gQ also has Y gV^T.
    """
    q, r = parts
    gq, gr = gradients
    n = q.shape[-2]
    if r.shape[-1] > n:
        gv, y = gr[..., n:], a[..., n:]
        gx = _pull_qr((q, r[..., :n]), [gq + y @ _t(gv), gr[..., :n]], a)
        return np.concatenate((gx, q @ gv), -1)
    m = r @ _t(gr) - _t(gq) @ q
    symmetric = np.tril(m) + _t(np.tril(m, -1))
    return np.asarray(_t(np.linalg.solve(r, _t(gq + q @ symmetric))))


def qr(A: Tensor, mode: str = "reduced") -> QR:
    """Q with orthogonal columns and an upper triangle R of A = Q R.

    Args:
        mode: "reduced", "complete" (a square Q) or "r" (an empty Q). "complete" of matrices that
            are higher than wide, and "r", have no gradient.

    Shape: (..., m, n) -> Q (..., m, k), R (..., k, n), k = min(m, n), or m if complete.

    Raises:
        RuntimeError: there are fewer than two axes, or `mode` is none of these.

    Example:
        >>> A = npnet.tensor([[3.0, 1.0], [4.0, 2.0]])
        >>> Q, R = npnet.linalg.qr(A)
        >>> npnet.allclose(Q @ R, A, atol=1e-5), npnet.allclose(Q.T @ Q, npnet.eye(2), atol=1e-5)
        (True, True)
    """
    _check("qr", A, square=False)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(f"linalg.qr: mode must be 'reduced', 'complete' or 'r', got {mode!r}")
    a = A.array.copy()
    kind: Any = mode
    if mode == "r":
        r: Any = np.linalg.qr(a, "r")
        return QR(result(np.empty(0, A.dtype)), _parts(A, (r,), _no_gradient)[0])
    q, r = np.linalg.qr(a, kind)
    has = mode == "reduced" or a.shape[-2] <= a.shape[-1]
    return QR(*_parts(A, (q, r), (lambda p, g: _pull_qr(p, g, a)) if has else _no_gradient))


def _no_gradient(parts: tuple[Array, ...], gradients: list[Array]) -> Array:
    raise RuntimeError("linalg.qr: this mode has no gradient; use mode='reduced'")


class Pinv(Function):
    """Y = A^+;  gA = -Y^T gY Y^T + (I - A Y) gY^T Y Y^T + Y^T Y gY^T (I - Y A).

    Source: Golub and Pereyra (1973), "The differentiation of pseudo-inverses", eq. 4.12.
    """

    def __init__(self, y: Array) -> None:
        self.y = y

    def forward(self, a: Array) -> Array:
        self.save_for_backward(a)
        return self.y

    def backward(self, gy: Array) -> tuple[Array]:
        (a,) = self.saved
        y, g = self.y, _t(gy)
        left = g @ y @ _t(y)
        right = _t(y) @ y @ g
        return (-_t(y) @ gy @ _t(y) + left - a @ (y @ left) + right - (right @ y) @ a,)


def _limits(A: Tensor, s: Array, atol: Any, rtol: Any, tol: Any = None) -> Array:
    """Below what singular values count as 0; the tolerances may be tensors of the batch's shape."""
    given = [getattr(t, "array", t) for t in (atol if tol is None else tol, rtol)]
    if given[1] is None:
        whole = given[0] is not None and (tol is not None or bool(np.any(np.asarray(given[0]) > 0)))
        precision = float(np.finfo(A.dtype).eps) * max(A.shape[-2:])
        given[1] = np.where(np.asarray(given[0]) > 0, 0.0, precision) if whole else precision
        if tol is not None:
            given[1] = 0.0
    absolute, relative = (np.asarray(0.0 if t is None else t)[..., None] for t in given)
    return np.maximum(absolute, relative * s.max(-1, keepdims=True, initial=0))


def pinv(A: Tensor, *, atol: Any = None, rtol: Any = None, hermitian: bool = False) -> Tensor:
    """The pseudo-inverse V diag(1/S) U^T, in which singular values below a limit count as 0.

    Args:
        atol, rtol: the limit is max(atol, rtol * the largest singular value); by default rtol is
            the dtype's precision times the longer side, unless atol > 0.
        hermitian: whether A is symmetric: its lower triangle is what counts.

    Shape: (..., m, n) -> (..., n, m).

    Raises:
        RuntimeError: there are fewer than two axes.

    Example:
        >>> npnet.linalg.pinv(npnet.tensor([[3.0], [4.0]]))
        tensor([[0.1200, 0.1600]])
    """
    _check("pinv", A, square=hermitian)
    if not A.numel():
        return shape.transpose(A, -2, -1)
    if hermitian:
        w, v = np.linalg.eigh(A.array)
        u, s, vh = v * np.sign(w)[..., None, :], np.abs(w), _t(v)
    else:
        u, s, vh = np.linalg.svd(A.array, full_matrices=False)
    held = s > _limits(A, s, atol, rtol)
    inverse = np.where(held, 1 / np.where(held, s, 1), 0).astype(A.dtype)
    return Pinv(np.asarray((_t(vh) * inverse[..., None, :]) @ _t(u)))(A)


def matrix_rank(
    A: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:
    """How many singular values lie above the limit of `pinv`: int64.

    Args:
        tol: an old name of atol, with rtol 0.
        hermitian: whether A is symmetric.

    Shape: (..., m, n) -> (...).

    Raises:
        RuntimeError: there are fewer than two axes.

    Example:
        >>> npnet.linalg.matrix_rank(npnet.tensor([[1.0, 2.0], [2.0, 4.0]]))
        tensor(1)
    """
    _check("matrix_rank", A, square=hermitian)
    if hermitian:
        s = np.abs(np.linalg.eigvalsh(A.array))
    else:
        s = np.linalg.svd(A.array, compute_uv=False)
    return result(np.asarray((s > _limits(A, s, atol, rtol, tol)).sum(-1), np.int64))


# ---- products and norms ------------------------------------------------------------------------


def matrix_power(A: Tensor, n: int) -> Tensor:
    """A to the power of a whole number, negative ones of the inverse.

    Shape: (..., n, n) -> the same.

    Raises:
        LinAlgError: n is negative, and a matrix has no inverse.
        RuntimeError: the matrices are not square.

    Example:
        >>> npnet.matrix_power(npnet.tensor([[1.0, 1.0], [0.0, 1.0]]), 3)
        tensor([[1., 3.],
                [0., 1.]])
    """
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise RuntimeError(f"linalg.matrix_power: takes square matrices, got {A.shape}")
    if n == 0:
        ones = np.broadcast_to(np.eye(A.shape[-1], dtype=A.dtype), A.shape)
        return _parts(A, (ones,), lambda parts, gradients: np.zeros_like(ones))[0]
    base = inv(A) if n < 0 else A
    y = None
    for bit in reversed(bin(abs(n))[2:]):
        y = (
            base
            if bit == "1" and y is None
            else matmul(y, base)
            if bit == "1" and y is not None
            else y
        )
        base = matmul(base, base)
    assert y is not None
    return y


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of matrices from the left to the right; the first and the last may be vectors.

    Shape: (n, k), (k, m), ..., (p, q) -> (n, q).

    Raises:
        ShapeError: the inner sizes differ.
        RuntimeError: there are fewer than two tensors.

    Example:
        >>> x = npnet.tensor([[1, 0], [0, 2]])
        >>> npnet.linalg.multi_dot([npnet.tensor([1, 2]), x, x, npnet.tensor([1, 1])])
        tensor(9)
    """
    if len(tensors) < 2:
        raise RuntimeError(f"linalg.multi_dot: takes two tensors or more, got {len(tensors)}")
    y = tensors[0]
    for x in tensors[1:]:
        y = matmul(y, x)
    return y


def matrix_norm(
    A: Tensor,
    ord: float | str = "fro",
    dim: Any = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: npt.DTypeLike | None = None,
) -> Tensor:
    """A norm of matrices, whose axes are `dim`.

    Args:
        ord: "fro", "nuc" (the sum of the singular values), 2 or -2 (the largest, the smallest), 1
            or -1 (of the columns' sums of |x|), infinity or -infinity (of the rows').

    Shape: (..., m, n) -> (...), or (..., 1, 1) with keepdim.

    Raises:
        RuntimeError: there are fewer than two axes, or `ord` is none of these.

    Example:
        >>> A = npnet.tensor([[1.0, -2.0], [3.0, 4.0]])
        >>> npnet.linalg.matrix_norm(A, 1), npnet.linalg.matrix_norm(A, npnet.inf)
        (tensor(6.), tensor(7.))
    """
    x = A if dtype is None else cast(A, np.dtype(dtype))
    if x.ndim < 2 or not x.is_floating_point():
        raise RuntimeError(f"linalg.matrix_norm: takes matrices of floats, got {x.shape} {x.dtype}")
    rows, columns = (axis("matrix_norm", d, x.ndim) for d in dim)
    if rows == columns:
        raise RuntimeError(f"linalg.matrix_norm: dim must name two axes, got {dim}")
    if ord == "fro":
        return norms.vector_norm(x, 2, (rows, columns), keepdim)
    if ord in ("nuc", 2, -2):
        rest = [i for i in range(x.ndim) if i not in (rows, columns)]
        s = svdvals(shape.permute(x, [*rest, rows, columns]))
        y = reduce.sum(s, -1) if ord == "nuc" else _end(s, -1, ord == 2)
    elif ord in (1, -1, np.inf, -np.inf):
        along, over = (rows, columns) if abs(float(ord)) == 1 else (columns, rows)
        total = reduce.sum(functions.abs(x), along, keepdim=True)
        y = shape.squeeze(_end(total, over, float(ord) > 0), along - (over < along))
    else:
        raise RuntimeError(f"linalg.matrix_norm: ord is not known: {ord!r}")
    if keepdim:
        for d in sorted((rows, columns)):
            y = shape.unsqueeze(y, d)
    return y


def _end(x: Tensor, dim: int, largest: bool) -> Tensor:
    return extremes.amax(x, dim) if largest else extremes.amin(x, dim)


def norm(
    A: Tensor,
    ord: float | str | None = None,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: npt.DTypeLike | None = None,
) -> Tensor:
    """`vector_norm`, or `matrix_norm` where two axes and an order are given.

    Shape: (...) -> (), or without the axes of `dim`; these of size 1 with keepdim.

    Raises:
        RuntimeError: `ord` comes with other than one or two axes, or is unknown.
        IndexError: `dim` is no axis.

    Example:
        >>> npnet.linalg.norm(npnet.tensor([3.0, 4.0])), npnet.linalg.norm(npnet.ones(2, 3), 1)
        (tensor(5.), tensor(2.))
    """
    if ord is None:
        return norms.vector_norm(A, 2, dim, keepdim, dtype=dtype)
    if isinstance(ord, str) or (dim is not None and not isinstance(dim, int) and len(dim) == 2):
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    if dim is None and A.ndim == 2:
        return matrix_norm(A, ord, (-2, -1), keepdim, dtype=dtype)
    if dim is None and A.ndim > 2:
        raise RuntimeError(f"linalg.norm: with an order, A must have 1 or 2 axes, got {A.shape}")
    return norms.vector_norm(A, ord, dim, keepdim, dtype=dtype)
