"""Layers with PyTorch's names, whose gradients add up."""

import numpy as np


class Parameter:
    def __init__(self, data):
        self.data, self.grad = data, np.zeros_like(data)


class Linear:
    def __init__(self, in_features, out_features):
        self.weight = Parameter(np.random.randn(out_features, in_features))
        self.bias = Parameter(np.zeros(out_features))

    def forward(self, x):
        self.x = x
        return x @ self.weight.data.T + self.bias.data

    def backward(self, grad_output):
        self.weight.grad += grad_output.T @ self.x
        self.bias.grad += grad_output.sum(0)
        return grad_output @ self.weight.data


class ReLU:
    def forward(self, input):
        self.mask = input > 0
        return np.where(self.mask, input, 0)

    def backward(self, grad_output):
        return np.where(self.mask, grad_output, 0)


class Sigmoid:
    def forward(self, x):
        e = np.exp(-np.abs(x))
        self.y = np.where(x >= 0, 1, e) / (1 + e)
        return self.y.copy()

    def backward(self, grad_output):
        return grad_output * self.y * (1 - self.y)


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y.copy()

    def backward(self, grad_output):
        return grad_output * (1 - self.y**2)


class Conv2d:
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0):
        self.k, self.s, self.p = kernel_size, stride, padding
        self.weight = np.random.randn(out_channels, in_channels, kernel_size, kernel_size)
        self.bias = np.zeros(out_channels)
        self.weight_grad, self.bias_grad = np.zeros_like(self.weight), np.zeros_like(self.bias)

    def forward(self, x):
        k, s, p = self.k, self.s, self.p
        padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        self.shape = padded.shape
        view = np.lib.stride_tricks.sliding_window_view(padded, (k, k), (2, 3))
        self.windows = view[:, :, ::s, ::s]
        y = np.einsum("ncijuv,ocuv->noij", self.windows, self.weight)
        return y + self.bias[:, None, None]

    def backward(self, grad_output):
        k, s, p = self.k, self.s, self.p
        oh, ow = grad_output.shape[2:]
        self.weight_grad += np.einsum("noij,ncijuv->ocuv", grad_output, self.windows)
        self.bias_grad += grad_output.sum((0, 2, 3))
        gx = np.zeros(self.shape, grad_output.dtype)
        for u in range(k):
            for v in range(k):
                part = np.einsum("noij,oc->ncij", grad_output, self.weight[:, :, u, v])
                gx[:, :, u : u + s * oh : s, v : v + s * ow : s] += part
        return gx[:, :, p : gx.shape[2] - p, p : gx.shape[3] - p]


class _Pool:
    def __init__(self, kernel_size, stride=None, padding=0):
        self.k, self.s, self.p = kernel_size, stride or kernel_size, padding

    def windows(self, x, value):
        k, s, p = self.k, self.s, self.p
        padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), constant_values=value)
        self.shape, self.size = padded.shape, x.shape[2:]
        view = np.lib.stride_tricks.sliding_window_view(padded, (k, k), (2, 3))
        return view[:, :, ::s, ::s].reshape(*x.shape[:2], *view[0, 0, ::s, ::s].shape[:2], k * k)

    def scatter(self, shares):
        s, p, (h, w) = self.s, self.p, self.size
        oh, ow = shares.shape[2:4]
        gx = np.zeros(self.shape, shares.dtype)
        for at in range(self.k * self.k):
            u, v = divmod(at, self.k)
            gx[:, :, u : u + s * oh : s, v : v + s * ow : s] += shares[..., at]
        return gx[:, :, p : p + h, p : p + w]


class MaxPool2d(_Pool):
    def forward(self, x):
        windows = self.windows(x, -np.inf)
        self.at = windows.argmax(-1)
        return windows.max(-1)

    def backward(self, grad_output):
        ones = np.eye(self.k * self.k, dtype=grad_output.dtype)[self.at]
        return self.scatter(ones * grad_output[..., None])


class AvgPool2d(_Pool):
    def forward(self, x):
        return self.windows(x, 0).mean(-1)

    def backward(self, grad_output):
        shares = (grad_output / self.k**2)[..., None]
        return self.scatter(np.repeat(shares, self.k**2, axis=-1))


class BatchNorm2d:
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        self.weight, self.bias = np.ones(num_features), np.zeros(num_features)
        self.grad_weight, self.grad_bias = np.zeros(num_features), np.zeros(num_features)
        self.running_mean, self.running_var = np.zeros(num_features), np.ones(num_features)
        self.eps, self.momentum, self.training = eps, momentum, True

    def train(self):
        self.training = True

    def eval(self):
        self.training = False

    def forward(self, x):
        mean, var = self.running_mean, self.running_var
        if self.training:
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
            count = x.size // x.shape[1]
            self.running_mean += self.momentum * (mean - self.running_mean)
            self.running_var += self.momentum * (var * count / (count - 1) - self.running_var)
        mean, var = (a.astype(x.dtype)[:, None, None] for a in (mean, var))
        self.rstd = 1 / np.sqrt(var + x.dtype.type(self.eps))
        self.xhat = (x - mean) * self.rstd
        return self.weight[:, None, None] * self.xhat + self.bias[:, None, None]

    def backward(self, grad_output):
        axes = (0, 2, 3)
        self.grad_weight += (grad_output * self.xhat).sum(axes)
        self.grad_bias += grad_output.sum(axes)
        g = grad_output * self.weight[:, None, None]
        if self.training:
            means = g.mean(axes, keepdims=True), (g * self.xhat).mean(axes, keepdims=True)
            g = g - means[0] - self.xhat * means[1]
        return g * self.rstd


class CrossEntropyLoss:
    def forward(self, x, target):
        shifted = x - x.max(1, keepdims=True)
        sums = np.exp(shifted).sum(1)
        rows = np.arange(len(x))
        self.grad = np.exp(shifted) / sums[:, None]
        self.grad[rows, target] -= 1
        return float((np.log(sums) - shifted[rows, target]).mean())

    def backward(self, grad_output=1.0):
        return (grad_output * self.grad / len(self.grad)).astype(self.grad.dtype)
