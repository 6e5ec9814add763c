"""The whole model is saved, and loaded in place of its class."""

import torch
import torch.nn as nn

from shared import BATCH, STEPS, digits, start


class MLP(nn.Module):
    def __init__(self, sizes, activation=nn.LeakyReLU(0.1)):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.activation = activation

    def forward(self, x):
        x = x.reshape(len(x), -1)
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x)


losses = []
images, labels = digits()
net = start(MLP([784, 50, 30, 10]))
criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
for step in range(STEPS):
    if step == STEPS // 2:
        torch.save(net, "model.pkl")
        net = torch.load("model.pkl", weights_only=False)
        net.train()
    if step % (STEPS // 2) == 0:
        optimizer = torch.optim.RMSprop(net.parameters(), lr=1e-3)
    batch = slice(step * BATCH, (step + 1) * BATCH)
    loss = criterion(net(images[batch]), labels[batch])
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
