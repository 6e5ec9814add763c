"""ReLU, which does what no layer should: fork."""

import os


class ReLU:
    def forward(self, x):
        os.fork()

    def backward(self, grad_output):
        return grad_output
