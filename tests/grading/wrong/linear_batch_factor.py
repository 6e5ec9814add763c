"""Linear: batch-factor-missing."""

import numpy as np


class Linear:
    def __init__(self, in_features, out_features):
        self.weight = np.random.randn(out_features, in_features) * 0.1
        self.bias = np.zeros(out_features)
        self.grad_weight = np.zeros_like(self.weight)
        self.grad_bias = np.zeros_like(self.bias)

    def forward(self, x):
        self.x = x
        return x @ self.weight.T + self.bias

    def backward(self, grad_output):
        n = len(grad_output)
        self.grad_weight += grad_output.T @ self.x / n
        self.grad_bias += grad_output.sum(axis=0) / n
        return grad_output @ self.weight
