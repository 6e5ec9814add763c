"""Hooks: activations gathered, gradients watched and scaled, a map of what a class looks at."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from shared import BATCH, STEPS, digits, start

images, labels = digits()
model = start(
    nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(4),
        nn.Conv2d(6, 12, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(12, 10),
    ),
    seed=1,
)
activation, gradients = {}, {}


def get_activation(name):
    def hook(model, input, output):
        activation[name] = output.detach()

    return hook


handle = model[3].register_forward_hook(get_activation("conv2"))
model[3].register_full_backward_hook(
    lambda module, gin, gout: gradients.__setitem__("conv2", gout[0])
)
model[7].weight.register_hook(lambda grad: grad * 0.5)
optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.5)
losses = []
for i in range(STEPS):
    output = model(images[i * BATCH : (i + 1) * BATCH])
    loss = F.cross_entropy(output, labels[i * BATCH : (i + 1) * BATCH])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    weights = gradients["conv2"].mean(dim=(2, 3), keepdim=True)
    cam = F.relu((weights * activation["conv2"]).sum(dim=1))
    losses += [loss.item(), cam.sum().item(), model[7].weight.grad.norm().item()]
handle.remove()
