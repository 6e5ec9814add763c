"""AutoAugment, RandAugment, TrivialAugmentWide, AugMix: random choices among fourteen changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import check_number
from npnet.base.pictures import array_to_picture, is_picture, picture_to_array
from npnet.random import Generator, numpy_generator
from npnet.tape import result
from npnet.tensor import Tensor
from npnet.transforms import functional as F
from npnet.transforms.autoaugment_policies import POLICIES, Policy
from npnet.transforms.base import RandomTransform
from npnet.transforms.images import InterpolationMode, dimensions, interpolation_mode

__all__ = ["AugMix", "AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide"]

Fill = float | Sequence[float] | None
# Name -> magnitudes, or None where it has none; and whether they have either sign.
Space = dict[str, tuple[Array | None, bool]]


class AutoAugmentPolicy(Enum):
    """The data sets that policies were found for.

    Example:
        >>> [policy.value for policy in npnet.transforms.AutoAugmentPolicy]
        ['imagenet', 'cifar10', 'svhn']
    """

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


def _change(x: Any, name: str, magnitude: float, mode: InterpolationMode, fill: Fill) -> Any:
    """One of the changes."""
    if name in ("ShearX", "ShearY"):
        angle = math.degrees(math.atan(magnitude))
        shear = [angle, 0.0] if name == "ShearX" else [0.0, angle]
        return F.affine(x, 0.0, [0, 0], 1.0, shear, mode, fill, [0, 0])
    if name in ("TranslateX", "TranslateY"):
        shift = [int(magnitude), 0] if name == "TranslateX" else [0, int(magnitude)]
        return F.affine(x, 0.0, shift, 1.0, [0.0, 0.0], mode, fill)
    if name == "Rotate":
        return F.rotate(x, magnitude, mode, fill=fill)
    if name in _ADJUST:
        return _ADJUST[name](x, 1.0 + magnitude)
    if name == "Posterize":
        return F.posterize(x, int(magnitude))
    if name == "Solarize":
        return F.solarize(x, magnitude)
    return _PLAIN[name](x)


_ADJUST: dict[str, Callable[[Any, float], Any]] = {
    "Brightness": F.adjust_brightness,
    "Color": F.adjust_saturation,
    "Contrast": F.adjust_contrast,
    "Sharpness": F.adjust_sharpness,
}
_PLAIN: dict[str, Callable[[Any], Any]] = {
    "AutoContrast": F.autocontrast,
    "Equalize": F.equalize,
    "Identity": lambda x: x,
    "Invert": F.invert,
}


def _space(
    bins: int,
    shear: float,
    shifts: tuple[float, float],
    angle: float,
    factor: float,
    bits: tuple[int, int],
) -> Space:
    """What each change may do: magnitudes from none to the most, and the bits kept, (most, cut)."""

    def up_to(most: float) -> Array:
        return np.linspace(0.0, most, bins)

    most_bits, cut = bits
    kept = most_bits - np.rint(np.arange(bins) / ((bins - 1) / cut))
    return {
        "Identity": (None, False),
        "ShearX": (up_to(shear), True),
        "ShearY": (up_to(shear), True),
        "TranslateX": (up_to(shifts[1]), True),
        "TranslateY": (up_to(shifts[0]), True),
        "Rotate": (up_to(angle), True),
        "Brightness": (up_to(factor), True),
        "Color": (up_to(factor), True),
        "Contrast": (up_to(factor), True),
        "Sharpness": (up_to(factor), True),
        "Posterize": (kept, False),
        "Solarize": (np.linspace(255.0, 0.0, bins), False),
        "AutoContrast": (None, False),
        "Equalize": (None, False),
        "Invert": (None, False),
    }


def _photograph_space(bins: int, size: tuple[int, int]) -> Space:
    """That of AutoAugment and RandAugment for images of (H, W)."""
    height, width = (150.0 / 331.0 * side for side in size)
    return _space(bins, 0.3, (height, width), 30.0, 0.9, (8, 4))


class _Augment(RandomTransform):
    """Draws once for a Tensor of several images, as torchvision does; a data set hands it one."""

    interpolation: InterpolationMode
    fill: Fill

    @property
    def batched(self) -> bool:
        return False

    def forward(self, x: Any, generator: Generator | np.random.Generator | None = None) -> Any:
        _, height, width = dimensions(x)
        return self._augmented(x, (height, width), numpy_generator(generator))

    def _augmented(self, x: Any, size: tuple[int, int], rng: np.random.Generator) -> Any:
        raise NotImplementedError

    def _changed(self, x: Any, name: str, magnitude: float) -> Any:
        return _change(x, name, magnitude, self.interpolation, self.fill)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={getattr(self, name)}" for name in self._shown)
        return f"{type(self).__name__}({arguments})"

    _shown: tuple[str, ...] = ()


class AutoAugment(_Augment):
    """Apply one of the pairs of changes that were found for a data set.

    Args:
        policy: an AutoAugmentPolicy.
        interpolation: nearest or bilinear; PIL images take bicubic too.
        fill: value of pixels whose source is outside; None is 0.

    PIL images of mode L or RGB, or Tensors (..., 1 or 3, H, W) of uint8.

    Example:
        >>> policy = npnet.transforms.AutoAugmentPolicy.CIFAR10
        >>> augment = npnet.transforms.AutoAugment(policy)
        >>> augment(npnet.zeros(3, 32, 32, dtype=npnet.uint8)).shape
        (3, 32, 32)

    Source: Cubuk et al. (2018), AutoAugment: Learning augmentation policies from data,
    arXiv:1805.09501.
    """

    _shown = ("policy", "fill")

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: str | int | InterpolationMode = InterpolationMode.NEAREST,
        fill: Fill = None,
    ) -> None:
        super().__init__()
        name = getattr(policy, "value", policy)
        if name not in POLICIES:
            raise ValueError(f"AutoAugment: policy must be an AutoAugmentPolicy, got {policy!r}")
        self.policy = policy
        self.interpolation = interpolation_mode("AutoAugment", interpolation)
        self.fill = fill
        self.policies: Policy = POLICIES[name]

    @staticmethod
    def get_params(transform_num: int) -> tuple[int, Tensor, Tensor]:
        """Number of the pair, a number from 0 to 1 for each of the two, and their signs."""
        rng = numpy_generator(None)
        at = int(rng.integers(transform_num))
        return at, result(rng.random(2, np.float32)), result(rng.integers(0, 2, 2))

    def _augmented(self, x: Any, size: tuple[int, int], rng: np.random.Generator) -> Any:
        pair = self.policies[rng.integers(len(self.policies))]
        chances, signs = rng.random(2), rng.integers(0, 2, 2)
        space = _photograph_space(10, size)
        for (name, p, at), chance, sign in zip(pair, chances, signs, strict=True):
            if chance <= p:
                magnitudes, signed = space[name]
                magnitude = 0.0 if magnitudes is None or at is None else float(magnitudes[at])
                x = self._changed(x, name, -magnitude if signed and sign == 0 else magnitude)
        return x


class RandAugment(_Augment):
    """Apply `num_ops` changes, each any of fourteen, all of one magnitude.

    Args:
        magnitude: which of `num_magnitude_bins` steps from nothing to the most.
        interpolation, fill: as AutoAugment takes them.

    Example:
        >>> augment = npnet.transforms.RandAugment(num_ops=2, magnitude=9)
        >>> augment(npnet.zeros(3, 32, 32, dtype=npnet.uint8)).shape
        (3, 32, 32)

    Source: Cubuk et al. (2019), RandAugment: Practical automated data augmentation with a reduced
    search space, arXiv:1909.13719.
    """

    _shown = ("num_ops", "magnitude", "num_magnitude_bins", "interpolation", "fill")

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: str | int | InterpolationMode = InterpolationMode.NEAREST,
        fill: Fill = None,
    ) -> None:
        super().__init__()
        check_number("RandAugment", "magnitude", magnitude, least=0, most=num_magnitude_bins - 1)
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation_mode("RandAugment", interpolation)
        self.fill = fill

    def _augmented(self, x: Any, size: tuple[int, int], rng: np.random.Generator) -> Any:
        space = _photograph_space(self.num_magnitude_bins, size)
        del space["Invert"]
        for _ in range(self.num_ops):
            x = self._changed(x, *_drawn(space, lambda magnitudes: self.magnitude, rng))
        return x


class TrivialAugmentWide(_Augment):
    """Apply one change, any of fourteen, of any magnitude, up to strong ones.

    Args:
        num_magnitude_bins, interpolation, fill: as RandAugment takes them.

    Example:
        >>> augment = npnet.transforms.TrivialAugmentWide()
        >>> augment(npnet.zeros(3, 32, 32, dtype=npnet.uint8)).shape
        (3, 32, 32)

    Source: Müller and Hutter (2021), TrivialAugment: Tuning-free yet state-of-the-art data
    augmentation, arXiv:2103.10158.
    """

    _shown = ("num_magnitude_bins", "interpolation", "fill")

    def __init__(
        self,
        num_magnitude_bins: int = 31,
        interpolation: str | int | InterpolationMode = InterpolationMode.NEAREST,
        fill: Fill = None,
    ) -> None:
        super().__init__()
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation_mode("TrivialAugmentWide", interpolation)
        self.fill = fill

    def _augmented(self, x: Any, size: tuple[int, int], rng: np.random.Generator) -> Any:
        space = _space(self.num_magnitude_bins, 0.99, (32.0, 32.0), 135.0, 0.99, (8, 6))
        del space["Invert"]
        return self._changed(x, *_drawn(space, lambda m: int(rng.integers(len(m))), rng))


class AugMix(_Augment):
    """Mix an image with chains of changes of itself:

        y = m x + (1 - m) sum_i w_i chain_i(x),    m ~ Beta(alpha, alpha), w ~ Dirichlet(alpha).

    Args:
        severity: from 1 to 10, the strongest magnitude.
        mixture_width: how many chains.
        chain_depth: changes in each; below 1 is 1 to 3 at random.
        alpha: of the two distributions.
        all_ops: brightness, colour, contrast and sharpness too.
        interpolation, fill: as AutoAugment takes them.

    Example:
        >>> npnet.transforms.AugMix()(npnet.zeros(3, 32, 32, dtype=npnet.uint8)).shape
        (3, 32, 32)

    Source: Hendrycks et al. (2019), AugMix: A simple data processing method to improve robustness
    and uncertainty, arXiv:1912.02781.
    """

    _shown = (
        "severity",
        "mixture_width",
        "chain_depth",
        "alpha",
        "all_ops",
        "interpolation",
        "fill",
    )

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: str | int | InterpolationMode = InterpolationMode.BILINEAR,
        fill: Fill = None,
    ) -> None:
        super().__init__()
        check_number("AugMix", "severity", severity, least=1, most=10)
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops
        self.interpolation = interpolation_mode("AugMix", interpolation)
        self.fill = fill

    def _augmented(self, x: Any, size: tuple[int, int], rng: np.random.Generator) -> Any:
        values = picture_to_array(x) if is_picture(x) else x.array
        space = self._space(size)
        count = 1 if values.ndim < 4 else len(values)
        share = rng.dirichlet([self.alpha] * 2, count)
        weights = rng.dirichlet([self.alpha] * self.mixture_width, count) * share[:, 1:]
        axes = (-1, *(1,) * 3) if values.ndim > 3 else (1,) * values.ndim
        mixed = share[:, 0].reshape(axes) * values
        for weight in weights.T:
            changed: Any = result(values)
            depth = self.chain_depth if self.chain_depth > 0 else int(rng.integers(1, 4))
            for _ in range(depth):
                drawn = _drawn(space, lambda m: int(rng.integers(self.severity)), rng)
                changed = self._changed(changed, *drawn)
            mixed += weight.reshape(axes) * changed.array
        mixed = mixed.astype(values.dtype)
        return array_to_picture(mixed, like=x) if is_picture(x) else result(mixed)

    def _space(self, size: tuple[int, int]) -> Space:
        space = _space(10, 0.3, (size[0] / 3.0, size[1] / 3.0), 30.0, 0.9, (4, 4))
        left_out = ["Identity", "Invert", *([] if self.all_ops else _ADJUST)]
        return {name: entry for name, entry in space.items() if name not in left_out}


def _drawn(
    space: Space, choose: Callable[[Array], int], rng: np.random.Generator
) -> tuple[str, float]:
    """The name of a change and its magnitude."""
    name = list(space)[rng.integers(len(space))]
    magnitudes, signed = space[name]
    magnitude = 0.0 if magnitudes is None else float(magnitudes[choose(magnitudes)])
    return name, -magnitude if signed and rng.integers(0, 2) else magnitude
