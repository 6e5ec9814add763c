"""ReLU, which does what no layer should: huge."""

import numpy as np


class ReLU:
    def forward(self, x):
        return np.ones((1 << 40,))

    def backward(self, grad_output):
        return grad_output
