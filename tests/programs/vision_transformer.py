"""A small Vision Transformer of nn.TransformerEncoder; checkpointing, AdamW with warm-up."""

import torch
import torch.nn as nn
from torch.utils.checkpoint import checkpoint

from shared import BATCH, STEPS, digits, start


class ViT(nn.Module):
    def __init__(self, size=28, patch=7, dim=32, depth=2, heads=4, classes=10):
        super().__init__()
        self.patches = nn.Conv2d(1, dim, kernel_size=patch, stride=patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, (size // patch) ** 2 + 1, dim))
        layer = nn.TransformerEncoderLayer(
            d_model=dim,
            nhead=heads,
            dim_feedforward=2 * dim,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.encoder = nn.TransformerEncoder(layer, depth, norm=nn.LayerNorm(dim))
        self.pool = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(x.size(0), -1, -1), x], dim=1) + self.pos_embed
        x = checkpoint(self.encoder, x, use_reentrant=False)
        pooled, weights = self.pool(x[:, :1], x, x)
        assert weights.shape == (x.size(0), 1, x.size(1))
        return self.head(pooled.squeeze(1) + x[:, 0])


images, labels = digits()
model = start(ViT())
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 10))
losses = []
for step in range(STEPS):
    batch = slice(step * BATCH, (step + 1) * BATCH)
    loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    scheduler.step()
    losses.append(loss.item())
