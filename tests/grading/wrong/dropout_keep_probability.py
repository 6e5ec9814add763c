"""Dropout: p-is-kept."""

import numpy as np


class Dropout:
    def __init__(self, p=0.5):
        self.p = p

    def forward(self, x, training=True):
        self.factor = np.ones_like(x)
        if training and self.p > 0:
            self.factor = (np.random.rand(*x.shape) < self.p).astype(x.dtype) / self.p
        return x * self.factor

    def backward(self, grad_output):
        return grad_output * self.factor
