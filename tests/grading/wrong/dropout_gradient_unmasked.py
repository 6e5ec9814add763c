"""Dropout: gx-not-masked."""

import numpy as np


class Dropout:
    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def forward(self, x):
        if not self.training:
            return x.copy()
        return x * (np.random.rand(*x.shape) >= self.p).astype(x.dtype) / (1 - self.p)

    def backward(self, grad_output):
        return grad_output.copy()
