"""Dropout: mask-of-a-row."""

import numpy as np


class Dropout:
    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def forward(self, x):
        self.scale = np.ones_like(x)
        if self.training:
            self.scale[:] = (np.random.rand(*x.shape[1:]) >= self.p) / (1 - self.p)
        return x * self.scale

    def backward(self, grad_output):
        return grad_output * self.scale
