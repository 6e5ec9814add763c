"""ConvReshape: output-not-transposed."""

import numpy as np


def im2col(x, fh, fw, stride=1, pad=0):
    N, C, H, W = x.shape
    oh, ow = (H + 2 * pad - fh) // stride + 1, (W + 2 * pad - fw) // stride + 1
    img = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)], "constant")
    col = np.zeros((N, C, fh, fw, oh, ow), dtype=x.dtype)
    for y in range(fh):
        for xx in range(fw):
            col[:, :, y, xx] = img[
                :, :, y : y + stride * oh : stride, xx : xx + stride * ow : stride
            ]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(N * oh * ow, -1)


def col2im(col, shape, fh, fw, stride=1, pad=0, add=True, crop=True, st=None):
    N, C, H, W = shape
    st = st or stride
    oh, ow = (H + 2 * pad - fh) // stride + 1, (W + 2 * pad - fw) // stride + 1
    col = col.reshape(N, oh, ow, C, fh, fw).transpose(0, 3, 4, 5, 1, 2)
    img = np.zeros((N, C, H + 2 * pad + stride - 1, W + 2 * pad + stride - 1), dtype=col.dtype)
    for y in range(fh):
        for xx in range(fw):
            if add:
                img[:, :, y : y + st * oh : st, xx : xx + st * ow : st] += col[:, :, y, xx]
            else:
                img[:, :, y : y + st * oh : st, xx : xx + st * ow : st] = col[:, :, y, xx]
    if not crop:
        return img[:, :, :H, :W]
    return img[:, :, pad : H + pad, pad : W + pad]


class Saitoh:
    add, crop, stride_back, nodiv = True, True, None, None

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, pad=0):
        self.W = 0.01 * np.random.randn(out_channels, in_channels, kernel_size, kernel_size)
        self.b = np.zeros(out_channels)
        self.dW, self.db = None, None
        self.stride, self.pad = stride, pad

    def forward(self, x):
        FN, C, FH, FW = self.W.shape
        N, C, H, W = x.shape
        oh, ow = (
            (H + 2 * self.pad - FH) // self.stride + 1,
            (W + 2 * self.pad - FW) // self.stride + 1,
        )
        col = im2col(x, FH, FW, self.stride, self.pad)
        col_W = self.W.reshape(FN, -1).T
        out = col @ col_W + self.b
        self.x, self.col, self.col_W = x, col, col_W
        return out.reshape(N, oh, ow, -1).transpose(0, 3, 1, 2)

    def backward(self, dout):
        FN, C, FH, FW = self.W.shape
        dout = dout.transpose(0, 2, 3, 1).reshape(-1, FN)
        dW = (self.col.T @ dout).transpose(1, 0).reshape(FN, C, FH, FW)
        db = dout.sum(0)
        self.dW = dW if self.dW is None else self.dW + dW
        self.db = db if self.db is None else self.db + db
        dcol = dout @ self.col_W.T
        return col2im(
            dcol, self.x.shape, FH, FW, self.stride, self.pad, self.add, self.crop, self.stride_back
        )


class ConvReshape(Saitoh):
    def forward(self, x):
        y = super().forward(x)
        N, F, oh, ow = y.shape
        return y.transpose(0, 2, 3, 1).reshape(N, F, oh, ow)
