"""PyTorch's own test inputs, imported so that other tests in the process are as they were.

Importing them forbids all programs to set `torch.backends.cudnn.benchmark` and its like, which
strangers' programs do.
"""

import torch
import torch.testing._internal.common_utils

# The module that one imports is a stand-in, so the flag is set where its functions read it.
torch.backends.flags_frozen.__globals__["__allow_nonbracketed_mutation_flag"] = True
