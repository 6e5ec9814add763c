"""SGD: state-shared."""


class SGD:
    def __init__(self, lr, momentum=0.0):
        self.lr, self.momentum, self.v = lr, momentum, 0

    def update(self, params, grads):
        for name in params:
            self.v = self.momentum * self.v + grads[name]
            params[name] = params[name] - self.lr * self.v
