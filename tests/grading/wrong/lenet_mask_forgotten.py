"""LeNet: activation-missing-in-backward-conv2."""

import numpy as np


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
        dx = np.zeros(self.shape)
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
        parts = np.eye(4)[self.cells.argmax(-1)] * g[..., None]
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


class Net:
    """A right LeNet, which the class below breaks."""

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


class LeNet(Net):
    def backward(self, grad_output):
        self.layers[4].backward = lambda g: g
        return super().backward(grad_output)
