"""L-BFGS, whose step takes a closure; double precision by set_default_dtype's place, .double()."""

import torch
import torch.nn as nn

from shared import BATCH, STEPS, digits, start

images, labels = digits(BATCH * 4)
x, y = images.double().flatten(1), labels
model = start(nn.Sequential(nn.Linear(784, 12), nn.Tanh(), nn.Linear(12, 10)), seed=8).double()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=5, history_size=5)
losses = []
for i in range(STEPS):

    def closure():
        optimizer.zero_grad()
        out = model(x)
        loss = criterion(out, y) + 1e-3 * sum((p**2).sum() for p in model.parameters())
        loss.backward()
        return loss

    loss = optimizer.step(closure)
    losses.append(loss.item())
assert loss.dtype == torch.float64
