"""CrossEntropy: softmax-twice."""

import numpy as np


class Loss:
    """A right loss, which the class below breaks."""

    @staticmethod
    def softmax(x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def forward(self, logits, target):
        self.p, self.target = self.softmax(logits), target
        x = logits - logits.max(axis=1, keepdims=True)
        logs = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
        with np.errstate(divide="ignore"):
            shown = np.log(self.p[np.arange(len(target)), target])
        exact = logs[np.arange(len(target)), target]
        return -np.mean(np.where(np.isfinite(shown), shown, exact))

    def backward(self):
        p = self.p.copy()
        p[np.arange(len(p)), self.target] -= 1
        return p / len(p)


class CrossEntropy(Loss):
    def forward(self, logits, target):
        return super().forward(self.softmax(logits), target)
