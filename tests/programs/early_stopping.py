"""Early stopping on a validation set, with the best weights kept by deepcopy."""

import copy

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Subset, TensorDataset

from shared import BATCH, STEPS, digits, start


class EarlyStopping:
    def __init__(self, patience=2, delta=0.0, path="checkpoint.pt"):
        self.patience, self.delta, self.path = patience, delta, path
        self.counter, self.best_score, self.early_stop = 0, None, False
        self.val_loss_min = np.inf

    def __call__(self, val_loss, model):
        score = -val_loss
        if self.best_score is None or score > self.best_score + self.delta:
            self.best_score = score
            torch.save(model.state_dict(), self.path)
            self.val_loss_min, self.counter = val_loss, 0
        else:
            self.counter += 1
            self.early_stop = self.counter >= self.patience


dataset = TensorDataset(*digits(BATCH * 20))
indices = list(range(len(dataset)))
split = BATCH * 15
train_loader = DataLoader(Subset(dataset, indices[:split]), batch_size=BATCH, shuffle=True)
valid_loader = DataLoader(Subset(dataset, indices[split:]), batch_size=BATCH)
model = start(
    nn.Sequential(nn.Flatten(), nn.Linear(784, 40), nn.Tanh(), nn.Dropout(0.2), nn.Linear(40, 10))
)
criterion, optimizer = nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), lr=0.01)
stopping, losses, best = EarlyStopping(), [], None
for epoch in range(10):
    model.train()
    for data, target in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(data), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        valid = np.average([criterion(model(d), t).item() for d, t in valid_loader])
    losses.append(valid)
    stopping(valid, model)
    if stopping.counter == 0:
        best = copy.deepcopy(model.state_dict())
    if stopping.early_stop or len(losses) >= STEPS:
        print("Early stopping")
        break
model.load_state_dict(torch.load("checkpoint.pt"))
assert all(torch.equal(best[k], v) for k, v in model.state_dict().items())
