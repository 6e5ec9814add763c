"""Squeeze-and-excitation in a pre-activation residual block, wrapped in DataParallel."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from shared import BATCH, STEPS, digits, start


class SEBlock(nn.Module):
    def __init__(self, channel, reduction=4):
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channel, channel // reduction, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(channel // reduction, channel, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x):
        b, c, _, _ = x.size()
        y = self.avg_pool(x).view(b, c)
        y = self.fc(y).view(b, c, 1, 1)
        return x * y.expand_as(x)


class PreActBlock(nn.Module):
    def __init__(self, planes):
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm2d(planes), nn.BatchNorm2d(planes)
        self.conv1 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.se = SEBlock(planes)

    def forward(self, x):
        out = self.conv1(F.relu(self.bn1(x)))
        out = self.conv2(F.relu(self.bn2(out)))
        return self.se(out) + x


images, labels = digits()
net = nn.DataParallel(
    start(
        nn.Sequential(
            nn.Conv2d(1, 8, 3, 2),
            PreActBlock(8),
            nn.MaxPool2d(2),
            PreActBlock(8),
            nn.AdaptiveMaxPool2d(2),
            nn.Flatten(),
            nn.Linear(32, 10),
        ),
        seed=2,
    )
)
criterion, optimizer, losses = (
    nn.CrossEntropyLoss(),
    torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9),
    [],
)
for i in range(STEPS):
    optimizer.zero_grad()
    loss = criterion(net(images[i * BATCH : (i + 1) * BATCH]), labels[i * BATCH : (i + 1) * BATCH])
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
assert all(key.startswith("module.") for key in net.state_dict())
torch.save(net.module.state_dict(), "se.pt")
