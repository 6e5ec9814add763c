"""What PyTorch programs ask before they choose a device: npnet has the CPU alone.

Programs import the modules of this room by PyTorch's paths, right under the library: `import
npnet.cuda`, `import npnet.backends.cudnn as cudnn`. So they are entered by those names too.
"""

import sys

from npnet.devices import accelerator, backends, cuda
from npnet.devices.cpu import CPU, device

__all__ = ["CPU", "accelerator", "backends", "cuda", "device"]

_backends = [getattr(backends, _name) for _name in backends.__all__]
for _module in (accelerator, backends, *_backends, cuda):
    sys.modules[_module.__name__.replace(".devices.", ".")] = _module
