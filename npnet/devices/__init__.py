"""What PyTorch programs ask before they choose a device: npnet has the CPU alone.

Programs import the modules of this room by PyTorch's paths, right under the library: `import
npnet.cuda`, `import npnet.backends.cudnn as cudnn`. So they are entered by those names too.
"""

import sys

from npnet.devices import accelerator, amp, backends, cuda, mps, xpu
from npnet.devices.cpu import CPU, device

__all__ = ["CPU", "accelerator", "amp", "backends", "cuda", "device", "mps", "xpu"]

_backends = [getattr(backends, _name) for _name in backends.__all__]
for _module in (accelerator, amp, backends, *_backends, cuda, mps, xpu):
    sys.modules[_module.__name__.replace(".devices.", ".")] = _module
sys.modules["npnet.cuda.amp"] = amp
