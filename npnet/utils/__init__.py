"""What is neither a layer nor an optimizer: the names of `torch.utils` and `torchvision.utils`."""

import importlib as _importlib
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from npnet.utils import data
from npnet.utils.pictures import make_grid, save_image

if _TYPE_CHECKING:
    from npnet.utils import checkpoint as checkpoint
    from npnet.utils import hooks as hooks
    from npnet.utils import model_zoo as model_zoo
    from npnet.utils import tensorboard as tensorboard

__all__ = ["data", "make_grid", "save_image"]


# What few need; tensorboard imports tensorboardX.
_LATER = frozenset({"checkpoint", "hooks", "model_zoo", "tensorboard"})


def __getattr__(name: str) -> _Any:
    if name in _LATER:
        return _importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
