"""Dropout: classic."""

import numpy as np


class Dropout:
    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def forward(self, x):
        if not self.training:
            return x * (1 - self.p)
        self.mask = np.random.rand(*x.shape) >= self.p
        return x * self.mask

    def backward(self, grad_output):
        return grad_output * (self.mask if self.training else 1 - self.p)
