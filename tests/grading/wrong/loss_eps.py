"""CrossEntropyLoss: eps-in-log."""

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


class CrossEntropyLoss(Loss):
    def forward(self, logits, target):
        self.p, self.target = self.softmax(logits), target
        return -np.mean(np.log(self.p[np.arange(len(target)), target] + 1e-6))
