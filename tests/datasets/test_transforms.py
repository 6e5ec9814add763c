"""What data sets hand to transforms: to a user's own one picture, to npnet's whole batches."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image

import npnet
from npnet import nn, transforms
from npnet.datasets import CIFAR10, MNIST
from npnet.tensor import Tensor
from npnet.transforms.base import Transform
from npnet.utils.data import ConcatDataset, DataLoader, Subset, default_collate, random_split
from tests.campaign import trials
from tests.datasets.idx_files import write_idx_files
from tests.missing import hide
from tests.torchvision_import import import_torchvision

COUNT = 6


@pytest.fixture(scope="module")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> MNIST:
    folder = tmp_path_factory.mktemp("data")
    write_idx_files(folder / "mnist", train=COUNT)
    return MNIST(folder)


@pytest.fixture(scope="module")
def cifar() -> CIFAR10:
    """Random photographs, without the files."""
    dataset = CIFAR10.__new__(CIFAR10)
    dataset.root, dataset.train = Path(), True
    dataset.data = np.random.default_rng(0).integers(0, 256, (COUNT, 32, 32, 3), np.uint8)
    dataset.targets = list(range(COUNT))
    return dataset


@pytest.fixture(params=["mnist", "cifar"])
def dataset(request: pytest.FixtureRequest) -> Any:
    chosen: Any = request.getfixturevalue(request.param)
    chosen.transform = chosen.target_transform = None
    return chosen


def pictures(dataset: Any) -> list[Image.Image]:
    """What torchvision's class of the same name hands to a transform."""
    return [Image.fromarray(image) for image in np.asarray(dataset.data)]


# ---- a user's own ------------------------------------------------------------------------------

SEEN: list[Any] = []


def look(x: Any) -> Tensor:
    """A transform that takes down what it is given, and returns all of it as a row."""
    SEEN.append(x)
    return npnet.tensor(np.asarray(x, np.float32).reshape(-1))


class Looking:
    def __call__(self, x: Any) -> Tensor:
        return look(x)

    def method(self, x: Any) -> Tensor:
        return look(x)


class LookingFlip(transforms.RandomHorizontalFlip):
    def forward(self, x: Any, generator: Any = None) -> Any:
        return look(super().forward(x, generator))


class LookingCrop(transforms.CenterCrop):
    def __call__(self, x: Any) -> Any:
        return look(super().__call__(x))


class LookingCompose(transforms.Compose):
    def __call__(self, x: Any, generator: Any = None) -> Any:
        return look(super().__call__(x, generator))


class LookingModule(nn.Module):
    def forward(self, x: Any) -> Tensor:
        return look(x)


def patched() -> Transform:
    own = transforms.Pad(0)
    own.forward = look  # type: ignore[method-assign,assignment]
    return own


def hooked() -> Transform:
    own = transforms.Pad(0)
    own.register_forward_hook(lambda module, args, y: look(y))
    return own


def theirs(list_of: Callable[[Any], list[Any]]) -> Any:
    import_torchvision()
    from torchvision import transforms

    return transforms.Compose([*list_of(transforms), look])


OWN: dict[str, Callable[[], Any]] = {
    "function": lambda: look,
    "lambda": lambda: lambda x: look(x),
    "partial": lambda: functools.partial(look),
    "bound method": lambda: Looking().method,
    "instance": Looking,
    "Lambda": lambda: transforms.Lambda(look),
    "subclass, forward": lambda: LookingFlip(0),
    "subclass, __call__": lambda: LookingCrop((28, 28)),
    "subclass of Compose": lambda: LookingCompose([]),
    "module": LookingModule,
    "instance's forward replaced": patched,
    "hook": hooked,
    "Compose": lambda: transforms.Compose([transforms.Pad(1), look]),
    "nested Compose": lambda: transforms.Compose([transforms.Compose([look])]),
    "RandomApply": lambda: transforms.RandomApply([look], p=1),
    "Sequential": lambda: nn.Sequential(transforms.Pad(1), transforms.Lambda(look)),
    "torchvision's": lambda: theirs(lambda ns: [ns.Resize(9), ns.RandomHorizontalFlip()]),
}

