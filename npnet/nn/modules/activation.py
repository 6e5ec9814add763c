"""Activations as modules: see the function of the same name in `functional`."""

from __future__ import annotations

import warnings
from typing import Any

import numpy.typing as npt

from npnet import creation
from npnet.base.checks import ShapeError
from npnet.nn import functional as F
from npnet.nn import init as initialise
from npnet.nn.module import Module
from npnet.nn.parameter import Parameter
from npnet.tensor import Tensor

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class _MaybeInPlace(Module):
    """An activation that may write its result into its input."""

    inplace: bool

    def _and_inplace(self, text: str) -> str:
        """What stands in the parentheses of `repr`."""
        return ", ".join(filter(None, (text, "inplace=True" if self.inplace else "")))


class ReLU(_MaybeInPlace):
    """y = max(x, 0).  Shape: any.

    Raises:
        RuntimeError: with inplace, x is a leaf that requires a gradient.

    Example:
        >>> nn.ReLU()(npnet.tensor([-1.0, 0.0, 2.0]))
        tensor([0., 0., 2.])

    Source: Nair and Hinton (2010).
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, self.inplace)

    def extra_repr(self) -> str:
        return self._and_inplace("")


class LeakyReLU(_MaybeInPlace):
    """y = x where x > 0, else negative_slope * x.  Shape: any.

    Raises:
        RuntimeError: x is of integers; with inplace, x is a leaf that requires a gradient.

    Example:
        >>> nn.LeakyReLU(0.25)(npnet.tensor([-2.0, 0.0, 2.0]))
        tensor([-0.5000,  0.0000,  2.0000])

    Source: Maas, Hannun, Ng (2013).
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        return self._and_inplace(f"negative_slope={self.negative_slope}")


class PReLU(Module):
    """y = x where x > 0, else weight * x, with a trained weight.  Shape: (N, C, ...), kept.

    Args:
        num_parameters: 1, or one for each channel.
        init: what they are at first.

    Raises:
        ShapeError: num_parameters is neither 1 nor the number of channels.

    Example:
        >>> nn.PReLU()(npnet.tensor([-2.0, 2.0])).tolist()
        [-0.5, 2.0]

    Source: He et al. (2015), arXiv:1502.01852, eq. 1.
    """

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(creation.empty(num_parameters, dtype=dtype, device=device))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set all to `init`."""
        initialise.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(_MaybeInPlace):
    """y = x where x > 0, else a * x, a drawn from [lower, upper) in training.  Shape: any.

    Raises:
        ValueError: lower is above upper.
        RuntimeError: x is of integers; with inplace, x is a leaf that requires a gradient.

    Example:
        >>> nn.RReLU(0.25, 0.75).eval()(npnet.tensor([-2.0, 2.0]))
        tensor([-1.,  2.])

    Source: Xu et al. (2015), arXiv:1505.00853, section 2.4.
    """

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return self._and_inplace(f"lower={self.lower}, upper={self.upper}")


class Hardtanh(_MaybeInPlace):
    """y = min(max(x, min_val), max_val).  Shape: any.

    Args:
        min_value, max_value: PyTorch's names of old, which it warns of.

    Raises:
        ValueError: max_val is not above min_val.
        RuntimeError: with inplace, x is a leaf that requires a gradient.

    Example:
        >>> nn.Hardtanh(-1, 2)(npnet.tensor([-3.0, 0.5, 3.0]))
        tensor([-1.0000,  0.5000,  2.0000])

    Source: Collobert (2004), section 5.3.
    """

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        for old, new, value in (
            ("min_value", "min_val", min_value),
            ("max_value", "max_val", max_value),
        ):
            if value is not None:
                warnings.warn(
                    f"keyword argument `{old}` is deprecated and rename to `{new}`",
                    FutureWarning,
                    stacklevel=2,
                )
        min_val = min_val if min_value is None else min_value
        max_val = max_val if max_value is None else max_value
        if not max_val > min_val:
            raise ValueError(f"Hardtanh: max_val must be above min_val, got {min_val}, {max_val}")
        self.min_val, self.max_val, self.inplace = min_val, max_val, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        return self._and_inplace(f"min_val={self.min_val}, max_val={self.max_val}")


class ReLU6(Hardtanh):
    """y = min(max(x, 0), 6).  Shape: any.

    Raises:
        RuntimeError: with inplace, x is a leaf that requires a gradient.

    Example:
        >>> nn.ReLU6()(npnet.tensor([-1.0, 2.0, 9.0]))
        tensor([0., 2., 6.])

    Source: Krizhevsky (2010), "Convolutional deep belief networks on CIFAR-10", section 2.1.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        return self._and_inplace("")


