"""Layers of one's own: parameters, buffers, init by hand, an RBF output, a maxout, a gate."""

import math

import torch
import torch.nn as nn
from torch.nn import Parameter, init

from shared import BATCH, STEPS, digits, start


class MyLinear(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(torch.Tensor(out_features, in_features))
        self.bias = nn.Parameter(torch.zeros(out_features))
        self.register_parameter("unused", None)
        self.reset_parameters()

    def reset_parameters(self):
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        stdv = 1.0 / math.sqrt(self.weight.size(1))
        self.bias.data.uniform_(-stdv, stdv)

    def forward(self, input):
        return torch.matmul(input, self.weight.t()) + self.bias

    def extra_repr(self):
        return "in_features={}, out_features={}".format(self.in_features, self.out_features)


class Maxout(nn.Module):
    def __init__(self, in_features, out_features, pieces):
        super().__init__()
        self.pieces = nn.ModuleList([MyLinear(in_features, out_features) for _ in range(pieces)])

    def forward(self, x):
        return torch.stack([piece(x) for piece in self.pieces], dim=0).max(dim=0)[0]


class Standardize(nn.Module):
    def __init__(self, features, momentum=0.1):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("running", torch.zeros(features))
        self.gain = nn.Parameter(torch.ones(features))

    def forward(self, x):
        if self.training:
            mean = x.mean(0)
            self.running.mul_(1 - self.momentum).add_(self.momentum * mean.detach())
        else:
            mean = self.running
        return self.gain * (x - mean) / (x.std(0, unbiased=False) + 1e-2)


class RBF(nn.Module):
    def __init__(self, features, classes):
        super().__init__()
        self.centres = nn.Parameter(torch.randn(classes, features))
        self.sigma = nn.Parameter(torch.full((classes,), 2.0), requires_grad=False)

    def forward(self, x):
        size = (x.size(0), self.centres.size(0), x.size(1))
        x, c = x.unsqueeze(1).expand(size), self.centres.unsqueeze(0).expand(size)
        return -(x - c).pow(2).sum(-1) / self.sigma.unsqueeze(0)


net = start(
    nn.Sequential(nn.Flatten(1), Maxout(784, 24, 3), Standardize(24), nn.Tanh(), RBF(24, 10))
)
print(net)
assert [n for n, _ in net.named_buffers()] == ["2.running"]
images, labels = digits()
optimizer = torch.optim.Adam(filter(lambda p: p.requires_grad, net.parameters()), lr=5e-3)
losses = []
for i in range(STEPS):
    loss = nn.functional.cross_entropy(
        net(images[i * BATCH : (i + 1) * BATCH]), labels[i * BATCH : (i + 1) * BATCH]
    )
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
net.eval()
losses.append(net(images[:4]).sum().item())
