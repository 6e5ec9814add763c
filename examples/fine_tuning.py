"""Fine-tuning: a network that learnt one task learns another, of which there are few images.

    python examples/fine_tuning.py

It learns the digits 0 to 6 from many images. Some layers are then frozen, the others are made anew
and learn 7 to 9 from a few images of each; at last all layers go on at a small rate. Which to keep?
Early layers see strokes, of which all digits are made; late ones what tells 0 to 6 apart.
"""

from __future__ import annotations

import argparse

import npnet
from npnet import datasets, models, nn, optim
from npnet.nn import functional as F


def digits(data, low: int, high: int, of_each: int, split: str = "train"):
    """Images 32x32 of the classes from `low` up to `high`, and labels from 0."""
    x, y = getattr(data, f"x_{split}"), getattr(data, f"y_{split}")
    chosen = [i for k in range(low, high) for i in (y == k).nonzero()[0][:of_each]]
    x = F.interpolate(npnet.from_numpy(x[chosen]).float() / 255 - 0.3, size=(32, 32))
    return x, npnet.from_numpy(y[chosen] - low)


def learn(model: nn.Module, data, steps: int, rate: float) -> None:
    x, y = data
    free = [p for p in model.parameters() if p.requires_grad]
    optimizer = optim.Adam(free, lr=rate)
    for _ in range(steps):
        batch = npnet.randperm(len(x))[:32]
        loss = F.cross_entropy(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def accuracy(model: nn.Module, data) -> float:
    x, y = data
    model.eval()
    with npnet.no_grad():
        share = 100 * (model(x).argmax(1) == y).float().mean().item()
    model.train()
    return share


def main(few: int, steps: int) -> None:
    data = datasets.load("digits")
    new, test = digits(data, 7, 10, few), digits(data, 7, 10, 1000, "test")
    npnet.manual_seed(0)
    alone = models.LeNet(num_classes=3)
    learn(alone, new, steps, 1e-3)
    print(f"7 to 9, {few} images of each, random weights: {accuracy(alone, test):.1f} %")

    known, old = models.LeNet(num_classes=7), digits(data, 0, 7, 1000, "test")
    learn(known, digits(data, 0, 7, 1000), 2 * steps, 1e-3)
    print(f"0 to 6, all their images: {accuracy(known, old):.1f} %")

    for anew in (("fc2",), ("fc1", "fc2"), ("conv3", "fc1", "fc2")):
        model = models.LeNet(num_classes=3)
        kept = {k: v for k, v in known.state_dict().items() if not k.startswith(anew)}
        model.load_state_dict(kept, strict=False)  # what lacks stays as it was drawn
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.startswith(anew))
        learn(model, new, steps, 3e-3)
        assert all((model.state_dict()[name] == value).all() for name, value in kept.items())
        first = accuracy(model, test)
        model.requires_grad_(True)
        learn(model, new, steps, 3e-4)
        then = accuracy(model, test)
        print(f"7 to 9, anew {', '.join(anew)}: {first:.1f} %, then all layers: {then:.1f} %")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--few", type=int, default=5, help="images of each new class")
    parser.add_argument("--steps", type=int, default=100, help="of each stage; twice for 0 to 6")
    args = parser.parse_args()
    main(args.few, args.steps)
