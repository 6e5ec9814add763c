"""MaxPool: scatter-assigns-chosen."""

import numpy as np


class MaxPool:
    def __init__(self, pool_size, stride=None):
        self.k, self.s = pool_size, stride or pool_size

    def forward(self, x):
        self.x = x
        k, s = self.k, self.s
        oh, ow = (x.shape[2] - k) // s + 1, (x.shape[3] - k) // s + 1
        y = np.empty((*x.shape[:2], oh, ow), x.dtype)
        for i in range(oh):
            for j in range(ow):
                y[:, :, i, j] = x[:, :, i * s : i * s + k, j * s : j * s + k].max((2, 3))
        return y

    def backward(self, g):
        dx, k, s = np.zeros_like(self.x), self.k, self.s
        for n, c, i, j in np.ndindex(g.shape):
            window = self.x[n, c, i * s : i * s + k, j * s : j * s + k]
            u, v = np.unravel_index(window.argmax(), window.shape)
            dx[n, c, i * s + u, j * s + v] = g[n, c, i, j]
        return dx
