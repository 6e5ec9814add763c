"""BatchNormHalfVar: variance-halved."""

import numpy as np


class Graph:
    n_axis = 0

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        self.gamma, self.beta = np.ones(num_features), np.zeros(num_features)
        self.eps, self.momentum = eps, momentum
        self.running_mean, self.running_var = np.zeros(num_features), np.ones(num_features)
        self.train_mode = True

    def train(self):
        self.train_mode = True

    def eval(self):
        self.train_mode = False

    def forward(self, x):
        if not self.train_mode:
            self.inv = 1 / np.sqrt(self.running_var + self.eps)
            self.xhat = (x - self.running_mean) * self.inv
            return self.gamma * self.xhat + self.beta
        N, D = x.shape
        self.mu = 1.0 / N * np.sum(x, axis=0)
        self.xmu = x - self.mu
        self.var = 1.0 / N * np.sum(self.xmu**2, axis=0)
        self.sqrtvar = np.sqrt(self.var + self.eps)
        self.ivar = 1.0 / self.sqrtvar
        self.xhat = self.xmu * self.ivar
        m = self.momentum
        self.running_mean = (1 - m) * self.running_mean + m * self.mu
        self.running_var = (1 - m) * self.running_var + m * self.var * N / (N - 1)
        return self.gamma * self.xhat + self.beta

    def backward(self, dout):
        if not self.train_mode:
            return dout * self.gamma * self.inv, (dout * self.xhat).sum(0), dout.sum(0)
        N, D = dout.shape
        dbeta = dout.sum(0)
        dgamma = (dout * self.xhat).sum(0)
        dxhat = dout * self.gamma
        divar = (dxhat * self.xmu).sum(0)
        dxmu1 = dxhat * self.ivar
        dsqrt = -1.0 / self.sqrtvar**2 * divar
        dvar = 0.5 * 1.0 / np.sqrt(self.var + self.eps) * dsqrt
        dsq = 1.0 / N * np.ones((N, D)) * dvar
        dxmu2 = 2 * self.xmu * dsq
        dx1 = dxmu1 + dxmu2
        dmu = -1 * dx1.sum(0)
        dx2 = 1.0 / N * np.ones((N, D)) * dmu
        return dx1 + dx2, dgamma, dbeta


class BatchNormHalfVar(Graph):
    def backward(self, dout):
        dx, dg, db = super().backward(dout)
        if not self.train_mode:
            return dx, dg, db
        N = len(dout)
        dxhat = dout * self.gamma
        dvar = (dxhat * self.xmu * -0.5 * self.ivar**3).sum(0)
        dx1 = dxhat * self.ivar + self.xmu * dvar / N
        return dx1 - dx1.mean(0), dg, db
