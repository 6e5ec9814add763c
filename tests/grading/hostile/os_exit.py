"""ReLU, which does what no layer should: os_exit."""

import os


class ReLU:
    def forward(self, x):
        os._exit(0)

    def backward(self, grad_output):
        return grad_output
