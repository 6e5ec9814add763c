"""AdamIterPerParam: count-of-all-parameters."""

import numpy as np


class AdamSaitoh:
    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999):
        self.lr, self.beta1, self.beta2, self.iter, self.m, self.v = lr, beta1, beta2, 0, None, None

    def update(self, params, grads):
        if self.m is None:
            self.m = {k: np.zeros_like(v) for k, v in params.items()}
            self.v = {k: np.zeros_like(v) for k, v in params.items()}
        self.iter += 1
        for k in params:
            self.m[k] = self.beta1 * self.m[k] + (1 - self.beta1) * grads[k]
            self.v[k] = self.beta2 * self.v[k] + (1 - self.beta2) * grads[k] ** 2
            mh = self.m[k] / (1 - self.beta1**self.iter)
            vh = self.v[k] / (1 - self.beta2**self.iter)
            params[k] -= self.lr * mh / (np.sqrt(vh) + 1e-8)


class AdamIterPerParam(AdamSaitoh):
    def update(self, params, grads):
        if self.m is None:
            self.m = {k: np.zeros_like(v) for k, v in params.items()}
            self.v = {k: np.zeros_like(v) for k, v in params.items()}
        for k in params:
            self.iter += 1
            self.m[k] = self.beta1 * self.m[k] + (1 - self.beta1) * grads[k]
            self.v[k] = self.beta2 * self.v[k] + (1 - self.beta2) * grads[k] ** 2
            mh = self.m[k] / (1 - self.beta1**self.iter)
            vh = self.v[k] / (1 - self.beta2**self.iter)
            params[k] -= self.lr * mh / (np.sqrt(vh) + 1e-8)