class Hardsigmoid(_MaybeInPlace):
    """y = min(max(x + 3, 0), 6) / 6.  Shape: any.

    Raises:
        RuntimeError: x is of integers; with inplace, x is a leaf that requires a gradient.

    Example:
        >>> nn.Hardsigmoid()(npnet.tensor([-4.0, 0.0, 1.5, 4.0]))
        tensor([0.0000, 0.5000, 0.7500, 1.0000])

    Source: Howard et al. (2019), arXiv:1905.02244, section 5.2.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.hardsigmoid(input, self.inplace)


class Hardswish(_MaybeInPlace):
    """y = x * min(max(x + 3, 0), 6) / 6.  Shape: any.

    Raises:
        RuntimeError: x is of integers; with inplace, x is a leaf that requires a gradient.

    Example:
        >>> nn.Hardswish()(npnet.tensor([0.0, 1.5, 4.0]))
        tensor([0.0000, 1.1250, 4.0000])

    Source: Howard et al. (2019), arXiv:1905.02244, section 5.2.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.hardswish(input, self.inplace)


class Threshold(_MaybeInPlace):
    """y = x where x > threshold, else value.  Shape: any.

    Raises:
        RuntimeError: with inplace, x is a leaf that requires a gradient.

    Example:
        >>> nn.Threshold(1.0, 20.0)(npnet.tensor([0.0, 1.0, 2.0]))
        tensor([20., 20.,  2.])
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        return self._and_inplace(f"threshold={self.threshold}, value={self.value}")


class Hardshrink(Module):
    """y = 0 where -lambd <= x <= lambd, else x.  Shape: any.

    Raises:
        RuntimeError: x is of integers.

    Example:
        >>> nn.Hardshrink()(npnet.tensor([-1.0, 0.5, 0.75]))
        tensor([-1.0000,  0.0000,  0.7500])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class Softshrink(Module):
    """y = 0 where -lambd <= x <= lambd, else x - lambd * sign x.  Shape: any.

    Raises:
        RuntimeError: lambd is below 0, or x is of integers.

    Example:
        >>> nn.Softshrink()(npnet.tensor([-2.0, 0.25, 2.0]))
        tensor([-1.5000,  0.0000,  1.5000])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class Tanhshrink(Module):
    """y = x - tanh(x).  Shape: any.

    Example:
        >>> nn.Tanhshrink()(npnet.tensor([-1.0, 0.0, 1.0])).round(decimals=2)
        tensor([-0.2400,  0.0000,  0.2400])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.tanhshrink(input)


class ELU(_MaybeInPlace):
    """y = x where x > 0, else alpha * (exp(x) - 1).  Shape: any.

    Raises:
        RuntimeError: x is of integers; with inplace, x is a leaf that requires a gradient.

    Example:
        >>> nn.ELU()(npnet.tensor([-100.0, -1.0, 3.0])).round(decimals=2)
        tensor([-1.0000, -0.6300,  3.0000])

    Source: Clevert, Unterthiner, Hochreiter (2016), arXiv:1511.07289, section 3.
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return self._and_inplace(f"alpha={self.alpha}")


class CELU(_MaybeInPlace):
    """y = x where x > 0, else alpha * (exp(x / alpha) - 1).  Shape: any.

    Raises:
        RuntimeError: alpha is 0, or x is of integers.

    Example:
        >>> nn.CELU(alpha=2.0)(npnet.tensor([-100.0, 0.0, 3.0]))
        tensor([-2.,  0.,  3.])

    Source: Barron (2017), arXiv:1704.07483.
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.celu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return self._and_inplace(f"alpha={self.alpha}")


class SELU(_MaybeInPlace):
    """ELU scaled so that means stay 0 and variances 1.  Shape: any.

    Raises:
        RuntimeError: x is of integers; with inplace, x is a leaf that requires a gradient.

    Example:
        >>> nn.SELU()(npnet.tensor([-100.0, 0.0, 2.0])).round(decimals=2)
        tensor([-1.7600,  0.0000,  2.1000])

    Source: Klambauer et al. (2017), arXiv:1706.02515, eq. 2.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.selu(input, self.inplace)

    def extra_repr(self) -> str:
        return self._and_inplace("")


class SiLU(_MaybeInPlace):
    """y = x / (1 + exp(-x)).  Shape: any.

    Raises:
        RuntimeError: x is of integers; with inplace, x is a leaf that requires a gradient.

    Example:
        >>> nn.SiLU()(npnet.tensor([-1.0, 0.0, 1.0])).round(decimals=2)
        tensor([-0.2700,  0.0000,  0.7300])

    Source: Hendrycks and Gimpel (2016), arXiv:1606.08415, section 5.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.silu(input, self.inplace)

    def extra_repr(self) -> str:
        return self._and_inplace("")


