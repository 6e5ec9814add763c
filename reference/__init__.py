"""The networks and the training loop of npnet as ordinary PyTorch, to be compared with."""
