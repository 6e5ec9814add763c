"""The networks and the training loop of npnet as ordinary PyTorch, to be compared with."""

import npnet  # noqa: F401  # first of all: from here on signals are heeded