READERS: dict[str, Callable[[Any], Any]] = {
    "items": lambda d: default_collate([d[i] for i in range(COUNT)])[0],
    "take": lambda d: npnet.tensor(d.take(np.arange(COUNT))[0]),
    "loader": lambda d: joined(DataLoader(d, 4)),
    "workers": lambda d: joined(DataLoader(d, 4, num_workers=2)),
    "collate_fn": lambda d: joined(DataLoader(d, 4, collate_fn=default_collate)),
    "sampler": lambda d: joined(DataLoader(d, 4, sampler=range(COUNT))),
    "batch_sampler": lambda d: joined(DataLoader(d, batch_sampler=[[0, 1, 2, 3], [4, 5]])),
    "single items": lambda d: npnet.stack([x for x, _ in DataLoader(d, None)]),
    "Subset": lambda d: joined(DataLoader(Subset(d, range(COUNT)), 4)),
    "random_split": lambda d: joined(DataLoader(random_split(d, [COUNT, 0])[0], 4)),
    "ConcatDataset": lambda d: joined(
        DataLoader(ConcatDataset([Subset(d, [0, 1]), Subset(d, range(2, COUNT))]), 4)
    ),
}


def joined(loader: Any) -> Tensor:
    return npnet.cat([x for x, _ in loader])


@pytest.mark.parametrize("name", list(OWN))
def test_a_users_own_transform_is_given_one_picture(dataset: Any, name: str) -> None:
    dataset.transform = OWN[name]()
    for read in READERS.values():
        SEEN.clear()
        y = read(dataset)
        seen, rows = list(SEEN), y.numpy()
        assert len(seen) == COUNT
        assert {type(x) for x in seen} == {Image.Image}
        assert {x.mode for x in seen} == {"L" if isinstance(dataset, MNIST) else "RGB"}
        for x, row in zip(seen, rows, strict=True):
            assert_array_equal(np.asarray(x).reshape(-1), row)
        if name == "function":
            expected = sorted(picture.tobytes() for picture in pictures(dataset))
            assert sorted(picture.tobytes() for picture in seen) == expected


