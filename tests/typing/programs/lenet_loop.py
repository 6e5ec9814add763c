"""A network of one's own and the loop around it, as every tutorial has them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import npnet
import npnet.nn.functional as F
from npnet import Tensor, nn, optim
from npnet.optim.lr_scheduler import StepLR
from npnet.utils.data import DataLoader, TensorDataset

if TYPE_CHECKING:
    from typing_extensions import assert_type

Loader = DataLoader[tuple[Tensor, ...]]


class LeNet(nn.Module):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(400, 84), nn.ReLU(), nn.Linear(84, classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        return self.head(x)


def train(model: LeNet, loader: Loader, optimizer: optim.Optimizer) -> float:
    model.train()
    total = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
    return total


@npnet.no_grad()
def count_correct(model: nn.Module, loader: Loader) -> int:
    model.eval()
    correct = 0
    for images, labels in loader:
        correct += int((model(images).argmax(1) == labels).sum().item())
    return correct


def main(folder: Path) -> None:
    npnet.manual_seed(0)
    data = TensorDataset(npnet.randn(64, 1, 28, 28), npnet.randint(0, 10, (64,)))
    loader = DataLoader(data, batch_size=16, shuffle=True)
    model = LeNet()
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    scheduler = StepLR(optimizer, step_size=1, gamma=0.5)
    for _ in range(2):
        train(model, loader, optimizer)
        scheduler.step()
    with npnet.no_grad():
        logits = model(npnet.zeros(1, 1, 28, 28))
    if TYPE_CHECKING:
        assert_type(logits, Tensor)
        assert_type(criterion(logits, npnet.tensor([1])), Tensor)
        assert_type(F.softmax(logits, dim=1), Tensor)
    shape: tuple[int, ...] = logits.shape
    rate: float = scheduler.get_last_lr()[0]
    parameters: int = sum(p.numel() for p in model.parameters())
    print(shape, count_correct(model, loader), rate, parameters)
    probabilities, classes = logits.softmax(1).topk(3)
    print(probabilities.tolist(), classes.numpy().shape, logits.max(), (logits - 1) * 2 / 3)
    print(-logits, logits @ logits.T, logits[0, :2].mean(), 1 - logits, logits > 0)
    npnet.save(model.state_dict(), folder / "model.safetensors")
    model.load_state_dict(npnet.load(folder / "model.safetensors"))
    for name, p in model.named_parameters():
        if p.grad is not None:
            print(name, p.grad.norm().item())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
