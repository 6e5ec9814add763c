"""Image transforms in torchvision's spelling, for single pictures and whole batches.

A transform takes a PIL image and gives a PIL image, or takes a Tensor (..., C, H, W) of one image
or of many and gives a Tensor; `ToTensor` makes the one of the other. Pixels are uint8 from 0 to 255
or floats. A data set applies npnet's own transforms to whole batches, which is fast, and any other
to one picture at a time. Where its shape leaves no doubt, an ndarray (N, C, H, W) is taken as a
batch too, and (C, H, W), an item of a data set without a transform, as a picture.
"""

from npnet.transforms.affine import RandomAffine, RandomRotation
from npnet.transforms.base import RandomTransform, Transform
from npnet.transforms.colour import ColorJitter, Grayscale, RandomGrayscale
from npnet.transforms.compose import Compose, Lambda, RandomApply
from npnet.transforms.convert import ConvertImageDtype, PILToTensor, ToPILImage, ToTensor
from npnet.transforms.crop import CenterCrop, RandomCrop, RandomResizedCrop
from npnet.transforms.cutout import Cutout
from npnet.transforms.erasing import RandomErasing
from npnet.transforms.flip import RandomHorizontalFlip, RandomVerticalFlip
from npnet.transforms.images import InterpolationMode
from npnet.transforms.normalize import Normalize
from npnet.transforms.pad import Pad
from npnet.transforms.resize import Resize

__all__ = [
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "ConvertImageDtype",
    "Cutout",
    "Grayscale",
    "InterpolationMode",
    "Lambda",
    "Normalize",
    "PILToTensor",
    "Pad",
    "RandomAffine",
    "RandomApply",
    "RandomCrop",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomTransform",
    "RandomVerticalFlip",
    "Resize",
    "ToPILImage",
    "ToTensor",
    "Transform",
]
