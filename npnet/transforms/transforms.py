"""Where torchvision has its transforms: all names of `npnet.transforms`."""

from npnet.transforms import *  # noqa: F403 # the same under another name
from npnet.transforms import __all__ as __all__
