"""Embeddings by a triplet loss, normalized; the anchors' neighbours are mined by classes."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from shared import BATCH, STEPS, digits, start

images, labels = digits(400)
by_class = {c: np.where(labels.numpy() == c)[0] for c in range(10)}
rng = np.random.RandomState(0)


class EmbeddingNet(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.convnet = nn.Sequential(
            nn.Conv2d(1, 8, 5),
            nn.PReLU(),
            nn.MaxPool2d(2, stride=2),
            nn.Conv2d(8, 8, 5),
            nn.PReLU(),
            nn.MaxPool2d(2, stride=2),
        )
        self.fc = nn.Linear(8 * 4 * 4, dim)

    def forward(self, x):
        output = self.convnet(x)
        output = output.view(output.size()[0], -1)
        return F.normalize(self.fc(output), p=2, dim=1)


def triplets(n):
    anchor_class = rng.randint(0, 10, n)
    other = (anchor_class + rng.randint(1, 10, n)) % 10
    pick = lambda classes: [int(rng.choice(by_class[c])) for c in classes]
    return images[pick(anchor_class)], images[pick(anchor_class)], images[pick(other)]


model = start(EmbeddingNet(), seed=1)
criterion = nn.TripletMarginLoss(margin=1.0, p=2)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
losses = []
for _ in range(STEPS):
    a, p, n = (model(x) for x in triplets(BATCH))
    loss = criterion(a, p, n)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    losses.append(F.cosine_similarity(a, p).mean().item())
