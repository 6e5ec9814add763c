"""What is neither a layer nor an optimizer: the names of `torch.utils` and `torchvision.utils`."""

from npnet.utils import data
from npnet.utils.pictures import make_grid, save_image

__all__ = ["data", "make_grid", "save_image"]
