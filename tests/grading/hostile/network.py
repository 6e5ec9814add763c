"""ReLU, which does what no layer should: network."""

import socket


class ReLU:
    def forward(self, x):
        socket.socket().connect(("127.0.0.1", 9))

    def backward(self, grad_output):
        return grad_output
