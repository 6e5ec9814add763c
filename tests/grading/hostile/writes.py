"""ReLU, which does what no layer should: writes."""


class ReLU:
    def forward(self, x):
        open("results.json", "w").write("{}")

    def backward(self, grad_output):
        return grad_output
