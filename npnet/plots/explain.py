"""What a network saw in an image, and where it looked: arrays, which the figures draw.

Everything is computed in evaluation mode; the network is left in the mode that it was in.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import npnet
from npnet import Tensor
from npnet.base.arrays import Array
from npnet.base.checks import ShapeError, check_count, check_number
from npnet.base.grad_mode import state
from npnet.nn import Identity, Module
from npnet.nn.modules.dropout import _DropoutNd

__all__ = ["feature_maps", "input_gradient", "occlusion", "probabilities", "saliency"]

_PIXELS = 1 << 20  # of images that go through the network at once, as in evaluation
_PATCH = 5  # a side of the image over that of the patch that hides a part of it, by default
_IDLE = (Identity, _DropoutNd)  # layers that hand on what they get
_CALL = ", call "  # in the name of a layer that is called again
_STEPS = 3  # a side of the patch over its steps, by default


def feature_maps(model: Module, x: Tensor | Array) -> dict[str, Array]:
    """The maps that each layer makes of an image, in the order in which they are made.

    The layers are the modules without modules in them; those that give no maps (N, C, H, W), such
    as Linear, or only hand on what they get, such as Dropout, are left out. A layer that is called
    again, as a shared ReLU may be, has "relu, call 2" beside "relu".

    Args:
        x: (C, H, W) or (1, C, H, W), as the network takes it: see `Preprocess`.

    Returns:
        (C, H, W) by the name of the layer in `named_modules`.

    Example:
        >>> from npnet import plots
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2))
        >>> maps = plots.feature_maps(model, npnet.rand(1, 8, 8))
        >>> {name: each.shape for name, each in maps.items()}
        {'0': (2, 6, 6), '1': (2, 6, 6), '2': (2, 3, 3)}

    Source: Zeiler, Fergus (2014), "Visualizing and Understanding Convolutional Networks", figure 2,
    shows what such maps answer to.
    """
    images, maps = _image("feature_maps", x), dict[str, Array]()
    thread = threading.get_ident()

    def keep(name: str) -> Any:
        def hook(module: Module, args: tuple[Any, ...], output: Any) -> None:
            is_ours = threading.get_ident() == thread  # others may use the network meanwhile
            if is_ours and isinstance(output, Tensor) and output.ndim == 4:
                count = sum(other.split(_CALL)[0] == name for other in maps)
                title = f"{name}{_CALL}{count + 1}" if count else name
                maps[title] = output.array[0].copy()  # what comes next may write into it

        return hook

    with contextlib.ExitStack() as stack:
        for name, module in model.named_modules():
            if next(module.children(), None) is None and not isinstance(module, _IDLE):
                handle = module.register_forward_hook(keep(name or type(module).__name__))
                stack.callback(handle.remove)
        stack.enter_context(_evaluation(model))
        with npnet.no_grad():
            model(Tensor(images))
    return maps


def probabilities(model: Module, x: Tensor | Array) -> Array:
    """The softmax of the network's output for images, in float64.

    Shape: x (N, C, H, W) or (C, H, W) -> (N, classes) or (classes,).

    Example:
        >>> from npnet import plots
        >>> model = nn.Sequential(nn.Flatten(), nn.Softplus())
        >>> plots.probabilities(model, npnet.zeros(2, 1, 2, 2))
        array([[0.25, 0.25, 0.25, 0.25],
               [0.25, 0.25, 0.25, 0.25]])
    """
    array = _array(x)
    if array.ndim not in (3, 4):
        raise ShapeError(
            f"probabilities: x must be (C, H, W) or (N, C, H, W), got {tuple(array.shape)}"
        )
    images = array if array.ndim == 4 else array[None]
    batch = max(1, _PIXELS // max(1, images[0, 0].size))
    with _evaluation(model), npnet.no_grad():
        rows = [
            _logits(model, images[start : start + batch]).array
            for start in range(0, len(images), batch)
        ]
    logits = np.concatenate(rows).astype(np.float64)
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    return shares if array.ndim == 4 else shares[0]


def input_gradient(model: Module, x: Tensor | Array, class_index: int) -> Array:
    """How the score of a class changes with each value of the image.

        g[c, i, j] = d y[class] / d x[c, i, j],    y the network's output before softmax

    Shape: x (C, H, W) or (1, C, H, W) -> (C, H, W). No `grad` is changed.

    Example:
        >>> from npnet import plots
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
        >>> gradient = plots.input_gradient(model, npnet.rand(1, 2, 2), class_index=1)
        >>> np.array_equal(gradient.ravel(), model[1].weight[1].detach().numpy())
        True

    Source: Simonyan, Vedaldi, Zisserman (2013), "Deep Inside Convolutional Networks", section 3.
    """
    images = Tensor(_image("input_gradient", x), requires_grad=True)
    with _evaluation(model), npnet.enable_grad():
        score = _logits(model, images)
        _check_class("input_gradient", class_index, score.shape[1])
        (gradient,) = npnet.autograd.grad(score[0, class_index], images)
    return gradient.array[0].copy()


def saliency(gradient: Array) -> Array:
    """Where the image matters: the largest change over the channels.

        m[i, j] = max over c of |g[c, i, j]|

    Shape: `input_gradient`'s (C, H, W) -> (H, W). Source: as there, section 3.1.

    Example:
        >>> from npnet import plots
        >>> plots.saliency(np.array([[[1.0, -3.0]], [[-2.0, 0.0]]]))
        array([[2., 3.]])
    """
    return np.abs(gradient).max(0)


def occlusion(
    model: Module,
    x: Tensor | Array,
    class_index: int,
    size: int | None = None,
    stride: int | None = None,
    fill: float | Sequence[float] = 0.0,
) -> Array:
    """How much less probable a class becomes when a part of the image is hidden.

        d[i, j] = p(x) - mean of p(x with a patch of `fill`) over all patches that hide (i, j)

    It is negative where the network is surer without that part.

    Args:
        x: (C, H, W) or (1, C, H, W), as the network takes it.
        size: of the square patch in pixels; default: a fifth of the shorter side, at least 1.
        stride: steps in which the patch goes over the image, the last one to its edge; at most
            `size`, so that every pixel is hidden; default: a third of `size`, at least 1.
        fill: what the patch holds, one number or one for each channel; 0 is the mean colour of the
            training images where these were standardised.

    Returns:
        (H, W), float64.

    Example:
        >>> from npnet import plots
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 3))
        >>> plots.occlusion(model, npnet.rand(1, 8, 8), class_index=2).shape
        (8, 8)

    Source: Zeiler, Fergus (2014), section 4.2, who show p itself by the place of the patch.
    """
    images = _image("occlusion", x)
    _, channels, height, width = images.shape
    size = max(1, min(height, width) // _PATCH) if size is None else size
    stride = max(1, size // _STEPS) if stride is None else stride
    check_count("occlusion", "size", size, 1)
    check_count("occlusion", "stride", stride, 1)
    check_number("occlusion", "size", size, most=min(height, width))
    check_number("occlusion", "stride", stride, most=size)
    colour = np.asarray(fill, images.dtype)
    if colour.shape not in ((), (channels,)):
        raise ShapeError(
            f"occlusion: fill must be a number, or one for each of {channels} channels, got shape "
            f"{colour.shape}"
        )
    whole = probabilities(model, images)[0]
    _check_class("occlusion", class_index, len(whole))
    corners = [(i, j) for i in _steps(height, size, stride) for j in _steps(width, size, stride)]
    total, times = np.zeros((2, height, width))
    batch = max(1, _PIXELS // (height * width))
    for start in range(0, len(corners), batch):
        part = corners[start : start + batch]
        hidden = np.repeat(images, len(part), 0)
        for image, (i, j) in zip(hidden, part, strict=True):
            image[:, i : i + size, j : j + size] = colour.reshape(-1, 1, 1)
        drops = whole[class_index] - probabilities(model, hidden)[:, class_index]
        for drop, (i, j) in zip(drops, part, strict=True):
            total[i : i + size, j : j + size] += drop
            times[i : i + size, j : j + size] += 1
    return total / times


def _steps(length: int, size: int, stride: int) -> list[int]:
    """Where patches begin: 0, stride, ..., and the last that fits."""
    last = length - size
    return [*range(0, last, stride), last]


@contextlib.contextmanager
def _evaluation(model: Module) -> Iterator[None]:
    """Evaluation mode, and then each module's own again.

    Layer by layer: a program, which is found after some calls, rounds in other places, and the same
    picture shall have the same bytes.
    """
    modes = {module: module.training for module in model.modules()}
    model.eval()
    before, state.inside = state.inside, True
    try:
        yield
    finally:
        state.inside = before
        for module, mode in modes.items():
            module.training = mode


def _logits(model: Module, images: Tensor | Array) -> Tensor:
    y = model(images if isinstance(images, Tensor) else Tensor(images))
    if not isinstance(y, Tensor) or y.ndim != 2:
        shape = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
        raise ShapeError(f"the network must give a score for each class, (N, classes), got {shape}")
    return y


def _array(x: Tensor | Array) -> Array:
    return x.detach().array if isinstance(x, Tensor) else np.asarray(x)


def _image(op: str, x: Tensor | Array) -> Array:
    """A copy of the image as a batch (1, C, H, W)."""
    array = _array(x)
    if array.ndim == 3:
        array = array[None]
    if array.ndim != 4 or len(array) != 1:
        raise ShapeError(
            f"{op}: x must be one image, (C, H, W) or (1, C, H, W), got {tuple(_array(x).shape)}"
        )
    return array.copy()


def _check_class(op: str, class_index: int, classes: int) -> None:
    if not 0 <= class_index < classes:
        raise ValueError(
            f"{op}: class_index must be one of the {classes} classes, 0 to {classes - 1}, got "
            f"{class_index}"
        )
