"""Conv2d: only-square-images."""

import numpy as np


class Base:
    """A right convolution, which the class below breaks."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0):
        self.stride, self.padding, self.k = stride, padding, kernel_size
        self.weight = np.random.randn(out_channels, in_channels, kernel_size, kernel_size)
        self.bias = np.zeros(out_channels)

    def forward(self, x):
        p, s, k = self.padding, self.stride, self.k
        self.xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        n, _, h, w = self.xp.shape
        oh, ow = (h - k) // s + 1, (w - k) // s + 1
        y = np.zeros((n, len(self.weight), oh, ow), x.dtype)
        for i in range(oh):
            for j in range(ow):
                window = self.xp[:, :, i * s : i * s + k, j * s : j * s + k]
                product = np.tensordot(window, self.weight, ([1, 2, 3], [1, 2, 3]))
                y[:, :, i, j] = product + self.bias
        return y

    def backward(self, dout):
        p, s, k = self.padding, self.stride, self.k
        dx, dw = np.zeros_like(self.xp), np.zeros_like(self.weight)
        for i in range(dout.shape[2]):
            for j in range(dout.shape[3]):
                place = np.s_[:, :, i * s : i * s + k, j * s : j * s + k]
                dw += np.tensordot(dout[:, :, i, j], self.xp[place], ([0], [0]))
                dx[place] += np.tensordot(dout[:, :, i, j], self.weight, ([1], [0]))
        h, w = dx.shape[2:]
        return dx[:, :, p : h - p, p : w - p], dw, dout.sum((0, 2, 3))


class Conv2d(Base):
    def forward(self, x):
        p, s, k = self.padding, self.stride, self.k
        self.xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        n, _, h, _ = self.xp.shape
        out = (h - k) // s + 1
        y = np.zeros((n, len(self.weight), out, out), x.dtype)
        for i in range(out):
            for j in range(out):
                window = self.xp[:, :, i * s : i * s + k, j * s : j * s + k]
                y[:, :, i, j] = (
                    np.tensordot(window, self.weight, ([1, 2, 3], [1, 2, 3])) + self.bias
                )
        return y
