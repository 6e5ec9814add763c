"""Unbalanced classes: a WeightedRandomSampler, class weights in the loss, a confusion matrix."""

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import ConcatDataset, DataLoader, Subset, TensorDataset, WeightedRandomSampler

from shared import BATCH, STEPS, digits, start

images, labels = digits(400)
keep = np.where((labels.numpy() < 5) | (np.arange(400) % 4 == 0))[0]
dataset = Subset(TensorDataset(images, labels), keep.tolist())
targets = torch.tensor([int(dataset[i][1]) for i in range(len(dataset))])
class_count = torch.bincount(targets, minlength=10)
weights = 1.0 / class_count.float()
samples_weight = weights[targets]
sampler = WeightedRandomSampler(samples_weight, BATCH * STEPS, replacement=True)
loader = DataLoader(
    ConcatDataset([dataset, dataset]),
    batch_size=BATCH,
    sampler=WeightedRandomSampler(torch.cat([samples_weight, samples_weight]), BATCH * STEPS),
)
model = start(nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10)))
criterion = nn.CrossEntropyLoss(weight=weights / weights.sum() * 10)
optimizer = torch.optim.Adamax(model.parameters(), lr=0.01)
losses = []
confusion = torch.zeros(10, 10, dtype=torch.int64)
for x, y in loader:
    out = model(x)
    loss = criterion(out, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    for t, p in zip(y.view(-1), out.argmax(1).view(-1)):
        confusion[t.long(), p.long()] += 1
per_class = confusion.diag().float() / confusion.sum(1).clamp(min=1)
losses += per_class.tolist() + [float(len(list(sampler)))]
