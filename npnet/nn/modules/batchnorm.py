"""Batch normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from npnet import creation
from npnet.base.checks import ShapeError, check_writable
from npnet.base.group import current_group, several
from npnet.nn import functional as F
from npnet.nn.module import Module
from npnet.nn.parameter import Parameter
from npnet.ops.all_reduce import all_reduce
from npnet.ops.norm import move
from npnet.tensor import Tensor

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm"]


def add_affine(
    module: Module,
    size: tuple[int, ...],
    weight: bool,
    bias: bool,
    device: Any,
    dtype: npt.DTypeLike | None,
) -> None:
    """Give a norm its weight of ones and its bias of zeros, or None in their place."""
    ones = creation.ones(size, dtype=dtype, device=device)
    zeros = creation.zeros(size, dtype=dtype)
    module.register_parameter("weight", Parameter(ones) if weight else None)
    module.register_parameter("bias", Parameter(zeros) if bias else None)


def reset_affine(module: Module) -> None:
    """Set the weight of a norm to 1 and its bias to 0, where it has them."""
    module._check_writable("reset_parameters")
    for value, tensor in ((1, module.weight), (0, module.bias)):
        if tensor is not None:
            tensor.array[...] = value


class _NormBase(Module):
    """What norms of batches and of instances have in common: parameters and running statistics."""

    _came_later = ("num_batches_tracked",)  # states of PyTorch before 0.4.1 lack it

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        add_affine(self, (num_features,), affine, affine and bias, device, dtype)
        statistics = {
            "running_mean": creation.zeros(num_features, dtype=dtype),
            "running_var": creation.ones(num_features, dtype=dtype),
            "num_batches_tracked": creation.zeros((), dtype=np.int64),
        }
        for name, value in statistics.items():
            self.register_buffer(name, value if track_running_stats else None)

    def reset_parameters(self) -> None:
        """Set the weight to 1, the bias to 0, and forget the running statistics."""
        self._check_writable("reset_parameters")
        for name, value in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
            if (tensor := getattr(self, name)) is not None:
                tensor.array[...] = value
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.array[...] = 0

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_NormBase):
    """What all batch norms have in common: when running statistics serve, and when they move."""

    axes: tuple[tuple[str, ...], ...]  # of the inputs that are taken

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in [len(axes) for axes in self.axes]:
            taken = " or ".join(f"({', '.join(axes)})" for axes in self.axes)
            raise ShapeError(f"{type(self).__name__}: input must be {taken}, got {input.shape}")
        if input.shape[1] != self.num_features:
            raise ShapeError(
                f"{type(self).__name__}: input has {input.shape[1]} channels but num_features is "
                f"{self.num_features}; got {input.shape}"
            )
        momentum = 0.0 if self.momentum is None else self.momentum
        tracking = self.training and self.track_running_stats
        if tracking and self.momentum is None:  # the plain mean of all batches so far
            momentum = 1 / (float(self.num_batches_tracked) + 1)
        if tracking:  # the count is moved after the statistics, or none of them is
            check_writable("BatchNorm", "num_batches_tracked", self.num_batches_tracked.array)
        use_running = not self.training or self.track_running_stats
        y = self._normalised(
            input,
            self.running_mean if use_running else None,
            self.running_var if use_running else None,
            self.training or self.running_mean is None,
            momentum,
        )
        if tracking:  # a batch that was refused does not count
            self.num_batches_tracked.array[...] += 1
        return y

    def _normalised(
        self,
        x: Tensor,
        mean: Tensor | None,
        var: Tensor | None,
        training: bool,
        momentum: float,
    ) -> Tensor:
        return F.batch_norm(x, mean, var, self.weight, self.bias, training, momentum, self.eps)


class BatchNorm1d(_BatchNorm):
    """Batch norm of features: see `functional.batch_norm`.  Shape: (N, C) or (N, C, L), kept.

    Args:
        momentum: by how much running statistics move; None makes them the mean of all batches.
        affine: whether there is a weight (1 at first) and, unless `bias` is False, a bias (0).
        track_running_stats: whether running statistics are kept, and used in evaluation.

    Raises:
        ShapeError: the input has other axes, or not num_features channels.
        ValueError: in training, a channel has but one value.

    Example:
        >>> layer = nn.BatchNorm1d(1)
        >>> layer(npnet.tensor([[1.0], [3.0]])).detach().round(decimals=2)
        tensor([[-1.],
                [ 1.]])
        >>> layer.running_mean
        tensor([0.2000])

    Source: Ioffe and Szegedy (2015), arXiv:1502.03167, algorithm 1.
    """

    axes = (("N", "C"), ("N", "C", "L"))


class BatchNorm2d(_BatchNorm):
    """Batch norm of channels of images: see `functional.batch_norm`.  Shape: (N, C, H, W), kept.

    Arguments as of `BatchNorm1d`.

    Raises:
        ShapeError: the input has other axes, or not num_features channels.
        ValueError: in training, a channel has but one value.

    Example:
        >>> layer = nn.BatchNorm2d(6)
        >>> layer(npnet.zeros(8, 6, 14, 14)).shape
        (8, 6, 14, 14)

    Source: Ioffe and Szegedy (2015), arXiv:1502.03167, algorithm 1, and section 3.2 for channels.
    """

    axes = (("N", "C", "H", "W"),)


class BatchNorm3d(_BatchNorm):
    """Batch norm of channels of volumes.  Shape: (N, C, D, H, W), kept.

    Arguments as of `BatchNorm1d`.

    Raises:
        ShapeError: the input has other axes, or not num_features channels.
        ValueError: in training, a channel has but one value.

    Example:
        >>> nn.BatchNorm3d(6)(npnet.zeros(2, 6, 4, 8, 8)).shape
        (2, 6, 4, 8, 8)

    Source: Ioffe and Szegedy (2015), arXiv:1502.03167, algorithm 1.
    """

    axes = (("N", "C", "D", "H", "W"),)


class SyncBatchNorm(_BatchNorm):
    """Batch norm over the batches of all processes of a group, see `npnet.distributed`.

    In training, with M values of a channel in all ranks together,

        mean = sum(x) / M,  var = sum((x - mean)^2) / M

    are added up over the ranks in their order, forward and backward, so that y and the gradients
    are those of one batch. Alone, and in evaluation, it is the ordinary batch norm.

    Args:
        process_group: must be None: all ranks.

    Shape: (N, C), (N, C, L), (N, C, H, W) or (N, C, D, H, W), kept.

    Raises:
        NotImplementedError: process_group is not None.
        ShapeError: the input has other axes, or not num_features channels.
        ValueError: in training, a channel has but one value.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 6, 5), nn.BatchNorm2d(6))
        >>> nn.SyncBatchNorm.convert_sync_batchnorm(model)[1]
        BatchNorm2d(6, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)

    Source: Ioffe and Szegedy (2015), arXiv:1502.03167, algorithm 1, for a batch that ranks share.
    """

    axes = (("N", "C"), ("N", "C", "L"), *BatchNorm2d.axes, *BatchNorm3d.axes)

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        if process_group is not None:
            raise NotImplementedError(
                "SyncBatchNorm: process_group must be None: the statistics are of all ranks"
            )
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def _normalised(
        self,
        x: Tensor,
        mean: Tensor | None,
        var: Tensor | None,
        training: bool,
        momentum: float,
    ) -> Tensor:
        group = several()
        if not training or group is None:
            return super()._normalised(x, mean, var, training, momentum)
        axes = [axis for axis in range(x.ndim) if axis != 1]
        shape = [1, -1, *[1] * (x.ndim - 2)]
        count = sum(group.gather(x.numel() // self.num_features))
        center = all_reduce(x.sum(axes)) / count
        apart = x - center.view(shape)
        squares = all_reduce((apart * apart).sum(axes))
        y = apart * (squares / count + self.eps).rsqrt().view(shape)
        if self.weight is not None:
            y = y * self.weight.view(shape)
        if self.bias is not None:
            y = y + self.bias.view(shape)
        if mean is not None and var is not None:
            move(mean, momentum, center.array)
            move(var, momentum, squares.array / (count - 1))
        return y

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """The module with its batch norms in this form: in place, or a new one if it is one.

        Parameters and buffers stay the same tensors. In a process that is in no group, the module
        itself: its batch norms are synchronous already.
        """
        if current_group() is None:
            return module
        if isinstance(module, _BatchNorm) and not isinstance(module, cls):
            new = cls(module.num_features, module.eps, module.momentum, module.affine)
            new.__dict__.update(module.__dict__)
            return new
        for name, child in module.named_children():
            setattr(module, name, cls.convert_sync_batchnorm(child, process_group))
        return module
