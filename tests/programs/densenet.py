"""A DenseNet block: concatenated features, a transition, OrderedDict and add_module."""

from collections import OrderedDict

import torch
import torch.nn as nn
import torch.nn.functional as F

from shared import BATCH, STEPS, digits, start


class _DenseLayer(nn.Sequential):
    def __init__(self, num_input_features, growth_rate, bn_size, drop_rate):
        super(_DenseLayer, self).__init__()
        (self.add_module("norm1", nn.BatchNorm2d(num_input_features)),)
        (self.add_module("relu1", nn.ReLU(inplace=True)),)
        (
            self.add_module(
                "conv1",
                nn.Conv2d(
                    num_input_features, bn_size * growth_rate, kernel_size=1, stride=1, bias=False
                ),
            ),
        )
        (self.add_module("norm2", nn.BatchNorm2d(bn_size * growth_rate)),)
        (self.add_module("relu2", nn.ReLU(inplace=True)),)
        (
            self.add_module(
                "conv2",
                nn.Conv2d(
                    bn_size * growth_rate,
                    growth_rate,
                    kernel_size=3,
                    stride=1,
                    padding=1,
                    bias=False,
                ),
            ),
        )
        self.drop_rate = drop_rate

    def forward(self, x):
        new_features = super(_DenseLayer, self).forward(x)
        if self.drop_rate > 0:
            new_features = F.dropout(new_features, p=self.drop_rate, training=self.training)
        return torch.cat([x, new_features], 1)


class DenseNet(nn.Module):
    def __init__(self, growth_rate=4, layers=3, num_init_features=8, num_classes=10):
        super(DenseNet, self).__init__()
        self.features = nn.Sequential(
            OrderedDict(
                [
                    (
                        "conv0",
                        nn.Conv2d(
                            1, num_init_features, kernel_size=7, stride=2, padding=3, bias=False
                        ),
                    ),
                    ("norm0", nn.BatchNorm2d(num_init_features)),
                    ("relu0", nn.ReLU(inplace=True)),
                    ("pool0", nn.MaxPool2d(kernel_size=3, stride=2, padding=1)),
                ]
            )
        )
        num_features = num_init_features
        for i in range(layers):
            self.features.add_module(
                "denselayer%d" % (i + 1), _DenseLayer(num_features, growth_rate, 2, 0.1)
            )
            num_features += growth_rate
        self.features.add_module("norm5", nn.BatchNorm2d(num_features))
        self.classifier = nn.Linear(num_features, num_classes)

    def forward(self, x):
        out = F.relu(self.features(x), inplace=True)
        out = F.adaptive_avg_pool2d(out, (1, 1)).view(out.size(0), -1)
        return self.classifier(out)


images, labels = digits()
model = start(DenseNet())
print("Number of parameters:", sum(p.numel() for p in model.parameters()))
optimizer = torch.optim.SGD(
    model.parameters(), lr=0.01, nesterov=True, momentum=0.9, weight_decay=1e-4
)
losses = []
for i in range(STEPS):
    loss = F.cross_entropy(
        model(images[i * BATCH : (i + 1) * BATCH]), labels[i * BATCH : (i + 1) * BATCH]
    )
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
