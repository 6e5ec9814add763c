"""ReLU, which does what no layer should: missing_file."""

import numpy as np


class ReLU:
    def forward(self, x):
        return np.load("weights.npy")

    def backward(self, grad_output):
        return grad_output
