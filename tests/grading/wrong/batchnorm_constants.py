"""BatchNorm: statistics-constant."""

import numpy as np


class Norm:
    """A right batch norm of features, which the class below breaks."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        self.gamma, self.beta = np.ones(num_features), np.zeros(num_features)
        self.dgamma, self.dbeta = np.zeros(num_features), np.zeros(num_features)
        self.running_mean, self.running_var = np.zeros(num_features), np.ones(num_features)
        self.eps, self.momentum, self.training = eps, momentum, True

    def var(self, x):
        return x.var(axis=0)

    def running(self, mean, var, n):
        self.running_mean += self.momentum * (mean - self.running_mean)
        self.running_var += self.momentum * (var * n / (n - 1) - self.running_var)

    def forward(self, x):
        mean, var = self.running_mean, self.running_var
        if self.training:
            mean, var = x.mean(axis=0), self.var(x)
            self.running(mean, x.var(axis=0), len(x))
        self.rstd = (1 / np.sqrt(var + self.eps)).astype(x.dtype)
        self.xhat = (x - mean.astype(x.dtype)) * self.rstd
        return self.gamma * self.xhat + self.beta

    def backward(self, dout):
        self.dgamma += (dout * self.xhat).sum(0)
        self.dbeta += dout.sum(0)
        g = dout * self.gamma
        if not self.training:
            return g * self.rstd
        return self.rstd * (g - g.mean(0) - self.xhat * (g * self.xhat).mean(0))


class BatchNorm(Norm):
    def backward(self, dout):
        self.dgamma += (dout * self.xhat).sum(0)
        self.dbeta += dout.sum(0)
        return dout * self.gamma * self.rstd
