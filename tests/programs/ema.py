"""An exponential moving average of the weights, shadowed by name, and by deepcopy."""

import copy

import torch
import torch.nn as nn

from shared import BATCH, STEPS, digits, start


class EMA:
    def __init__(self, model, decay):
        self.model, self.decay, self.shadow, self.backup = model, decay, {}, {}

    def register(self):
        for name, param in self.model.named_parameters():
            if param.requires_grad:
                self.shadow[name] = param.data.clone()

    def update(self):
        for name, param in self.model.named_parameters():
            if param.requires_grad:
                new_average = (1.0 - self.decay) * param.data + self.decay * self.shadow[name]
                self.shadow[name] = new_average.clone()

    def apply_shadow(self):
        for name, param in self.model.named_parameters():
            self.backup[name] = param.data
            param.data = self.shadow[name]

    def restore(self):
        for name, param in self.model.named_parameters():
            param.data = self.backup[name]


images, labels = digits()
model = start(
    nn.Sequential(nn.Flatten(), nn.Linear(784, 24), nn.Mish(), nn.LayerNorm(24), nn.Linear(24, 10))
)
mean_teacher = copy.deepcopy(model)
for p in mean_teacher.parameters():
    p.requires_grad_(False)
ema = EMA(model, 0.9)
ema.register()
optimizer = torch.optim.NAdam(model.parameters(), lr=0.005)
losses = []
for i in range(STEPS):
    x, y = images[i * BATCH : (i + 1) * BATCH], labels[i * BATCH : (i + 1) * BATCH]
    consistency = nn.functional.mse_loss(model(x).softmax(-1), mean_teacher(x).softmax(-1))
    loss = nn.functional.cross_entropy(model(x), y) + 0.5 * consistency
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    ema.update()
    with torch.no_grad():
        for slow, fast in zip(mean_teacher.parameters(), model.parameters()):
            slow.data.mul_(0.95).add_(fast.data, alpha=0.05)
    losses.append(loss.item())
ema.apply_shadow()
with torch.no_grad():
    losses.append(nn.functional.cross_entropy(model(images), labels).item())
ema.restore()
