"""A learning rate finder, and then OneCycleLR with the rate that it found."""

import copy

import numpy as np
import torch
import torch.nn as nn

from shared import BATCH, STEPS, digits, start

images, labels = digits()
model = start(nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.SELU(), nn.Linear(32, 10)))
criterion, losses = nn.CrossEntropyLoss(), []
initial = copy.deepcopy(model.state_dict())


def batch(i):
    return images[i * BATCH : (i + 1) * BATCH], labels[i * BATCH : (i + 1) * BATCH]


def find_lr(init_value=1e-4, final_value=1.0, beta=0.9):
    optimizer = torch.optim.SGD(model.parameters(), lr=init_value)
    mult = (final_value / init_value) ** (1 / STEPS)
    avg_loss, best, log_lrs, smooth = 0.0, 0.0, [], []
    for i in range(STEPS):
        optimizer.zero_grad()
        inputs, targets = batch(i)
        loss = criterion(model(inputs), targets)
        avg_loss = beta * avg_loss + (1 - beta) * loss.item()
        smoothed = avg_loss / (1 - beta ** (i + 1))
        if i > 1 and smoothed > 4 * best:
            break
        best = smoothed if i == 0 else min(best, smoothed)
        smooth.append(smoothed)
        log_lrs.append(np.log10(optimizer.param_groups[0]["lr"]))
        loss.backward()
        optimizer.step()
        optimizer.param_groups[0]["lr"] *= mult
    losses.extend(smooth)
    return 10 ** log_lrs[int(np.argmin(np.gradient(smooth)))]


lr = find_lr()
model.load_state_dict(initial)
optimizer = torch.optim.AdamW(model.parameters(), lr=lr / 10)
scheduler = torch.optim.lr_scheduler.OneCycleLR(
    optimizer, max_lr=0.01, total_steps=STEPS, pct_start=0.3
)
for i in range(STEPS):
    inputs, targets = batch(i)
    loss = criterion(model(inputs), targets)
    model.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    losses += [loss.item(), scheduler.get_last_lr()[0]]
