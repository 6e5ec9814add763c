"""An Inception block: branches side by side, local response norm, an auxiliary classifier."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from shared import BATCH, STEPS, digits, start


class BasicConv2d(nn.Module):
    def __init__(self, in_channels, out_channels, **kwargs):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.branch1 = BasicConv2d(in_channels, 4, kernel_size=1)
        self.branch2 = nn.Sequential(
            BasicConv2d(in_channels, 4, kernel_size=1), BasicConv2d(4, 6, kernel_size=3, padding=1)
        )
        self.branch3 = nn.Sequential(
            BasicConv2d(in_channels, 2, kernel_size=1),
            BasicConv2d(2, 4, kernel_size=(1, 5), padding=(0, 2)),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            BasicConv2d(in_channels, 2, kernel_size=1),
        )

    def forward(self, x):
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2), nn.ReLU(True), nn.LocalResponseNorm(5)
        )
        self.block, self.block2 = Inception(8), Inception(16)
        self.aux, self.fc = nn.Linear(16, 10), nn.Linear(16, 10)

    def forward(self, x):
        x = self.block(self.stem(x))
        aux = self.aux(F.adaptive_avg_pool2d(x, 1).flatten(1)) if self.training else None
        x = self.block2(F.max_pool2d(x, 3, stride=2))
        x = F.avg_pool2d(x, kernel_size=x.size()[2:])
        return self.fc(x.reshape(x.shape[0], -1)), aux


images, labels = digits()
net, criterion = start(Net()), nn.CrossEntropyLoss()
optimizer = torch.optim.RMSprop(net.parameters(), lr=1e-3, momentum=0.9, eps=1.0)
losses = []
for i in range(STEPS):
    x, y = images[i * BATCH : (i + 1) * BATCH], labels[i * BATCH : (i + 1) * BATCH]
    out, aux = net(x)
    loss = criterion(out, y) + 0.4 * criterion(aux, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
net.eval()
losses.append(net(images[:4])[0].logsumexp(1).sum().item())
