"""ReLU, which does what no layer should: crash."""


class ReLU:
    def forward(self, x):
        import ctypes

        ctypes.string_at(0)

    def backward(self, grad_output):
        return grad_output
