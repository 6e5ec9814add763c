"""Tanh: upstream-ignored."""

import numpy as np


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y.copy()

    def backward(self, grad_output):
        return 1 - self.y**2
