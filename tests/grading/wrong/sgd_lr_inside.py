"""MomentumSGD: lr-inside-velocity."""


class MomentumSGD:
    def __init__(self, learning_rate, momentum=0.9):
        self.lr, self.momentum, self.v = learning_rate, momentum, {}

    def update(self, params, grads):
        for name in params:
            v = self.momentum * self.v.get(name, 0) - self.lr * grads[name]
            self.v[name] = v
            params[name] += v
