"""ReLU, which does what no layer should: recursion."""


class ReLU:
    def forward(self, x):
        return self.forward(x)

    def backward(self, grad_output):
        return grad_output
