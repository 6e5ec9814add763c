"""A checkpoint of everything, and a second half that goes on from it."""

import os

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import optim

from shared import BATCH, STEPS, digits, start

losses = []
images, labels = digits()


class Net(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, width, kernel_size=3, stride=2, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        self.classifier = nn.Linear(width * 49, 10)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


def make():
    net = start(Net())
    optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    scheduler = optim.lr_scheduler.MultiStepLR(optimizer, milestones=[10, 20], gamma=0.1)
    return net, optimizer, scheduler


def train(net, optimizer, scheduler, first, last):
    net.train()
    for step in range(first, last):
        batch = slice(step * BATCH, (step + 1) * BATCH)
        loss = F.cross_entropy(net(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())


net, optimizer, scheduler = make()
train(net, optimizer, scheduler, 0, STEPS // 2)
os.makedirs("checkpoint", exist_ok=True)
state = {
    "net": net.state_dict(),
    "optimizer": optimizer.state_dict(),
    "scheduler": scheduler.state_dict(),
    "epoch": STEPS // 2,
    "acc": 91.5,
    "arch": "Net",
    "best": min(losses),
}
torch.save(state, "./checkpoint/ckpt.pth")
checkpoint = torch.load("./checkpoint/ckpt.pth", map_location="cpu")
net, optimizer, scheduler = make()
net.load_state_dict(checkpoint["net"])
optimizer.load_state_dict(checkpoint["optimizer"])
scheduler.load_state_dict(checkpoint["scheduler"])
assert checkpoint["acc"] == 91.5 and checkpoint["arch"] == "Net"
train(net, optimizer, scheduler, checkpoint["epoch"], STEPS)
losses.append(optimizer.param_groups[0]["lr"])
