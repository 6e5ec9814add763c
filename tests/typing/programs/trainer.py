"""The trainer, a callback of one's own, an estimator, predictions and files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import npnet
from npnet import Tensor, models, nn, onnx
from npnet.sklearn import NeuralNetClassifier
from npnet.training import Callback, Trainer, Training, fit

if TYPE_CHECKING:
    from typing_extensions import assert_type


class Net(nn.Module):
    def __init__(self, width: int = 4, num_classes: int = 10) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x).relu().mean((2, 3)))


class Loud(Callback):
    def __init__(self, word: str) -> None:
        self.word = word

    def on_train_start(self, trainer: Any) -> None:
        print(self.word)


class Enough(Callback):
    def on_epoch_end(self, trainer: Training) -> None:
        if trainer.history[-1].val_accuracy > 99:
            trainer.stop("enough")


class Stopper(Callback):
    def on_epoch_end(self, trainer: Trainer) -> None:
        trainer.stop("one is enough")


def main(folder: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (40, 28, 28), dtype=np.uint8)
    y = np.arange(40) % 10
    trainer = Trainer(Net(), train=(x, y), epochs=1, batch_size=8, verbose=False)
    history = trainer.fit()
    accuracy: float = history.best.val_accuracy
    settings = {
        "epochs": 1,
        "batch_size": 8,
        "callbacks": [Loud("on"), Enough(), Stopper()],
        "verbose": False,
    }
    print(accuracy, fit(Net, (x, y), **settings))
    net = Net()
    onnx.export(net, folder / "net.onnx", npnet.zeros(1, 1, 28, 28))
    again = onnx.load(folder / "net.onnx")
    print(again(npnet.zeros(2, 1, 28, 28)))
    estimator = NeuralNetClassifier(Net, epochs=1, batch_size=8)
    predicted = estimator.fit(x[:, None].astype(np.float32) / 255, y).predict(x[:, None] / 255)
    print(predicted.shape)
    lenet = models.create("lenet5", num_classes=7)
    if TYPE_CHECKING:
        assert_type(net(npnet.zeros(1)), Tensor)
        assert_type(models.LeNet5()(npnet.zeros(1)), Tensor)
        assert_type(npnet.compile(net)(npnet.zeros(1)), Tensor)
        assert_type(npnet.zeros(2, 2).max(1).values, Tensor)
        assert_type(npnet.zeros(2, 2).min(), Tensor)
    print(models.resnet18(num_classes=3).eval()(npnet.zeros(1, 3, 32, 32)).shape, lenet)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
