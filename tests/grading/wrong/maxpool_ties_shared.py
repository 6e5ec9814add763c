"""MaxPool2d: ties-shared."""

import numpy as np


class MaxPool2d:
    def __init__(self, kernel_size, stride=None):
        self.k, self.s = kernel_size, stride or kernel_size

    def windows(self):
        k, s = self.k, self.s
        for i in range((self.x.shape[2] - k) // s + 1):
            for j in range((self.x.shape[3] - k) // s + 1):
                yield i, j, (..., slice(i * s, i * s + k), slice(j * s, j * s + k))

    def forward(self, x):
        self.x = x
        k, s = self.k, self.s
        y = np.zeros((*x.shape[:2], (x.shape[2] - k) // s + 1, (x.shape[3] - k) // s + 1), x.dtype)
        for i, j, place in self.windows():
            y[:, :, i, j] = x[place].max((2, 3))
        return y

    def backward(self, g):
        dx = np.zeros_like(self.x)
        for i, j, place in self.windows():
            mask = self.x[place] == self.x[place].max((2, 3), keepdims=True)
            dx[place] += mask / mask.sum((2, 3), keepdims=True) * g[:, :, i, j, None, None]
        return dx
