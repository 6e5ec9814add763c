"""Optimizers by hand, in the calls of old: p.data.add_(-lr, grad), addcmul_, addcdiv_; center loss."""

import math

import torch
import torch.nn as nn
from torch.optim.optimizer import Optimizer

from shared import BATCH, STEPS, digits, start


class MyAdam(Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0):
        defaults = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
        super(MyAdam, self).__init__(params, defaults)

    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                grad = p.grad.data
                state = self.state[p]
                if len(state) == 0:
                    state["step"] = 0
                    state["exp_avg"] = torch.zeros_like(p.data)
                    state["exp_avg_sq"] = torch.zeros_like(p.data)
                beta1, beta2 = group["betas"]
                state["step"] += 1
                if group["weight_decay"] != 0:
                    grad = grad.add(group["weight_decay"], p.data)
                state["exp_avg"].mul_(beta1).add_(1 - beta1, grad)
                state["exp_avg_sq"].mul_(beta2).addcmul_(1 - beta2, grad, grad)
                denom = state["exp_avg_sq"].sqrt().add_(group["eps"])
                size = math.sqrt(1 - beta2 ** state["step"]) / (1 - beta1 ** state["step"])
                p.data.addcdiv_(-group["lr"] * size, state["exp_avg"], denom)


class CenterLoss(nn.Module):
    def __init__(self, num_classes, feat_dim):
        super().__init__()
        self.num_classes = num_classes
        self.centers = nn.Parameter(torch.randn(num_classes, feat_dim))

    def forward(self, x, labels):
        size = x.size(0)
        distmat = (
            torch.pow(x, 2).sum(dim=1, keepdim=True).expand(size, self.num_classes)
            + torch.pow(self.centers, 2).sum(dim=1, keepdim=True).expand(self.num_classes, size).t()
        )
        distmat.addmm_(1, -2, x, self.centers.t())
        classes = torch.arange(self.num_classes).long()
        mask = (
            labels.unsqueeze(1)
            .expand(size, self.num_classes)
            .eq(classes.expand(size, self.num_classes))
        )
        return (distmat * mask.float()).clamp(min=1e-12, max=1e12).sum() / size


images, labels = digits()
features = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.Tanh(), nn.Linear(32, 2))
classifier = nn.Linear(2, 10)
center = CenterLoss(10, 2)
for number, model in enumerate((features, classifier, center)):
    start(model, seed=number)
optimizer = MyAdam([*features.parameters(), *classifier.parameters()], lr=0.005, weight_decay=1e-3)
losses = []
for step in range(STEPS):
    x, y = images[step * BATCH : (step + 1) * BATCH], labels[step * BATCH : (step + 1) * BATCH]
    found = features(x)
    loss = nn.functional.cross_entropy(classifier(found), y) + 0.1 * center(found, y)
    optimizer.zero_grad()
    center.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        for p in center.parameters():
            p.add_(p.grad, alpha=-0.5)
    losses.append(loss.item())
