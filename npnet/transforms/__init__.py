"""Image transforms in torchvision's spelling, for single pictures and whole batches.

A transform takes a PIL image and gives a PIL image, or takes a Tensor (..., C, H, W) of one image
or of many and gives a Tensor; `ToTensor` makes the one of the other. Pixels are uint8 from 0 to 255
or floats. A data set applies npnet's own transforms to whole batches, which is fast, and any other
to one picture at a time. Where its shape leaves no doubt, an ndarray (N, C, H, W) is taken as a
batch too, and (C, H, W), an item of a data set without a transform, as a picture.
"""

from npnet.transforms import functional
from npnet.transforms.affine import RandomAffine, RandomRotation
from npnet.transforms.autoaugment import (
    AugMix,
    AutoAugment,
    AutoAugmentPolicy,
    RandAugment,
    TrivialAugmentWide,
)
from npnet.transforms.base import RandomTransform, Transform
from npnet.transforms.blur import GaussianBlur
from npnet.transforms.choice import RandomChoice, RandomOrder
from npnet.transforms.colour import ColorJitter, Grayscale, RandomGrayscale
from npnet.transforms.compose import Compose, Lambda, RandomApply
from npnet.transforms.convert import ConvertImageDtype, PILToTensor, ToPILImage, ToTensor
from npnet.transforms.crop import CenterCrop, FiveCrop, RandomCrop, RandomResizedCrop, TenCrop
from npnet.transforms.cutout import Cutout
from npnet.transforms.elastic import ElasticTransform
from npnet.transforms.erasing import RandomErasing
from npnet.transforms.flip import RandomHorizontalFlip, RandomVerticalFlip
from npnet.transforms.images import InterpolationMode
from npnet.transforms.linear import LinearTransformation
from npnet.transforms.normalize import Normalize
from npnet.transforms.pad import Pad
from npnet.transforms.perspective import RandomPerspective
from npnet.transforms.resize import Resize
from npnet.transforms.tones import (
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomEqualize,
    RandomInvert,
    RandomPosterize,
    RandomSolarize,
)

__all__ = [
    "AugMix",
    "AutoAugment",
    "AutoAugmentPolicy",
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "ConvertImageDtype",
    "Cutout",
    "ElasticTransform",
    "FiveCrop",
    "GaussianBlur",
    "Grayscale",
    "InterpolationMode",
    "Lambda",
    "LinearTransformation",
    "Normalize",
    "PILToTensor",
    "Pad",
    "RandAugment",
    "RandomAdjustSharpness",
    "RandomAffine",
    "RandomApply",
    "RandomAutocontrast",
    "RandomChoice",
    "RandomCrop",
    "RandomEqualize",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomInvert",
    "RandomOrder",
    "RandomPerspective",
    "RandomPosterize",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomSolarize",
    "RandomTransform",
    "RandomVerticalFlip",
    "Resize",
    "TenCrop",
    "ToPILImage",
    "ToTensor",
    "Transform",
    "TrivialAugmentWide",
    "functional",
]
