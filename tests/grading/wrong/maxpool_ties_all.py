"""MaxPool2d: ties-all."""

import numpy as np


class MaxPool2d:
    def __init__(self, kernel_size, stride=None, padding=0):
        self.k, self.s, self.p = kernel_size, stride or kernel_size, padding

    def forward(self, x):
        k, s, p = self.k, self.s, self.p
        self.shape = x.shape
        self.xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), constant_values=-np.inf)
        n, c, h, w = self.xp.shape
        self.y = np.zeros((n, c, (h - k) // s + 1, (w - k) // s + 1), x.dtype)
        for i in range(self.y.shape[2]):
            for j in range(self.y.shape[3]):
                self.y[:, :, i, j] = self.xp[:, :, i * s : i * s + k, j * s : j * s + k].max((2, 3))
        return self.y.copy()

    def backward(self, g):
        k, s, p = self.k, self.s, self.p
        dx = np.zeros_like(self.xp)
        for i in range(g.shape[2]):
            for j in range(g.shape[3]):
                window = self.xp[:, :, i * s : i * s + k, j * s : j * s + k]
                mask = window == self.y[:, :, i, j][:, :, None, None]
                dx[:, :, i * s : i * s + k, j * s : j * s + k] += (
                    mask * g[:, :, i, j][:, :, None, None]
                )
        return dx[:, :, p : p + self.shape[2], p : p + self.shape[3]]
