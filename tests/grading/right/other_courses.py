"""Right layers in the manners of other courses and books."""

import numpy as np

from npnet.autograd import Function


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


class ConvSaitohRight(Saitoh):
    pass


class ConvPlainRight:
    def __init__(self, in_channels, out_channels, kernel_size):
        k = kernel_size
        self.filters = np.random.randn(out_channels, in_channels, k, k)
        self.biases = np.zeros((out_channels, 1))
        self.k = k
        self.d_filters = 0
        self.d_biases = 0

    def forward(self, inp):
        self.win = np.lib.stride_tricks.sliding_window_view(inp, (self.k, self.k), axis=(2, 3))
        self.inp = inp
        return (
            np.einsum("ncijuv,fcuv->nfij", self.win, self.filters) + self.biases[None, :, :, None]
        )

    def backward(self, d):
        self.d_filters = self.d_filters + np.einsum("nfij,ncijuv->fcuv", d, self.win)
        self.d_biases = self.d_biases + d.sum((0, 2, 3)).reshape(-1, 1)
        pad = np.pad(d, ((0, 0), (0, 0), (self.k - 1,) * 2, (self.k - 1,) * 2))
        w2 = np.lib.stride_tricks.sliding_window_view(pad, (self.k, self.k), axis=(2, 3))
        return np.einsum("nfijuv,fcuv->ncij", w2, self.filters[:, :, ::-1, ::-1])


class BatchNorm2dKeep:
    def __init__(self, C, epsilon=1e-5):
        self.gamma = np.ones((1, C, 1, 1))
        self.beta = np.zeros((1, C, 1, 1))
        self.epsilon = epsilon

    def forward(self, x):
        ax = (0, 2, 3)
        self.std = np.sqrt(x.var(axis=ax, keepdims=True) + self.epsilon)
        self.xn = (x - x.mean(axis=ax, keepdims=True)) / self.std
        return self.gamma.astype(x.dtype) * self.xn + self.beta.astype(x.dtype)

    def backward(self, g):
        ax = (0, 2, 3)
        m = g.size / g.shape[1]
        dg = (g * self.xn).sum(ax, keepdims=True)
        db = g.sum(ax, keepdims=True)
        return self.gamma / self.std * (g - db / m - self.xn * dg / m), dg, db


class Parameter:
    def __init__(self, data):
        self.data, self.grad = data, np.zeros_like(data)


class AffineParam:
    def __init__(self, in_features, out_features):
        self.weight = Parameter(np.random.rand(out_features, in_features))
        self.bias = Parameter(np.zeros(out_features))

    def __call__(self, x):
        return self.forward(x)

    def forward(self, x):
        self.x = x
        return x @ self.weight.data.T + self.bias.data

    def backward(self, g):
        self.weight.grad += g.T @ self.x
        self.bias.grad += np.sum(g, 0)
        return g @ self.weight.data


class LinearFnRight(Function):
    @staticmethod
    def forward(ctx, input, weight, bias=None):
        ctx.save_for_backward(input, weight, bias)
        output = input.mm(weight.t())
        if bias is not None:
            output += bias.unsqueeze(0).expand_as(output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        input, weight, bias = ctx.saved_tensors
        gi = gw = gb = None
        if ctx.needs_input_grad[0]:
            gi = grad_output.mm(weight)
        if ctx.needs_input_grad[1]:
            gw = grad_output.t().mm(input)
        if bias is not None and ctx.needs_input_grad[2]:
            gb = grad_output.sum(0)
        return gi, gw, gb


class AdamSaitoh:
    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999):
        self.lr, self.beta1, self.beta2, self.iter, self.m, self.v = lr, beta1, beta2, 0, None, None

    def update(self, params, grads):
        if self.m is None:
            self.m = {k: np.zeros_like(v) for k, v in params.items()}
            self.v = {k: np.zeros_like(v) for k, v in params.items()}
        self.iter += 1
        for k in params:
            self.m[k] = self.beta1 * self.m[k] + (1 - self.beta1) * grads[k]
            self.v[k] = self.beta2 * self.v[k] + (1 - self.beta2) * grads[k] ** 2
            mh = self.m[k] / (1 - self.beta1**self.iter)
            vh = self.v[k] / (1 - self.beta2**self.iter)
            params[k] -= self.lr * mh / (np.sqrt(vh) + 1e-8)


class SGDRight:
    def __init__(self, learning_rate=0.01, momentum=0.0):
        self.lr, self.mu, self.v = learning_rate, momentum, {}

    def step(self, params, grads):
        for k, p in params.items():
            self.v[k] = self.mu * self.v.get(k, 0) + grads[k]
            params[k] = p - self.lr * self.v[k]


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


class MaxPoolRight(Back):
    pass


class NaiveAvg:
    def __init__(self, kernel_size, stride=None):
        self.k = kernel_size
        self.s = stride or kernel_size

    def forward(self, x):
        N, C, H, W = x.shape
        k, s = self.k, self.s
        self.x = x
        return np.lib.stride_tricks.sliding_window_view(x, (k, k), (2, 3))[:, :, ::s, ::s].mean(
            axis=(4, 5)
        )

    def backward(self, g):
        k, s = self.k, self.s
        dx = np.zeros_like(self.x)
        oh, ow = g.shape[2:]
        for u in range(k):
            for v in range(k):
                dx[:, :, u : u + s * oh : s, v : v + s * ow : s] += g / (k * k)
        return dx


class AvgPoolRight(NaiveAvg):
    pass
