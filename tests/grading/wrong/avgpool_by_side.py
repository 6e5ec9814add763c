"""AvgPool2d: divided-by-side."""

import numpy as np


class AvgPool2d:
    def __init__(self, kernel_size):
        self.k = kernel_size

    def forward(self, x):
        k, (n, c, h, w) = self.k, x.shape
        self.shape = x.shape
        return x[:, :, : h // k * k, : w // k * k].reshape(n, c, h // k, k, w // k, k).mean((3, 5))

    def backward(self, g):
        dx = np.zeros(self.shape)
        big = g.repeat(self.k, axis=2).repeat(self.k, axis=3) / self.k
        dx[:, :, : big.shape[2], : big.shape[3]] = big
        return dx
