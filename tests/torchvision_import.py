"""Import torchvision beside a CPU-only PyTorch, for the tests that compare with it."""

from __future__ import annotations

import functools
from types import ModuleType

__all__ = ["import_torchvision"]


@functools.cache
def import_torchvision() -> ModuleType:
    """The torchvision module.

    The package index's torchvision wheel for Linux is built for CUDA. Its compiled half cannot be
    loaded beside a CPU-only PyTorch, and then the schemas of two operators are missing that its
    Python half refers to while it is imported. Defining them is enough: nothing that npnet compares
    with (transforms, ResNet) calls either. Where the compiled half can be loaded, it defines them
    itself and must not find them taken, hence the first attempt.
    """
    import torch  # here: who imports this file may have npnet alone

    try:
        import torchvision
    except RuntimeError:  # operator torchvision::nms does not exist
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision

        # The schemas vanish with the object that defined them: it lives as long as the module.
        torchvision._npnet_library = library
    return torchvision
