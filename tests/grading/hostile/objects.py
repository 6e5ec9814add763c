"""ReLU, which does what no layer should: objects."""

import numpy as np


class ReLU:
    def forward(self, x):
        return np.array([object()])

    def backward(self, grad_output):
        return grad_output
