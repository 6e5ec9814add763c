"""Depthwise separable convolutions: an inverted residual of MobileNetV2's kind."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from shared import BATCH, STEPS, digits, start


class InvertedResidual(nn.Module):
    def __init__(self, inp, oup, stride, expand_ratio):
        super(InvertedResidual, self).__init__()
        hidden_dim = int(inp * expand_ratio)
        self.use_res_connect = stride == 1 and inp == oup
        layers = []
        if expand_ratio != 1:
            layers += [
                nn.Conv2d(inp, hidden_dim, 1, bias=False),
                nn.BatchNorm2d(hidden_dim),
                nn.ReLU6(inplace=True),
            ]
        layers.extend(
            [
                nn.Conv2d(hidden_dim, hidden_dim, 3, stride, 1, groups=hidden_dim, bias=False),
                nn.BatchNorm2d(hidden_dim),
                nn.ReLU6(inplace=True),
                nn.Conv2d(hidden_dim, oup, 1, 1, 0, bias=False),
                nn.BatchNorm2d(oup),
            ]
        )
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        if self.use_res_connect:
            return x + self.conv(x)
        return self.conv(x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        cfg = [(1, 8, 1, 1), (2, 12, 1, 2), (2, 12, 1, 1)]
        self.stem = nn.Conv2d(1, 8, kernel_size=3, stride=2, padding=1, bias=False)
        self.layers = nn.Sequential(
            *[InvertedResidual(inp, oup, s, t) for inp, (t, oup, _, s) in zip([8, 8, 12], cfg)]
        )
        self.linear = nn.Linear(12, 10)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, (2.0 / n) ** 0.5)
            elif isinstance(m, nn.BatchNorm2d):
                m.weight.data.fill_(1)
                m.bias.data.zero_()

    def forward(self, x):
        x = self.layers(F.relu6(self.stem(x)))
        return self.linear(x.mean([2, 3]))


images, labels = digits()
net = start(Net(), seed=6)
net = torch.nn.DataParallel(net) if torch.cuda.is_available() else net
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=4e-5)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)
losses = []
for i in range(STEPS):
    optimizer.zero_grad()
    loss = nn.CrossEntropyLoss()(
        net(images[i * BATCH : (i + 1) * BATCH]), labels[i * BATCH : (i + 1) * BATCH]
    )
    loss.backward()
    optimizer.step()
    scheduler.step()
    losses.append(loss.item())
