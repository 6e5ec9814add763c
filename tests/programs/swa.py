"""Stochastic weight averaging by swa_utils, with batch norm brought up to date."""

import torch
import torch.nn as nn
from torch.optim.swa_utils import SWALR, AveragedModel, update_bn
from torch.utils.data import DataLoader, TensorDataset

from shared import BATCH, STEPS, digits, start

loader = DataLoader(TensorDataset(*digits()), batch_size=BATCH)
model = start(
    nn.Sequential(
        nn.Conv2d(1, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 169, 10)
    ),
    seed=1,
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
swa_model = AveragedModel(model)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
swa_scheduler = SWALR(optimizer, swa_lr=0.02, anneal_epochs=3)
losses = []
for step, (input, target) in enumerate(loader):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(input), target)
    loss.backward()
    optimizer.step()
    if step > STEPS // 2:
        swa_model.update_parameters(model)
        swa_scheduler.step()
    else:
        scheduler.step()
    losses += [loss.item(), optimizer.param_groups[0]["lr"]]
update_bn(loader, swa_model)
swa_model.eval()
with torch.no_grad():
    losses.append(sum(nn.functional.cross_entropy(swa_model(x), y).item() for x, y in loader))
