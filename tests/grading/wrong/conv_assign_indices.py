"""ConvFancy: col2im-assigns."""

import numpy as np


class ConvFancy:
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0):
        self.params = {
            "W": np.random.randn(out_channels, in_channels, kernel_size, kernel_size),
            "b": np.zeros(out_channels),
        }
        self.grads = {"W": np.zeros_like(self.params["W"]), "b": np.zeros(out_channels)}
        self.stride, self.pad = stride, padding

    def idx(self, shape, HH, WW):
        N, C, H, W = shape
        p, s = self.pad, self.stride
        oh, ow = (H + 2 * p - HH) // s + 1, (W + 2 * p - WW) // s + 1
        i0 = np.tile(np.repeat(np.arange(HH), WW), C)
        i1 = s * np.repeat(np.arange(oh), ow)
        j0 = np.tile(np.arange(WW), HH * C)
        j1 = s * np.tile(np.arange(ow), oh)
        i = i0.reshape(-1, 1) + i1.reshape(1, -1)
        j = j0.reshape(-1, 1) + j1.reshape(1, -1)
        k = np.repeat(np.arange(C), HH * WW).reshape(-1, 1)
        return k, i, j, oh, ow

    def forward(self, x):
        W, b = self.params["W"], self.params["b"]
        F, C, HH, WW = W.shape
        self.shape = x.shape
        k, i, j, oh, ow = self.idx(x.shape, HH, WW)
        p = self.pad
        xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        cols = xp[:, k, i, j].transpose(1, 2, 0).reshape(C * HH * WW, -1)
        self.cols = cols
        out = (W.reshape(F, -1) @ cols + b.reshape(-1, 1)).reshape(F, oh, ow, x.shape[0])
        return out.transpose(3, 0, 1, 2)

    def backward(self, dout):
        W = self.params["W"]
        F, C, HH, WW = W.shape
        d = dout.transpose(1, 2, 3, 0).reshape(F, -1)
        self.grads["W"] += (d @ self.cols.T).reshape(W.shape)
        self.grads["b"] += dout.sum((0, 2, 3))
        dc = W.reshape(F, -1).T @ d
        k, i, j, oh, ow = self.idx(self.shape, HH, WW)
        N, _, H, Wd = self.shape
        p = self.pad
        dxp = np.zeros((N, C, H + 2 * p, Wd + 2 * p), dtype=dc.dtype)
        dxp[:, k, i, j] += dc.reshape(C * HH * WW, -1, N).transpose(2, 0, 1)
        return dxp[:, :, p : p + H, p : p + Wd]
