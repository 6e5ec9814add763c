"""MaxPool2d: gradient-to-all."""

import numpy as np


class MaxPool2d:
    def __init__(self, kernel_size):
        self.k = kernel_size

    def forward(self, x):
        k, (n, c, h, w) = self.k, x.shape
        self.shape = x.shape
        return x[:, :, : h // k * k, : w // k * k].reshape(n, c, h // k, k, w // k, k).max((3, 5))

    def backward(self, g):
        dx = np.zeros(self.shape)
        big = g.repeat(self.k, axis=2).repeat(self.k, axis=3)
        dx[:, :, : big.shape[2], : big.shape[3]] = big
        return dx
