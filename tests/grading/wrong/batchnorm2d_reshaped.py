"""SpatialBatchNormReshape: channels-not-last."""

import numpy as np


class SpatialBatchNormReshape:
    def __init__(self, num_features, eps=1e-5):
        self.bn = None
        self.gamma = np.ones(num_features)
        self.beta = np.zeros(num_features)
        self.eps = eps

    def forward(self, x):
        N, C, H, W = x.shape
        self.shape = x.shape
        f = x.reshape(-1, C)
        self.mu = f.mean(0)
        self.iv = 1 / np.sqrt(f.var(0) + self.eps)
        self.xh = (f - self.mu) * self.iv
        return (self.gamma * self.xh + self.beta).reshape(N, C, H, W)

    def backward(self, g):
        N, C, H, W = self.shape
        d = g.reshape(-1, C)
        dg, db = (d * self.xh).sum(0), d.sum(0)
        d = d * self.gamma
        return (
            (self.iv * (d - d.mean(0) - self.xh * (d * self.xh).mean(0))).reshape(self.shape),
            dg,
            db,
        )
