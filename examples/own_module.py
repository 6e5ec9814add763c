"""A module of one's own: a forward pass as one likes, a buffer, a hook; trained by the trainer.

    python examples/own_module.py
    npnet train --model examples/own_module.py:Net --model_args width=16 --dataset digits

`Net` looks at an image in two ways: by filters that it learns, and by fixed ones that find edges.
The fixed ones are a buffer: saved with the weights, and touched by no optimizer.
"""

from __future__ import annotations

import argparse

import npnet
from npnet import datasets, nn
from npnet.nn import functional as F
from npnet.training import Trainer

SOBEL = [[[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]], [[[-1, -2, -1], [0, 0, 0], [1, 2, 1]]]]


class Net(nn.Module):
    """The trainer gives in_channels and num_classes; `width` is --model_args width=16."""

    def __init__(self, in_channels: int = 1, num_classes: int = 10, width: int = 8) -> None:
        super().__init__()
        sobel = npnet.tensor(SOBEL, dtype=npnet.float32) / 8
        self.register_buffer("edges", sobel.expand(2, in_channels, 3, 3).clone())
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1)
        self.mix = nn.Conv2d(2, width, 1)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.fc = nn.Linear(2 * width * 4 * 4, num_classes)

    def forward(self, x: npnet.Tensor) -> npnet.Tensor:
        seen = F.conv2d(x, self.edges, padding=1)
        x = F.relu(self.conv1(x) + self.mix(seen))
        x = F.relu(self.conv2(F.max_pool2d(x, 2)))
        return self.fc(F.adaptive_avg_pool2d(x, 4).flatten(1))


def main(images: int, epochs: int) -> None:
    data = datasets.load("digits")
    npnet.manual_seed(0)
    net = Net()
    before = net.edges.clone()
    trainer = Trainer(
        net,
        train=(data.x_train[:images], data.y_train[:images]),
        test=(data.x_test, data.y_test),
        epochs=epochs,
        optimizer="adam",
        learning_rate=5e-3,
        verbose=False,
    )
    history = trainer.fit()
    print(history)
    print("in state_dict:", ", ".join(net.state_dict()))
    assert "edges" in net.state_dict()
    assert (net.edges == before).all()
    print("the buffer is in state_dict, and training left it as it was")

    shares: list[float] = []
    handle = net.conv2.register_forward_hook(
        lambda module, inputs, output: shares.append((output > 0).float().mean().item())
    )
    trainer.predict(data.x_test[:16])
    handle.remove()
    trainer.predict(data.x_test[:16])  # the hook is gone
    assert len(shares) == 1
    print(f"the hook saw one batch: {100 * shares[0]:.0f} % of conv2's outputs are above 0")
    print(f"test accuracy {history.test_accuracy:.1f} %")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=1498, help="to learn and validate with")
    parser.add_argument("--epochs", type=int, default=8)
    args = parser.parse_args()
    main(args.images, args.epochs)
