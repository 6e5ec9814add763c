"""SGD: decay-without-lr."""


class SGD:
    def __init__(self, lr, momentum=0.0, weight_decay=0.0):
        self.lr, self.momentum, self.decay, self.v = lr, momentum, weight_decay, 0

    def update(self, w, grad):
        self.v = self.momentum * self.v + grad
        return w - self.lr * self.v - self.decay * w