def test_a_class_of_npnets_that_is_patched_is_given_one_picture(
    dataset: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    SEEN.clear()
    monkeypatch.setattr(transforms.CenterCrop, "forward", lambda self, x, generator=None: look(x))
    dataset.transform = transforms.Compose([transforms.Pad(1), transforms.CenterCrop(3)])
    joined(DataLoader(dataset, COUNT))
    assert [type(x) for x in SEEN] == [Image.Image] * COUNT


def test_after_to_tensor_it_is_given_a_tensor(dataset: Any) -> None:
    SEEN.clear()
    dataset.transform = transforms.Compose([transforms.Resize(20), transforms.ToTensor(), look])
    joined(DataLoader(dataset, COUNT))
    channels = 1 if isinstance(dataset, MNIST) else 3
    assert [x.shape for x in SEEN] == [(channels, 20, 20)] * COUNT
    assert all(isinstance(x, Tensor) and x.dtype == np.float32 for x in SEEN)
    assert 0 <= min(float(x.min()) for x in SEEN) < max(float(x.max()) for x in SEEN) <= 1


class OwnCutout:
    """As found in many programs: it counts on (C, H, W)."""

    def __call__(self, x: Any) -> Any:
        x = x.clone()
        x[:, : x.shape[1] // 2, : x.shape[2] // 2] = 0
        return x


WRITTEN_FOR_ONE: dict[str, Callable[[Any], Any]] = {
    "Cutout": OwnCutout(),
    "standardised": lambda x: (x - x.mean()) / x.std(),
    "reshape": lambda x: x.reshape(-1),
    "view": lambda x: x.view(-1),
    "flatten": lambda x: x.flatten(),
    "squeeze": lambda x: x.squeeze(0),
    "repeated": lambda x: x[:1].repeat(3, 1, 1),
    "ndarray": lambda x: np.asarray(x).astype(np.float32).sum(-1),
    "number": lambda x: float(x.sum()),
    "pair": lambda x: (x, x.max()),
}


@pytest.mark.parametrize("name", list(WRITTEN_FOR_ONE))
def test_what_is_written_for_one_picture_does_that_to_each(dataset: Any, name: str) -> None:
    own = WRITTEN_FOR_ONE[name]
    dataset.transform = transforms.Compose([transforms.ToTensor(), own])
    [(y, _)] = DataLoader(dataset, COUNT)
    expected = default_collate([own(transforms.ToTensor()(p)) for p in pictures(dataset)])
    for ours, theirs in zip(
        *(v if isinstance(v, list) else [v] for v in (y, expected)), strict=True
    ):
        assert_array_equal(ours, theirs)


def test_of_an_ndarray_compose_gives_each_image_to_a_users_own() -> None:
    x = np.random.default_rng(0).integers(0, 256, (4, 3, 8, 8), np.uint8)
    seen: list[Any] = []

    def own(image: Any) -> Any:
        seen.append(image.shape)
        return image / 2

    y = transforms.Compose([transforms.Pad(1), transforms.ToTensor(), own])(x)
    assert seen == [(3, 10, 10)] * 4
    assert_array_equal(y[:, :, 1:-1, 1:-1], x.astype(np.float32) / 255 / 2)


def test_the_transform_may_be_replaced(dataset: Any) -> None:
    loader = DataLoader(dataset, COUNT)
    assert next(iter(loader))[0].dtype == np.uint8
    dataset.transform = transforms.ToTensor()
    assert next(iter(loader))[0].dtype == np.float32
    dataset.transform = transforms.Compose([transforms.ToTensor()])
    dataset.transform.transforms.append(lambda x: x.sum())
    assert next(iter(loader))[0].shape == (COUNT,)


def test_a_transform_may_be_changed(dataset: Any) -> None:
    resize, pad, crop = transforms.Resize(8), transforms.Pad(1), transforms.RandomCrop(9, padding=1)
    dataset.transform = transforms.Compose([resize, pad, crop, transforms.ToTensor()])
    assert next(iter(DataLoader(dataset)))[0].shape[2:] == (9, 9)
    resize.size, pad.padding, crop.padding, crop.size = (9, 7), (2, 3), 0, (15, 11)
    assert next(iter(DataLoader(dataset)))[0].shape[2:] == (15, 11)


def test_what_torchvisions_transforms_return_is_collated(dataset: Any) -> None:
    import_torchvision()
    from torchvision import transforms as theirs

    dataset.transform = theirs.Compose([theirs.Resize(9), theirs.ToTensor()])
    [(x, _)] = DataLoader(dataset, COUNT)
    dataset.transform = transforms.Compose([transforms.Resize(9), transforms.ToTensor()])
    [(expected, _)] = DataLoader(dataset, COUNT)
    assert isinstance(x, Tensor)
    assert_array_equal(x, expected)


def test_target_transform_is_given_one_int(dataset: Any) -> None:
    seen: list[Any] = []

    def own(target: Any) -> Any:
        seen.append(target)
        return npnet.tensor([target, target + 1])

    dataset.target_transform = own
    [(_, y)] = DataLoader(dataset, COUNT)
    assert seen == list(map(int, dataset.targets))
    assert {type(target) for target in seen} == {int}
    assert_array_equal(y, [[target, target + 1] for target in seen])
    assert_array_equal(dataset[1][1], y[1])


def test_pictures_are_collated_as_bytes(dataset: Any) -> None:
    dataset.transform = lambda picture: picture.rotate(90)
    assert isinstance(dataset[0][0], Image.Image)
    [(x, _)] = DataLoader(dataset, COUNT)
    assert_array_equal(x, np.rot90(dataset.images, axes=(2, 3)))
    dataset.transform = transforms.Resize(9)
    assert dataset[0][0].size == (9, 9)
    [(x, _)] = DataLoader(dataset, COUNT)
    assert (x.shape[2:], x.dtype) == ((9, 9), np.uint8)


def test_random_transforms_beside_a_users_own_are_seeded(dataset: Any) -> None:
    dataset.transform = transforms.Compose(
        [
            transforms.RandomCrop(28, padding=4),
            transforms.RandomHorizontalFlip(),
            lambda picture: picture.rotate(90),
            transforms.ToTensor(),
            transforms.RandomErasing(),
        ]
    )

    def drawn(seed: int) -> Any:
        npnet.manual_seed(seed)
        return joined(DataLoader(dataset, 4, shuffle=True)).numpy()

    assert_array_equal(drawn(3), drawn(3))
    assert not np.array_equal(drawn(3), drawn(4))


def test_compose_hands_its_generator_to_npnets_own_alone() -> None:
    pipeline = transforms.Compose([transforms.RandomCrop(8, padding=2), lambda x: x])
    x = npnet.as_tensor(np.random.default_rng(0).random((1, 8, 8)))
    a, b = (pipeline(x, np.random.default_rng(5)) for _ in range(2))
    assert_array_equal(a, b)
    subclass = transforms.Compose([LookingCrop(4)])  # its __call__ takes no generator
    assert subclass(x, np.random.default_rng(5)).shape == (16,)


# ---- npnet's own -------------------------------------------------------------------------------

# Ranges of one value, so that nothing is left to be drawn.
ON_PICTURES: list[Callable[[], Transform]] = [
    lambda: transforms.Resize(20),
    lambda: transforms.Resize((41, 17)),
    lambda: transforms.Resize((15, 44), "bicubic"),
    lambda: transforms.Resize((15, 44), "nearest"),
    lambda: transforms.Resize(18, "lanczos"),
    lambda: transforms.CenterCrop(16),
    lambda: transforms.CenterCrop((40, 11)),
    lambda: transforms.Pad((1, 2, 3, 0), fill=9),
    lambda: transforms.Pad(2, padding_mode="reflect"),
    lambda: transforms.RandomHorizontalFlip(1),
    lambda: transforms.RandomVerticalFlip(1),
    lambda: transforms.RandomAffine((30, 30), (0, 0), (1.5, 1.5), (8, 8), fill=3),
    lambda: transforms.RandomAffine((30, 30), None, (0.7, 0.7), (-8, -8), "bilinear", fill=3),
    lambda: transforms.RandomAffine((0, 0), None, (1.3, 1.3)),
    lambda: transforms.RandomAffine((90, 90)),
    lambda: transforms.RandomRotation((33, 33)),
    lambda: transforms.RandomRotation((-70, -70), "bilinear", expand=True, fill=5),
    lambda: transforms.RandomResizedCrop(12, (1, 1), (1, 1)),
    lambda: transforms.Grayscale(),
    lambda: transforms.Grayscale(3),
    lambda: transforms.RandomGrayscale(1),
    lambda: transforms.ColorJitter(brightness=(1.5, 1.5)),
    lambda: transforms.ColorJitter(contrast=(0.5, 0.5)),
    lambda: transforms.Cutout(100, fill=7),
]
CONVERTERS: list[Callable[[], Transform]] = [
    lambda: transforms.ToTensor(),
    lambda: transforms.Compose(  # type: ignore[return-value]
        [transforms.PILToTensor(), transforms.ConvertImageDtype(np.float32)]
    ),
]
ON_TENSORS: list[Callable[[], Transform]] = [
    lambda: transforms.Normalize((0.5,), (0.25,)),
    lambda: transforms.RandomErasing(0),
    *(build for build in ON_PICTURES if build().__class__.__name__ != "Cutout"),
]


@st.composite
def pipelines(draw: st.DrawFn) -> list[Transform]:
    first = draw(st.lists(st.sampled_from(ON_PICTURES), max_size=3))
    last = draw(st.lists(st.sampled_from(ON_TENSORS), max_size=2))
    return [build() for build in [*first, draw(st.sampled_from(CONVERTERS)), *last]]


def runs_on_tensors(steps: list[Any]) -> bool:
    return not any(
        isinstance(t, transforms.Resize) and t.interpolation.value == "lanczos" for t in steps
    )


@pytest.mark.campaign
@settings(max_examples=trials(20, 300), deadline=None, derandomize=True)
@given(pipelines())
def test_a_batch_becomes_what_each_picture_does(
    mnist: MNIST, cifar: CIFAR10, steps: list[Transform]
) -> None:
    at = next(
        i for i, t in enumerate(steps) if isinstance(t, (transforms.ToTensor, transforms.Compose))
    )
    steps = steps[: at + 1] + [t for t in steps[at + 1 :] if runs_on_tensors([t])]
    for data in (mnist, cifar):
        dataset: Any = data
        dataset.target_transform = None
        dataset.transform = transforms.Compose(steps)
        one_by_one = [dataset.transform(picture).numpy() for picture in pictures(dataset)]
        [(x, _)] = DataLoader(dataset, COUNT)
        assert_array_equal(x, np.stack(one_by_one))
        assert_array_equal(x[2], dataset[2][0])
        assert x.dtype == one_by_one[0].dtype


@pytest.mark.parametrize("at", range(len(ON_PICTURES)))
def test_each_transform_of_a_batch_does_what_it_does_to_each_picture(at: int, dataset: Any) -> None:
    step = ON_PICTURES[at]()
    dataset.transform = transforms.Compose([step, transforms.PILToTensor()])
    expected = [transforms.PILToTensor()(step(picture)).numpy() for picture in pictures(dataset)]
    [(x, _)] = DataLoader(dataset, COUNT)
    assert_array_equal(x, np.stack(expected))


def test_a_batch_of_npnets_own_is_one_call(dataset: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, ...]] = []
    divided = transforms.convert._divided

    def counted(images: Any) -> Any:
        calls.append(images.shape)
        return divided(images)

    monkeypatch.setattr("npnet.transforms.convert._divided", counted)
    dataset.transform = transforms.Compose([transforms.Resize(8), transforms.ToTensor()])
    joined(DataLoader(dataset, COUNT))
    assert [shape[0] for shape in calls] == [COUNT]


def test_torchvision_makes_the_same_of_the_same_pictures(dataset: Any) -> None:
    import_torchvision()
    from torchvision import transforms as theirs

    def build(ns: Any) -> Any:
        return ns.Compose([ns.Resize(32), ns.ToTensor(), ns.Normalize((0.13,), (0.31,))])

    dataset.transform = build(transforms)
    [(x, _)] = DataLoader(dataset, COUNT)
    expected = [build(theirs)(picture).numpy() for picture in pictures(dataset)]
    assert_array_equal(x, np.stack(expected))


# ---- without Pillow, and what is refused -------------------------------------------------------


@pytest.fixture
def _no_pillow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from npnet.transforms import resize

    resize._as_pillow.cache_clear()
    hide(monkeypatch, "PIL")
    yield
    resize._as_pillow.cache_clear()


@pytest.mark.usefixtures("_no_pillow")
def test_npnets_own_transforms_need_no_pillow(dataset: Any) -> None:
    dataset.transform = transforms.Compose(
        [transforms.Resize(20), transforms.RandomCrop(18), transforms.ToTensor()]
    )
    [(x, _)] = DataLoader(dataset, COUNT)
    assert x.shape[2:] == (18, 18)
    assert dataset[0][0].shape[1:] == (18, 18)
    dataset.transform = lambda picture: picture
    with pytest.raises(ImportError, match=r"makes a PIL image .* needs pillow: pip install .npnet"):
        dataset[0]


def test_data_that_no_picture_holds_is_refused(
    dataset: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "data", dataset.data / 255)
    dataset.transform = transforms.ToTensor()
    for read in (lambda: dataset[0], lambda: dataset.take([0, 1])):
        with pytest.raises(
            TypeError, match=r"so data must be uint8 .* got float(32|64) .* keep data as"
        ):
            read()


def test_a_read_item_does_not_write_to_the_data(dataset: Any) -> None:
    dataset.transform = transforms.PILToTensor()
    copy = np.array(dataset.data)
    dataset[0][0].array[:] = 0
    assert_array_equal(dataset.data, copy)
