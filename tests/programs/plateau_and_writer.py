"""ReduceLROnPlateau on a validation loss; a SummaryWriter keeps the curves."""

import torch
import torch.nn as nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.tensorboard import SummaryWriter

from shared import BATCH, STEPS, digits, start

writer = SummaryWriter("runs/plateau")
dataset = TensorDataset(*digits(BATCH * 6))
model = start(nn.Sequential(nn.Flatten(), nn.Linear(784, 20), nn.CELU(), nn.Linear(20, 10)))
optimizer = torch.optim.RAdam(model.parameters(), lr=0.02)
scheduler = ReduceLROnPlateau(optimizer, mode="min", factor=0.5, patience=0, threshold=0.2)
losses, n_iter = [], 0
for epoch in range(STEPS // 6):
    running = 0.0
    for x, y in DataLoader(dataset, batch_size=BATCH, shuffle=True):
        loss = nn.functional.multi_margin_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running += loss.item()
        losses.append(loss.item())
        writer.add_scalar("Loss/train", loss, n_iter)
        n_iter += 1
    scheduler.step(running / 6)
    writer.add_scalar("lr", optimizer.param_groups[0]["lr"], epoch)
    losses.append(optimizer.param_groups[0]["lr"])
    for name, param in model.named_parameters():
        writer.add_histogram(name, param, epoch)
writer.add_image("digit", dataset[0][0], 0)
writer.close()
