"""DenseKeep: axes-kept."""

import numpy as np


class Lin:
    def __init__(self, n_in, n_out):
        self.params = {"W": np.random.randn(n_in, n_out) * 0.1, "b": np.zeros(n_out)}
        self.grads = {k: np.zeros_like(v) for k, v in self.params.items()}

    def forward(self, X):
        self.X = X
        return X @ self.params["W"] + self.params["b"]

    def backward(self, d):
        self.grads["W"] += self.X.T @ d
        self.grads["b"] += d.sum(0)
        return d @ self.params["W"].T


class DenseKeep(Lin):
    def backward(self, d):
        return d @ self.params["W"].T, self.X.T @ d, d.sum(0, keepdims=True)
