"""Image transforms in torchvision's spelling, each working on a whole batch at once.

A transform takes an ndarray (N, C, H, W) or (C, H, W) and returns one with as many axes; a data set
hands it a batch, so one call does the work of N. Pixels are uint8 from 0 to 255 or floats. An
npnet Tensor is accepted too and gives an ndarray: transforms come before the tape.
"""

from npnet.transforms.affine import RandomAffine
from npnet.transforms.compose import Compose, RandomTransform
from npnet.transforms.crop import RandomCrop
from npnet.transforms.cutout import Cutout
from npnet.transforms.flip import RandomHorizontalFlip
from npnet.transforms.images import InterpolationMode
from npnet.transforms.normalize import Normalize, ToTensor
from npnet.transforms.pad import Pad
from npnet.transforms.resize import Resize

__all__ = [
    "Compose",
    "Cutout",
    "InterpolationMode",
    "Normalize",
    "Pad",
    "RandomAffine",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomTransform",
    "Resize",
    "ToTensor",
]
