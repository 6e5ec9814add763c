"""Layers in the manner of courses: W and b, dicts, gradients that are returned."""

import numpy as np


class Conv2d:
    """Windows one by one; gradients are returned."""

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


class BatchNorm1d:
    """gamma and beta, whose gradients add up."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        self.gamma, self.beta = np.ones(num_features), np.zeros(num_features)
        self.dgamma, self.dbeta = np.zeros(num_features), np.zeros(num_features)
        self.running_mean, self.running_var = np.zeros(num_features), np.ones(num_features)
        self.eps, self.momentum, self.training = eps, momentum, True

    def var(self, x):
        return x.var(axis=0)

    def running(self, mean, var, n):
        self.running_mean += self.momentum * (mean - self.running_mean)
        self.running_var += self.momentum * (var * n / (n - 1) - self.running_var)

    def forward(self, x):
        mean, var = self.running_mean, self.running_var
        if self.training:
            mean, var = x.mean(axis=0), self.var(x)
            self.running(mean, x.var(axis=0), len(x))
        self.rstd = (1 / np.sqrt(var + self.eps)).astype(x.dtype)
        self.xhat = (x - mean.astype(x.dtype)) * self.rstd
        return self.gamma * self.xhat + self.beta

    def backward(self, dout):
        self.dgamma += (dout * self.xhat).sum(0)
        self.dbeta += dout.sum(0)
        g = dout * self.gamma
        if not self.training:
            return g * self.rstd
        return self.rstd * (g - g.mean(0) - self.xhat * (g * self.xhat).mean(0))


class SoftmaxCrossEntropy:
    """By log-sum-exp; backward takes no argument."""

    def forward(self, logits, target):
        x = logits - logits.max(axis=1, keepdims=True)
        logs = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
        self.p, self.target = np.exp(logs), target
        return -logs[np.arange(len(x)), target].mean()

    def backward(self):
        p = self.p.copy()
        p[np.arange(len(p)), self.target] -= 1
        return p / len(p)


class C:
    def __init__(self, c, o):
        self.W, self.b = np.random.randn(o, c * 25) * 0.1, np.zeros(o)
        self.dW, self.db = np.zeros_like(self.W), np.zeros(o)

    def forward(self, x):
        self.shape = n, c, h, w = x.shape
        view = np.lib.stride_tricks.sliding_window_view(x, (5, 5), (2, 3))
        self.cols = view.transpose(0, 2, 3, 1, 4, 5).reshape(n * (h - 4) * (w - 4), -1)
        y = self.cols @ self.W.T + self.b
        return y.reshape(n, h - 4, w - 4, -1).transpose(0, 3, 1, 2)

    def backward(self, g):
        n, o, oh, ow = g.shape
        flat = g.transpose(0, 2, 3, 1).reshape(-1, o)
        self.dW += flat.T @ self.cols
        self.db += flat.sum(0)
        cols = (flat @ self.W).reshape(n, oh, ow, self.shape[1], 5, 5)
        dx = np.zeros(self.shape, g.dtype)
        for u in range(5):
            for v in range(5):
                dx[:, :, u : u + oh, v : v + ow] += cols[..., u, v].transpose(0, 3, 1, 2)
        return dx


class R:
    def forward(self, x):
        self.x = x
        return np.maximum(x, 0)

    def backward(self, g):
        return g * (self.x > 0)


class P:
    def forward(self, x):
        n, c, h, w = self.shape = x.shape
        cells = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5)
        self.cells = cells.reshape(n, c, h // 2, w // 2, 4)
        return self.cells.max(-1)

    def backward(self, g):
        n, c, h, w = self.shape
        parts = np.eye(4, dtype=g.dtype)[self.cells.argmax(-1)] * g[..., None]
        parts = parts.reshape(n, c, h // 2, w // 2, 2, 2).transpose(0, 1, 2, 4, 3, 5)
        return parts.reshape(self.shape)


class F:
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, g):
        return g.reshape(self.shape)


class L:
    def __init__(self, i, o):
        self.W, self.b = np.random.randn(o, i) * 0.1, np.zeros(o)
        self.dW, self.db = np.zeros_like(self.W), np.zeros(o)

    def forward(self, x):
        self.x = x
        return x @ self.W.T + self.b

    def backward(self, g):
        self.dW += g.T @ self.x
        self.db += g.sum(0)
        return g @ self.W


class LeNet:
    """Layers in a list, with filters as matrices."""

    def __init__(self):
        convolutions = [C(1, 6), R(), P(), C(6, 16), R(), P(), C(16, 120), R(), F()]
        self.layers = [*convolutions, L(120, 84), R(), L(84, 10)]

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, grad_output):
        for layer in reversed(self.layers):
            grad_output = layer.backward(grad_output)
        return grad_output


class Dense:
    """W as (in, out), in dicts of parameters and gradients."""

    def __init__(self, n_in, n_out):
        self.params = {"W": np.random.randn(n_in, n_out), "b": np.zeros((1, n_out))}
        self.grads = {name: np.zeros_like(value) for name, value in self.params.items()}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        self.grads["W"] += self.x.T @ dout
        self.grads["b"] += dout.sum(axis=0, keepdims=True)
        return dout @ self.params["W"].T


class Dropout:
    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def forward(self, x):
        self.scale = np.ones_like(x)
        if self.training:
            self.scale = (np.random.rand(*x.shape) >= self.p).astype(x.dtype)
            self.scale /= 1 - self.p
        return x * self.scale

    def backward(self, grad_output):
        return grad_output * self.scale


class SGD:
    def __init__(self, lr, momentum=0.0, weight_decay=0.0, nesterov=False):
        self.lr, self.momentum, self.decay = lr, momentum, weight_decay
        self.nesterov, self.v = nesterov, {}

    def update(self, params, grads):
        for name, p in params.items():
            g = grads[name] + self.decay * p
            v = self.v[name] = self.momentum * self.v.get(name, 0) + g
            p -= self.lr * (g + self.momentum * v if self.nesterov else v)


class Adam:
    def __init__(self, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.lr, self.betas, self.eps, self.m, self.v, self.t = lr, betas, eps, 0, 0, 0

    def update(self, param, grad):
        (b1, b2), self.t = self.betas, self.t + 1
        self.m = b1 * self.m + (1 - b1) * grad
        self.v = b2 * self.v + (1 - b2) * grad**2
        m, v = self.m / (1 - b1**self.t), self.v / (1 - b2**self.t)
        return param - self.lr * m / (np.sqrt(v) + self.eps)
