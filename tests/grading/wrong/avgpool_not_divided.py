"""AvgPool: not-divided-in-gx."""

import numpy as np


class AvgPool:
    def __init__(self, size):
        self.k = size

    def forward(self, x):
        k, (n, c, h, w) = self.k, x.shape
        self.rest = (h % k, w % k)
        return x[:, :, : h // k * k, : w // k * k].reshape(n, c, h // k, k, w // k, k).mean((3, 5))

    def backward(self, g):
        big = np.kron(g, np.ones((1, 1, self.k, self.k)))
        return np.pad(big, ((0, 0), (0, 0), (0, self.rest[0]), (0, self.rest[1])))
