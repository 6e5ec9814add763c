"""Transfer: a network learns one task, is saved, and its features are frozen for another."""

import torch
import torch.nn as nn
from torch import optim

from shared import BATCH, STEPS, digits, start

losses = []
images, labels = digits()


class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 5, 2),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 16, 5, 2),
            nn.BatchNorm2d(16),
            nn.ReLU(),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((2, 2))
        self.fc = nn.Linear(64, num_classes)

    def forward(self, x):
        x = self.avgpool(self.features(x))
        return self.fc(torch.flatten(x, 1))


def fit(net, optimizer, targets, steps):
    criterion = nn.CrossEntropyLoss()
    for i in range(steps):
        optimizer.zero_grad()
        loss = criterion(
            net(images[i * BATCH : (i + 1) * BATCH]), targets[i * BATCH : (i + 1) * BATCH]
        )
        loss.backward()
        optimizer.step()
        losses.append(loss.item())


net = start(Net(10))
fit(net, optim.SGD(net.parameters(), lr=0.05, momentum=0.9), labels, STEPS // 2)
torch.save({"state_dict": net.state_dict()}, "pretrained.pth")

model = start(Net(2), seed=1)
pretrained_dict = torch.load("pretrained.pth")["state_dict"]
model_dict = model.state_dict()
pretrained_dict = {
    k: v for k, v in pretrained_dict.items() if k in model_dict and v.size() == model_dict[k].size()
}
model_dict.update(pretrained_dict)
model.load_state_dict(model_dict)
missing = model.load_state_dict(
    {k: v for k, v in pretrained_dict.items() if "fc" not in k}, strict=False
)
print(missing)
for name, param in model.named_parameters():
    if "fc" not in name:
        param.requires_grad = False
for module in model.modules():
    if isinstance(module, nn.BatchNorm2d):
        module.eval()
print(sum(p.numel() for p in model.parameters() if p.requires_grad), "trained")
before = model.features[0].weight.clone()
fit(model, optim.Adam(model.fc.parameters(), lr=0.01), labels % 2, STEPS // 2)
assert torch.equal(before, model.features[0].weight) and model.features[0].weight.grad is None
