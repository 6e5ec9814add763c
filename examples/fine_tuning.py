"""Fine-tuning: a network that learnt one task learns another, of which there are few images.

    python examples/fine_tuning.py

It learns which digit an image shows, from many images. Then its layers are frozen, the last one is
made anew, and learns whether a digit is odd, from a few images of each; at last all layers go on at
a small rate. Beside it a network learns that from the same few images and random weights.

It helps as far as the old task knows what the new one asks: learn 0 to 6, and try 7 to 9.
"""

from __future__ import annotations

import argparse

import npnet
from npnet import datasets, models, nn, optim
from npnet.nn import functional as F


def digits(data, of_each: int, split: str = "train"):
    """Images 32x32, so many of each digit, and which they are."""
    x, y = getattr(data, f"x_{split}"), getattr(data, f"y_{split}")
    chosen = [i for k in range(10) for i in (y == k).nonzero()[0][:of_each]]
    x = F.interpolate(npnet.from_numpy(x[chosen]).float() / 255 - 0.3, size=(32, 32))
    return x, npnet.from_numpy(y[chosen])


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
    x, y = digits(data, few)
    x_test, y_test = digits(data, 1000, "test")
    odd, odd_test = (x, y % 2), (x_test, y_test % 2)
    npnet.manual_seed(0)
    alone = models.LeNet(num_classes=2)
    learn(alone, odd, steps, 1e-3)
    print(f"odd? {few} images of each, random weights: {accuracy(alone, odd_test):.1f} %")

    model = models.LeNet(num_classes=10)
    learn(model, digits(data, 1000), 4 * steps, 1e-3)
    print(f"which digit? all images: {accuracy(model, (x_test, y_test)):.1f} %")

    model.requires_grad_(False)
    model.fc2 = nn.Linear(84, 2)  # made anew: it alone learns
    learn(model, odd, steps, 1e-2)
    print(f"odd? {few} images of each, a new last layer: {accuracy(model, odd_test):.1f} %")
    model.requires_grad_(True)
    learn(model, odd, steps, 3e-4)
    print(f"then all layers at a small rate: {accuracy(model, odd_test):.1f} %")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--few", type=int, default=2, help="images of each digit, for the new task")
    parser.add_argument(
        "--steps", type=int, default=100, help="of each stage; four times for the old task"
    )
    args = parser.parse_args()
    main(args.few, args.steps)
