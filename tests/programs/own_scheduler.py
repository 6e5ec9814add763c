"""Schedulers that subclass PyTorch's: a warm-up before another schedule, polynomial decay."""

import torch
import torch.nn as nn
from torch.optim.lr_scheduler import CosineAnnealingLR, _LRScheduler

from shared import BATCH, STEPS, digits, start


class WarmUpLR(_LRScheduler):
    def __init__(self, optimizer, total_iters, last_epoch=-1):
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [base_lr * self.last_epoch / (self.total_iters + 1e-8) for base_lr in self.base_lrs]


class PolyLR(torch.optim.lr_scheduler.LRScheduler):
    def __init__(self, optimizer, max_iters, power=0.9, last_epoch=-1, min_lr=1e-6):
        self.power, self.max_iters, self.min_lr = power, max_iters, min_lr
        super(PolyLR, self).__init__(optimizer, last_epoch)

    def get_lr(self):
        return [
            max(base_lr * (1 - self.last_epoch / self.max_iters) ** self.power, self.min_lr)
            for base_lr in self.base_lrs
        ]


losses = []
images, labels = digits()
net = start(nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.SiLU(), nn.Linear(32, 10)))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
warmup, train = WarmUpLR(optimizer, 10), None
for step in range(STEPS):
    loss = nn.functional.cross_entropy(
        net(images[step * BATCH : (step + 1) * BATCH]), labels[step * BATCH : (step + 1) * BATCH]
    )
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step < 10:
        warmup.step()
    elif step < 20:
        train = train or CosineAnnealingLR(optimizer, T_max=10)
        train.step()
    else:
        if step == 20:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] = 0.02
            train = PolyLR(optimizer, 10)
        train.step()
    losses += [
        loss.item(),
        optimizer.param_groups[0]["lr"],
        optimizer.state_dict()["param_groups"][0]["lr"],
    ]
