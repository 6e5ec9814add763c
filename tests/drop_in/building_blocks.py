"""Ways to put networks together, and to look into them."""

from collections import OrderedDict

import torch
from torch import nn, optim


class Tower(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in zip(widths[:-1], widths[1:])])
        self.norms = nn.ModuleList(nn.LayerNorm(b) for b in widths[1:-1])
        self.heads = nn.ModuleDict(
            {"digit": nn.Linear(widths[-1], 10), "odd": nn.Linear(widths[-1], 1)}
        )
        self.scale = nn.Parameter(torch.ones(1))
        self.register_buffer("offset", torch.full((1,), 0.5))

    def forward(self, x):
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i < len(self.norms):
                x = torch.nn.functional.gelu(self.norms[i](x))
        x = x * self.scale - self.offset
        return {name: head(x) for name, head in self.heads.items()}


def main(images, labels, start, folder):
    body = nn.Sequential(
        OrderedDict(
            [
                ("conv", nn.Conv2d(1, 4, 3, stride=2, padding=1)),
                ("act", nn.LeakyReLU(0.2)),
                ("pool", nn.AvgPool2d(2)),
                ("flat", nn.Flatten()),
            ]
        )
    )
    model = nn.Sequential(body, Tower([196, 32, 16]))
    start(model)

    activations = {}

    def get_activation(name):
        def hook(model, input, output):
            activations[name] = output.detach()

        return hook

    handles = [m.register_forward_hook(get_activation(n)) for n, m in body.named_children()]
    x = torch.as_tensor(images)
    digit, odd = torch.as_tensor(labels), (torch.as_tensor(labels) % 2).float().unsqueeze(1)
    bce = nn.BCEWithLogitsLoss()

    for p in body.parameters():  # transfer learning: the body is frozen at first
        p.requires_grad = False
    optimizer = optim.AdamW(filter(lambda p: p.requires_grad, model.parameters()), lr=1e-2)
    losses = []
    for epoch in range(3):
        if epoch == 1:
            for p in body.parameters():
                p.requires_grad_(True)
            optimizer.add_param_group({"params": body.parameters(), "lr": 1e-3})
        out = model(x)
        loss = nn.CrossEntropyLoss()(out["digit"], digit) + 0.5 * bce(out["odd"], odd)
        l2 = sum(p.pow(2.0).sum() for p in model.parameters())
        loss = loss + 1e-4 * l2
        optimizer.zero_grad()
        loss.backward()
        norm = torch.norm(torch.stack([p.grad.norm(2) for p in model[1].parameters()]), 2)
        nn.utils.clip_grad_value_(model.parameters(), 0.1)
        optimizer.step()
        losses.append((loss.item(), norm.item()))
    for handle in handles:
        handle.remove()
    assert model[0] is body and body[-1] is body.flat
    picked = torch.where(torch.sigmoid(out["odd"]) > 0.5, 1, 0).squeeze(1)
    return {
        "losses": losses,
        "shapes": {name: tuple(a.shape) for name, a in activations.items()},
        "mean": activations["act"].mean(dim=(0, 2, 3)).tolist(),
        "repr": repr(model),
        "names": [(name, tuple(p.shape)) for name, p in model.named_parameters()],
        "buffers": [name for name, _ in model.named_buffers()],
        "odd": picked.tolist(),
        "one_hot": nn.functional.one_hot(digit[:5], num_classes=10).tolist(),
    }
