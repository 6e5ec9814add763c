"""MaxPool2d: zero-padding."""

import numpy as np


class MaxPool2d:
    def __init__(self, kernel_size, stride=None, padding=0):
        self.k, self.s, self.p = kernel_size, stride or kernel_size, padding

    def forward(self, x):
        k, s, p = self.k, self.s, self.p
        self.shape = x.shape
        self.xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        n, c, h, w = self.xp.shape
        y = np.zeros((n, c, (h - k) // s + 1, (w - k) // s + 1), x.dtype)
        for i in range(y.shape[2]):
            for j in range(y.shape[3]):
                y[:, :, i, j] = self.xp[:, :, i * s : i * s + k, j * s : j * s + k].max((2, 3))
        return y

    def backward(self, g):
        k, s, p = self.k, self.s, self.p
        dx = np.zeros_like(self.xp)
        for n, c, i, j in np.ndindex(g.shape):
            window = self.xp[n, c, i * s : i * s + k, j * s : j * s + k]
            u, v = np.unravel_index(window.argmax(), window.shape)
            dx[n, c, i * s + u, j * s + v] += g[n, c, i, j]
        return dx[:, :, p : p + self.shape[2], p : p + self.shape[3]]
