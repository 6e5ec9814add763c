"""A GRU both ways over rows, its last states joined."""

import torch
import torch.nn as nn

from shared import BATCH, STEPS, digits, start


class BiGRU(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(28, 12, num_layers=1, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(24, 10)

    def forward(self, x):
        out, h = self.gru(x.squeeze(1))
        return self.fc(torch.cat((h[-2], h[-1]), dim=1)), out


images, labels = digits()
model = start(BiGRU())
optimizer = torch.optim.RMSprop(model.parameters(), lr=2e-3, alpha=0.9)
losses = []
for i in range(STEPS):
    logits, out = model(images[i * BATCH : (i + 1) * BATCH])
    loss = (
        nn.functional.cross_entropy(logits, labels[i * BATCH : (i + 1) * BATCH])
        + 0.01 * out.pow(2).mean()
    )
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()
    losses.append(loss.item())
