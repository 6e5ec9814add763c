"""What torch and Tensor call otherwise than `linalg`, from before there was `linalg`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from npnet.ops import linalg, shape, splitting
from npnet.ops.broadcasting import check_tensors
from npnet.tape import result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["cholesky", "inverse", "logdet", "pinverse", "qr", "svd"]


class _SVD(NamedTuple):
    U: Tensor
    S: Tensor
    V: Tensor


def inverse(input: Tensor) -> Tensor:
    """`linalg.inv`.

    Example:
        >>> npnet.inverse(npnet.tensor([[2.0, 0.0], [0.0, 4.0]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.2500]])
    """
    return linalg.inv(input)


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """`linalg.pinv` with rtol = rcond.

    Example:
        >>> npnet.pinverse(npnet.tensor([[3.0], [4.0]]))
        tensor([[0.1200, 0.1600]])
    """
    check_tensors("pinverse", input)
    return linalg.pinv(input, rtol=rcond)


def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """`linalg.cholesky`.

    Example:
        >>> npnet.cholesky(npnet.tensor([[4.0, 2.0], [2.0, 5.0]]))
        tensor([[2., 0.],
                [1., 2.]])
    """
    return linalg.cholesky(input, upper=upper)


def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant: NaN where that is negative.

    Example:
        >>> npnet.logdet(npnet.tensor([[2.0, 0.0], [5.0, 1.0]]))
        tensor(0.6931)
    """
    check_tensors("logdet", input)
    sign, logabsdet = linalg.slogdet(input)
    negative = result(sign.array < 0)
    return splitting.masked_fill(logabsdet, negative, float("nan"))


def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> _SVD:
    """U, S and V with `input = U @ diag(S) @ V.mT`: V, where `linalg.svd` gives its transpose.

    Args:
        some: as many columns of U and V as there are singular values; else all.
        compute_uv: False leaves U and V 0.

    Example:
        >>> A = npnet.tensor([[0.0, 3.0], [2.0, 0.0]])
        >>> U, S, V = npnet.svd(A)
        >>> S.round(decimals=3), npnet.allclose(U @ npnet.diag(S) @ V.mT, A, atol=1e-5)
        (tensor([3., 2.]), True)
    """
    check_tensors("svd", input)
    if not compute_uv:
        rows, columns = input.shape[-2:]
        zeros = [input.new_zeros((*input.shape[:-2], n, n)) for n in (rows, columns)]
        return _SVD(zeros[0], linalg.svdvals(input), zeros[1])
    u, s, vh = linalg.svd(input, full_matrices=not some)
    return _SVD(u, s, shape.transpose(vh, -2, -1))


def qr(input: Tensor, some: bool = True) -> linalg.QR:
    """`linalg.qr`, of mode "complete" where `some` is False.

    Example:
        >>> A = npnet.tensor([[3.0, 1.0], [4.0, 2.0]])
        >>> Q, R = npnet.qr(A)
        >>> npnet.allclose(Q @ R, A, atol=1e-5), R[1, 0]
        (True, tensor(0.))
    """
    check_tensors("qr", input)
    return linalg.qr(input, "reduced" if some else "complete")