class Mish(_MaybeInPlace):
    """y = x * tanh(log(1 + exp(x))).  Shape: any.

    Raises:
        RuntimeError: x is of integers; with inplace, x is a leaf that requires a gradient.

    Example:
        >>> nn.Mish()(npnet.tensor([-1.0, 0.0, 1.0])).round(decimals=2)
        tensor([-0.3000,  0.0000,  0.8700])

    Source: Misra (2019), arXiv:1908.08681.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.mish(input, self.inplace)

    def extra_repr(self) -> str:
        return self._and_inplace("")


class Softplus(Module):
    """y = log(1 + exp(beta * x)) / beta, x where beta * x > threshold.  Shape: any.

    Raises:
        RuntimeError: x is of integers.

    Example:
        >>> nn.Softplus()(npnet.tensor([-1.0, 0.0, 30.0])).round(decimals=2)
        tensor([ 0.3100,  0.6900, 30.0000])

    Source: Dugas et al. (2000).
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Tensor) -> Tensor:
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Softsign(Module):
    """y = x / (1 + |x|).  Shape: any.

    Example:
        >>> nn.Softsign()(npnet.tensor([-1.0, 0.0, 3.0]))
        tensor([-0.5000,  0.0000,  0.7500])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softsign(input)


class Tanh(Module):
    """y = tanh(x).  Shape: any.

    Example:
        >>> nn.Tanh()(npnet.tensor([-1.0, 0.0, 1.0])).round(decimals=2)
        tensor([-0.7600,  0.0000,  0.7600])

    Source: LeCun, Bottou, Orr, Mueller (1998), Efficient BackProp, section 4.4, for networks.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.tanh(input)


class Sigmoid(Module):
    """y = 1 / (1 + exp(-x)).  Shape: any.

    Example:
        >>> nn.Sigmoid()(npnet.tensor([-1.0, 0.0, 1.0])).round(decimals=2)
        tensor([0.2700, 0.5000, 0.7300])

    Source: Rumelhart, Hinton, Williams (1986), Nature 323, eq. 2.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.sigmoid(input)


class LogSigmoid(Module):
    """y = log(1 / (1 + exp(-x))).  Shape: any.

    Raises:
        RuntimeError: x is of integers.

    Example:
        >>> nn.LogSigmoid()(npnet.tensor([-100.0, 0.0])).round(decimals=2)
        tensor([-100.0000,   -0.6900])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.logsigmoid(input)


class GELU(Module):
    """y = x * Phi(x).  Shape: any.

    Raises:
        RuntimeError: approximate is neither "none" nor "tanh", or x is of integers.

    Example:
        >>> nn.GELU()(npnet.tensor([-1.0, 0.0, 1.0])).round(decimals=2)
        tensor([-0.1600,  0.0000,  0.8400])

    Source: Hendrycks and Gimpel (2016), arXiv:1606.08415.
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class GLU(Module):
    """y = a * sigmoid(b) of the halves along `dim`.  Shape: (..., 2 * N, ...) -> (..., N, ...).

    Raises:
        ShapeError: the axis is of odd size.
        IndexError: x has no axis `dim`.

    Example:
        >>> nn.GLU()(npnet.tensor([[6.0, 8.0, 0.0, 100.0]]))
        tensor([[3., 8.]])

    Source: Dauphin et al. (2017), arXiv:1612.08083, section 2.
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class _Softmax(Module):
    """What those along an axis have in common."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_Softmax):
    """The softmax along `dim`.  Shape: any.

    Raises:
        IndexError: x has no axis `dim`.
        RuntimeError: x is of integers.

    Example:
        >>> nn.Softmax(dim=1)(npnet.tensor([[0.0, 0.0], [0.0, 200.0]]))
        tensor([[0.5000, 0.5000],
                [0.0000, 1.0000]])

    Source: Bridle (1990), as of `functional.softmax`.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim, _stacklevel=5)


class Softmin(_Softmax):
    """The softmax of -x along `dim`.  Shape: any.

    Raises:
        IndexError: x has no axis `dim`.
        RuntimeError: x is of integers.

    Example:
        >>> nn.Softmin(dim=0)(npnet.tensor([0.0, 0.0, 200.0]))
        tensor([0.5000, 0.5000, 0.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softmin(input, self.dim, _stacklevel=5)


class LogSoftmax(_Softmax):
    """The logarithm of the softmax along `dim`.  Shape: any.

    Raises:
        IndexError: x has no axis `dim`.
        RuntimeError: x is of integers.

    Example:
        >>> nn.LogSoftmax(dim=1)(npnet.tensor([[0.0, 0.0], [0.0, 100.0]])).round(decimals=2)
        tensor([[  -0.6900,   -0.6900],
                [-100.0000,    0.0000]])

    Source: Bridle (1990), as of `functional.softmax`.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim, _stacklevel=5)


class Softmax2d(Module):
    """The softmax over the channels of each pixel.  Shape: (N, C, H, W) or (C, H, W), kept.

    Raises:
        ShapeError: x has neither 3 nor 4 axes.

    Example:
        >>> nn.Softmax2d()(npnet.zeros(1, 4, 1, 2))[0, :, 0]
        tensor([[0.2500, 0.2500],
                [0.2500, 0.2500],
                [0.2500, 0.2500],
                [0.2500, 0.2500]])

    Source: Bridle (1990), as of `functional.softmax`.
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ShapeError(
                f"Softmax2d: input must be (N, C, H, W) or (C, H, W), got {input.shape}"
            )
        return F.softmax(input, -3)
