"""Gradients of several small batches for one step, clipped by norm and by value."""

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

from shared import BATCH, digits, start

accumulation_steps = 3
model = start(
    nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2),
        nn.GroupNorm(2, 8),
        nn.ReLU6(),
        nn.Conv2d(8, 8, 3, stride=2),
        nn.GroupNorm(4, 8),
        nn.Hardswish(),
        nn.Flatten(),
        nn.Linear(288, 10),
    )
)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, eps=1e-6)
criterion = nn.CrossEntropyLoss(reduction="sum")
losses = []
optimizer.zero_grad()
for i, (inputs, labels) in enumerate(DataLoader(TensorDataset(*digits()), batch_size=BATCH)):
    loss = criterion(model(inputs), labels) / (BATCH * accumulation_steps)
    loss.backward()
    losses.append(loss.item())
    if (i + 1) % accumulation_steps == 0:
        total_norm = torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0, norm_type=2)
        torch.nn.utils.clip_grad_value_(model.parameters(), 0.1)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(total_norm))
