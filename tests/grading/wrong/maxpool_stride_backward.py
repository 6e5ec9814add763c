"""MaxPool2D: kernel-for-stride-in-gx."""

import numpy as np


class MaxPool2D:
    def __init__(self, kernel_size, stride):
        self.k, self.s = kernel_size, stride

    def forward(self, x):
        self.x = x
        k, s = self.k, self.s
        oh, ow = (x.shape[2] - k) // s + 1, (x.shape[3] - k) // s + 1
        y = np.empty((*x.shape[:2], oh, ow), x.dtype)
        self.at = np.empty(y.shape, int)
        for n, c, i, j in np.ndindex(y.shape):
            window = x[n, c, i * s : i * s + k, j * s : j * s + k]
            self.at[n, c, i, j] = window.argmax()
            y[n, c, i, j] = window.max()
        return y

    def backward(self, g):
        k = self.k
        h, w = self.x.shape[2:]
        dx = np.zeros((*self.x.shape[:2], h + 3 * k, w + 3 * k))
        dx = np.zeros((*self.x.shape[:2], max(h, g.shape[2] * k), max(w, g.shape[3] * k)))
        for n, c, i, j in np.ndindex(g.shape):
            u, v = divmod(self.at[n, c, i, j], k)
            dx[n, c, i * k + u, j * k + v] += g[n, c, i, j]
        return dx[:, :, :h, :w]
