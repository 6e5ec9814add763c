"""Fashion-MNIST: 28x28 grey pictures of clothes, 60,000 for training and 10,000 for testing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from npnet.datasets._augmentation import clothes
from npnet.datasets.idx import IdxSource
from npnet.datasets.mnist import MNIST

__all__ = ["SOURCE", "FashionMNIST"]

SOURCE = IdxSource(
    name="fashion-mnist",
    torchvision_folder="FashionMNIST",
    augmentation=clothes,
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    checksums={
        "train-images-idx3-ubyte.gz": (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
        ),
        "train-labels-idx1-ubyte.gz": (
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
        ),
        "t10k-images-idx3-ubyte.gz": (
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
        ),
    },
)


class FashionMNIST(MNIST):
    """One split of Fashion-MNIST, as torchvision.datasets.FashionMNIST; used as MNIST is.

    The files are looked for in torchvision's `<root>/FashionMNIST/raw/`, in
    `<root>/fashion-mnist/` and `<root>/`.

    Source: Xiao, Rasul and Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking
    Machine Learning Algorithms", arXiv:1708.07747, 2017.
    """

    source: ClassVar[IdxSource] = SOURCE
    mirrors: ClassVar[Sequence[str]] = list(SOURCE.mirrors)
    resources: ClassVar[Any] = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes: ClassVar[list[str]] = list(SOURCE.classes)
