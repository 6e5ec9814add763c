"""SGD: dampened."""


class SGD:
    def __init__(self, lr, momentum=0.0):
        self.lr, self.momentum, self.v = lr, momentum, 0

    def update(self, w, grad):
        self.v = self.momentum * self.v + (1 - self.momentum) * grad
        return w - self.lr * self.v
