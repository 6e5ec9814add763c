"""ReLU, which does what no layer should: raises_exit."""


class ReLU:
    def forward(self, x):
        raise KeyboardInterrupt

    def backward(self, grad_output):
        return grad_output
