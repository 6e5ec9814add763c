"""MaxPoolMaskAssign: scatter-assigns."""

import numpy as np


class NaiveMax:
    def __init__(self, kernel_size, stride=None):
        self.k = kernel_size
        self.s = stride or kernel_size

    def forward(self, x):
        self.x = x
        N, C, H, W = x.shape
        k, s = self.k, self.s
        oh, ow = (H - k) // s + 1, (W - k) // s + 1
        out = np.zeros((N, C, oh, ow), dtype=x.dtype)
        for n in range(N):
            for c in range(C):
                for i in range(oh):
                    for j in range(ow):
                        out[n, c, i, j] = x[n, c, i * s : i * s + k, j * s : j * s + k].max()
        return out


class Back(NaiveMax):
    def backward(self, dout):
        x, k, s = self.x, self.k, self.s
        dx = np.zeros_like(x)
        N, C, oh, ow = dout.shape
        for n in range(N):
            for c in range(C):
                for i in range(oh):
                    for j in range(ow):
                        w = x[n, c, i * s : i * s + k, j * s : j * s + k]
                        self.put(dx, n, c, i, j, w, dout[n, c, i, j])
        return dx

    def put(self, dx, n, c, i, j, w, g):
        a, b = np.unravel_index(w.argmax(), w.shape)
        dx[n, c, i * self.s + a, j * self.s + b] += g


class MaxPoolMaskAssign(Back):
    def put(self, dx, n, c, i, j, w, g):
        k, s = self.k, self.s
        dx[n, c, i * s : i * s + k, j * s : j * s + k] = (w == w.max()) * g
