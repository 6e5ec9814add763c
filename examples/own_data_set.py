"""A data set of one's own: pictures in files become batches, with transforms on the way.

    python examples/own_data_set.py                    makes a folder of digits, and learns it
    python examples/own_data_set.py --folder animals   animals/cat/1.jpg, animals/dog/2.png, ...

A data set is a class with a length and items. Transforms say what becomes of a picture, anew each
time that it is asked for; a loader puts items into batches. `datasets.ImageFolder` is such a class.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from PIL import Image

import npnet
from npnet import datasets, models, optim, transforms
from npnet.nn import functional as F
from npnet.utils.data import DataLoader, Dataset, Subset


class Pictures(Dataset):
    """The pictures of a folder that has a folder for each class."""

    def __init__(self, folder: Path, transform) -> None:
        self.classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
        self.items = []
        for label, name in enumerate(self.classes):
            self.items += [(path, label) for path in sorted((folder / name).iterdir())]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int):
        path, label = self.items[index]
        return self.transform(Image.open(path).convert("L")), label


def write_digits(folder: Path, count: int) -> None:
    """Some of the digits that come with npnet, as PNG files."""
    data = datasets.load("digits")
    for i in range(count):
        place = folder / data.classes[data.y_train[i]]
        place.mkdir(exist_ok=True)
        Image.fromarray(data.x_train[i, 0]).save(place / f"{i:04}.png")


def learn(folder: Path, epochs: int) -> None:
    plain = [transforms.Resize((32, 32)), transforms.ToTensor(), transforms.Normalize(0.5, 0.5)]
    moved = transforms.RandomAffine(10, translate=(0.08, 0.08))
    pictures = Pictures(folder, transforms.Compose([moved, *plain]))
    same = Pictures(folder, transforms.Compose(plain))  # to test with: not moved
    train = Subset(pictures, [i for i in range(len(pictures)) if i % 5])
    test = Subset(same, range(0, len(same), 5))
    print(f"{len(train)} pictures to learn, {len(test)} to test, of {', '.join(pictures.classes)}")
    npnet.manual_seed(0)
    model = models.LeNet5(num_classes=len(pictures.classes))
    step = npnet.compile(model, F.cross_entropy, optim.Adam(model.parameters(), lr=3e-3))
    for epoch in range(epochs):
        losses = [step(x, y).item() for x, y in DataLoader(train, 32, shuffle=True)]
        print(f"epoch {epoch + 1}: loss {sum(losses) / len(losses):.3f}")
    model.eval()
    with npnet.no_grad():
        right = sum((model(x).argmax(1) == y).sum().item() for x, y in DataLoader(test, 32))
    print(f"test accuracy {100 * right / len(test):.1f} %")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, help="with a folder of pictures for each class")
    parser.add_argument("--count", type=int, default=1000, help="digits where there is no folder")
    parser.add_argument("--epochs", type=int, default=8)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        if args.folder is None:
            write_digits(Path(made), args.count)
        learn(args.folder or Path(made), args.epochs)
