"""Dropout: gx-another-mask."""

import numpy as np


class Dropout:
    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def drop(self, x):
        if not self.training:
            return x.copy()
        return x * (np.random.rand(*x.shape) >= self.p).astype(x.dtype) / (1 - self.p)

    def forward(self, x):
        return self.drop(x)

    def backward(self, grad_output):
        return self.drop(grad_output)
