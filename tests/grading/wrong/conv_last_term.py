"""ConvNaiveDwAssign: last-window-alone."""

import numpy as np


class Naive:
    def __init__(self, in_channels, out_channels, filter_size, stride=1, pad=0):
        self.w = np.random.randn(out_channels, in_channels, filter_size, filter_size)
        self.b = np.zeros(out_channels)
        self.conv_param = {"stride": stride, "pad": pad}

    def forward(self, x):
        w, b = self.w, self.b
        s, p = self.conv_param["stride"], self.conv_param["pad"]
        N, C, H, W = x.shape
        F, C, HH, WW = w.shape
        Ho, Wo = 1 + (H + 2 * p - HH) // s, 1 + (W + 2 * p - WW) // s
        out = np.zeros((N, F, Ho, Wo), dtype=x.dtype)
        xp = np.pad(x, ((0,), (0,), (p,), (p,)))
        for n in range(N):
            for f in range(F):
                for i in range(Ho):
                    for j in range(Wo):
                        out[n, f, i, j] = (
                            np.sum(xp[n, :, i * s : i * s + HH, j * s : j * s + WW] * w[f]) + b[f]
                        )
        self.cache = (x, xp)
        return out


class ConvNaiveDwAssign(Naive):
    def backward(self, dout):
        x, xp = self.cache
        w = self.w
        s, p = self.conv_param["stride"], self.conv_param["pad"]
        N, F, Ho, Wo = dout.shape
        _, _, HH, WW = w.shape
        dxp, dw, db = np.zeros_like(xp), np.zeros_like(w), np.zeros_like(self.b)
        for n in range(N):
            for f in range(F):
                db[f] = dout[n, f].sum()
                for i in range(Ho):
                    for j in range(Wo):
                        dxp[n, :, i * s : i * s + HH, j * s : j * s + WW] += w[f] * dout[n, f, i, j]
                        dw[f] = xp[n, :, i * s : i * s + HH, j * s : j * s + WW] * dout[n, f, i, j]
        H, W = x.shape[2:]
        return dxp[:, :, p : p + H, p : p + W], dw, db
