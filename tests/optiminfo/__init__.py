"""PyTorch's own test inputs of optimizers, tried on npnet's: `pytest tests/optiminfo -k Adam`."""
