"""ReLU, which does what no layer should: endless."""


class ReLU:
    def forward(self, x):
        while True:
            pass

    def backward(self, grad_output):
        return grad_output
