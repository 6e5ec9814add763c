"""A notebook's cells, one after another: everything is global, shapes are looked at."""

# %% [1]
import numpy as np
import torch
from torch import nn, optim

from shared import BATCH, STEPS, digits, start

torch.__version__
# %% [2]
images, labels = digits()
images.shape, labels.dtype
# %% [3]
x, y = images[:5], labels[:5]
print(x.min(), x.max(), x.mean().item(), y.tolist(), y.unique())
# %% [4]
model = nn.Sequential(
    nn.Linear(784, 32),
    nn.ReLU(),
    nn.Linear(32, 16),
    nn.ReLU(),
    nn.Linear(16, 10),
    nn.LogSoftmax(dim=1),
)
start(model)
model
# %% [5]
criterion = nn.NLLLoss()
logps = model(images[:BATCH].view(BATCH, -1))
loss = criterion(logps, labels[:BATCH])
print("Before backward pass:", model[0].weight.grad)
loss.backward()
print("After backward pass:", model[0].weight.grad.norm())
# %% [6]
optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
losses, running_loss = [], 0
for i in range(STEPS):
    batch = slice(i * BATCH, (i + 1) * BATCH)
    img = images[batch].view(images[batch].shape[0], -1)
    optimizer.zero_grad()
    loss = criterion(model(img), labels[batch])
    loss.backward()
    optimizer.step()
    running_loss += loss.item()
    losses += [loss.item()]
else:
    print(f"Training loss: {running_loss / STEPS}")
# %% [7]
with torch.no_grad():
    ps = torch.exp(model(images[0].view(1, 784)))
top_p, top_class = ps.topk(1, dim=1)
equals = top_class == labels[0].view(*top_class.shape)
print(f"Accuracy: {torch.mean(equals.type(torch.FloatTensor)).item() * 100}%", ps.sum())
losses += [float(top_p), ps.numpy().squeeze().max()]
assert np.isfinite(losses).all()
