"""Two heads on one trunk: the digit, and whether it is even; losses weighted by learnt variances."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from shared import BATCH, STEPS, digits, start


class MultiTask(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2, padding=1),
            nn.InstanceNorm2d(8, affine=True),
            nn.LeakyReLU(),
            nn.Conv2d(8, 8, 3, stride=2, padding=1),
            nn.LeakyReLU(),
            nn.Flatten(),
        )
        self.heads = nn.ModuleDict(
            {"digit": nn.Linear(392, 10), "even": nn.Linear(392, 1), "ink": nn.Linear(392, 1)}
        )
        self.log_vars = nn.ParameterList([nn.Parameter(torch.zeros(1)) for _ in range(3)])

    def forward(self, x):
        h = self.trunk(x)
        return {name: head(h) for name, head in self.heads.items()}


images, labels = digits()
net = start(MultiTask())
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
losses = []
for i in range(STEPS):
    x, y = images[i * BATCH : (i + 1) * BATCH], labels[i * BATCH : (i + 1) * BATCH]
    out = net(x)
    parts = [
        F.cross_entropy(out["digit"], y),
        F.binary_cross_entropy_with_logits(
            out["even"].squeeze(1), (y % 2 == 0).float(), pos_weight=torch.tensor(2.0)
        ),
        F.huber_loss(out["ink"].view(-1), x.mean(dim=(1, 2, 3)) * 5, delta=0.5),
    ]
    loss = sum(torch.exp(-s) * part + s for part, s in zip(parts, net.log_vars)).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses += [part.item() for part in parts]
