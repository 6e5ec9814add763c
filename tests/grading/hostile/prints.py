"""ReLU, which does what no layer should: prints."""

import numpy as np


class ReLU:
    def forward(self, x):
        print("x" * 1_000_000)
        return np.maximum(x, 0)

    def backward(self, grad_output):
        return grad_output
