"""The data set classes beside torchvision's, on small files of each format."""

from __future__ import annotations

import bz2
import gzip
import lzma
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image, UnidentifiedImageError

import npnet
from npnet import datasets, transforms
from npnet.datasets import DataError, DownloadError
from npnet.datasets.vision import StandardTransform
from npnet.tensor import Tensor
from npnet.utils.data import DataLoader
from tests.datasets.idx_files import idx_bytes, write_idx_files
from tests.torchvision_import import import_torchvision

COUNT = 12


@pytest.fixture(scope="module")
def theirs() -> Any:
    return import_torchvision().datasets


def drawn(*shape: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


# ---- files -------------------------------------------------------------------------------------


def write_kmnist(root: Path) -> None:
    write_idx_files(root / "KMNIST" / "raw", COUNT, COUNT, zipped=False)


def write_emnist(root: Path) -> None:
    raw = root / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    for split in ("train", "test"):
        name = f"emnist-letters-{split}"
        (raw / f"{name}-images-idx3-ubyte").write_bytes(idx_bytes(drawn(COUNT, 28, 28)))
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(idx_bytes(np.arange(COUNT) + 15))


def write_qmnist(root: Path, pack: Callable[[bytes], bytes] = bytes, end: str = "") -> None:
    raw = root / "QMNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for name in ("qmnist-train", "qmnist-test", "xnist"):
        images = idx_bytes(drawn(COUNT, 28, 28))
        labels = (np.arange(COUNT * 8).reshape(COUNT, 8) * 1000).astype(">i4")
        labels[:, 0] = np.arange(COUNT) % 10
        header = struct.pack(">4B2I", 0, 0, 12, 2, COUNT, 8)
        (raw / f"{name}-images-idx3-ubyte{end}").write_bytes(pack(images))
        (raw / f"{name}-labels-idx2-int{end}").write_bytes(pack(header + labels.tobytes()))


def write_usps(root: Path) -> None:
    values = np.random.default_rng(0).uniform(-1, 1, (COUNT, 256))
    lines = [
        f"{i % 10 + 1} " + " ".join(f"{j + 1}:{v:.4f}" for j, v in enumerate(row)) + "\n"
        for i, row in enumerate(values)
    ]
    for name in ("usps.bz2", "usps.t.bz2"):
        (root / name).write_bytes(bz2.compress("".join(lines).encode()))


CIFAR = {
    "CIFAR10": ("cifar-10-batches-py", [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]),
    "CIFAR100": ("cifar-100-python", ["train", "test"]),
}


def write_cifar(root: Path, name: str, protocol: int = 2) -> Path:
    """As the published files are: pickles of protocol 2."""
    folder, files = CIFAR[name]
    (root / folder).mkdir(parents=True)
    for number, file in enumerate(files):
        data = np.random.default_rng(number).integers(0, 256, (COUNT, 3072), np.uint8)
        entry = {"data": data, "batch_label": "a batch", "filenames": ["a.png"] * COUNT}
        key, classes = ("labels", 10) if name == "CIFAR10" else ("fine_labels", 100)
        entry[key] = [(number + 7 * i) % classes for i in range(COUNT)]
        (root / folder / file).write_bytes(pickle.dumps(entry, protocol))
    ours = getattr(datasets, name)
    meta, key = (
        ("batches.meta", "label_names") if name == "CIFAR10" else ("meta", "fine_label_names")
    )
    (root / folder / meta).write_bytes(pickle.dumps({key: ours.classes}, protocol))
    return root / folder


WRITE: dict[str, Callable[[Path], Any]] = {
    "KMNIST": write_kmnist,
    "EMNIST": write_emnist,
    "QMNIST": write_qmnist,
    "USPS": write_usps,
    "CIFAR10": lambda root: write_cifar(root, "CIFAR10"),
    "CIFAR100": lambda root: write_cifar(root, "CIFAR100"),
}
ARGUMENTS: dict[str, dict[str, Any]] = {"EMNIST": {"split": "letters"}}


@pytest.fixture(params=list(WRITE))
def pair(request: Any, tmp_path: Path, theirs: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """name, and what makes npnet's and torchvision's data set of the same files."""
    name = request.param
    WRITE[name](tmp_path)
    # The checksums are those of the published files.
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *args: True)

    def make(**arguments: Any) -> tuple[Any, Any]:
        arguments = ARGUMENTS.get(name, {}) | arguments
        return (
            getattr(datasets, name)(str(tmp_path), **arguments),
            getattr(theirs, name)(str(tmp_path), **arguments),
        )

    return make


@pytest.mark.parametrize("train", [True, False])
def test_items_and_attributes_are_torchvisions(pair: Any, train: bool) -> None:
    ours, expected = pair(train=train)
    assert len(ours) == len(expected)
    assert repr(ours) == repr(expected)
    for name in ("data", "targets"):
        have, want = getattr(ours, name), getattr(expected, name)
        assert type(have).__name__ == type(want).__name__
        assert_array_equal(np.asarray(have), np.asarray(want))
        assert str(getattr(have, "dtype", "")) == str(getattr(want, "dtype", "")).split(".")[-1]
    if hasattr(expected, "classes"):
        assert ours.classes == expected.classes
        assert ours.class_to_idx == expected.class_to_idx
    for index in (0, 5, -1):
        (image, label), (their_image, their_label) = ours[index], expected[index]
        assert (image.mode, image.size) == (their_image.mode, their_image.size)
        assert_array_equal(np.asarray(image), np.asarray(their_image))
        assert (type(label), label) == (int, their_label)
    with pytest.raises(IndexError):
        ours[len(ours)]


def test_transforms_of_items_and_of_batches(pair: Any) -> None:
    ours, expected = pair(transform=transforms.ToTensor(), target_transform=lambda label: label * 2)
    assert repr(ours) == repr(expected)
    [(images, labels)] = DataLoader(ours, batch_size=len(ours))
    for i in (0, len(ours) - 1):
        image, label = ours[i]
        assert_array_equal(images[i], image)
        assert labels[i] == label
        their_image, their_label = expected[i]
        assert_array_equal(image, their_image)
        assert label == their_label


def test_old_names_warn(tmp_path: Path) -> None:
    write_idx_files(tmp_path / "mnist")
    data = datasets.MNIST(tmp_path)
    for old, new in (("train_data", "data"), ("test_labels", "targets")):
        with pytest.warns(UserWarning, match=f"{old} has been renamed {new}"):
            assert getattr(data, old) is getattr(data, new)


def test_a_part_may_be_kept(tmp_path: Path) -> None:
    write_idx_files(tmp_path / "mnist")
    data = datasets.MNIST(tmp_path, transform=transforms.ToTensor())
    whole = data.data.numpy().copy()
    keep = data.targets == 3
    data.data, data.targets = data.data[keep], data.targets[keep]
    assert data[1][1] == 3
    [(x, y)] = DataLoader(data, 5)
    assert_array_equal(y, [3, 3, 3])
    assert_array_equal(x[:, 0], whole[3::10].astype(np.float32) / 255)
    data.data, data.targets = data.data.numpy(), data.targets.tolist()
    [(again, _)] = DataLoader(data, 5)
    assert_array_equal(again, x)


def test_a_subclass_has_its_own_folder(tmp_path: Path) -> None:
    class Mine(datasets.MNIST):
        pass

    write_idx_files(tmp_path / "mnist", seed=1)
    mine = write_idx_files(tmp_path / "Mine" / "raw", seed=2)
    assert_array_equal(Mine(tmp_path).data, mine["train-images-idx3-ubyte"])


def test_a_root_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_idx_files(tmp_path / "data" / "MNIST" / "raw")
    assert len(datasets.MNIST("~/data")) == 30


# ---- other places ------------------------------------------------------------------------------


def test_emnist_out_of_its_archive(tmp_path: Path) -> None:
    write_emnist(tmp_path)
    raw = tmp_path / "EMNIST" / "raw"
    with zipfile.ZipFile(raw / "gzip.zip", "w") as archive:
        for path in sorted(raw.glob("emnist*")):
            archive.writestr(f"gzip/{path.name}.gz", gzip.compress(path.read_bytes()))
            path.unlink()
    data = datasets.EMNIST(tmp_path, "letters", train=False)
    assert_array_equal(data.targets, np.arange(COUNT) + 15)
    assert sorted(path.name for path in raw.glob("emnist*")) == [
        "emnist-letters-test-images-idx3-ubyte.gz",
        "emnist-letters-test-labels-idx1-ubyte.gz",
    ]
    with pytest.raises(DataError, match=r"gzip.zip is damaged: it has no emnist-digits-train"):
        datasets.EMNIST(tmp_path, "digits")
    with pytest.raises(ValueError, match=r"EMNIST: .*split"):
        datasets.EMNIST(tmp_path, "leters")


@pytest.mark.parametrize(
    ("what", "pack", "end"), [("train", gzip.compress, ".gz"), ("nist", lzma.compress, ".xz")]
)
def test_qmnist_packed_and_in_full(tmp_path: Path, what: str, pack: Any, end: str) -> None:
    write_qmnist(tmp_path, pack, end)
    data = datasets.QMNIST(tmp_path, what, compat=False)
    assert repr(data).endswith(f"Split: {what}")
    _, label = data[3]
    assert isinstance(label, Tensor)
    assert_array_equal(label, [3, *range(25_000, 32_000, 1000)])
    data.transform = transforms.ToTensor()
    [(_, labels)] = DataLoader(data, COUNT)
    assert_array_equal(labels, data.targets)


def test_qmnist_splits(tmp_path: Path) -> None:
    write_qmnist(tmp_path)
    assert len(datasets.QMNIST(tmp_path, "test10k")) == COUNT
    assert len(datasets.QMNIST(tmp_path, "test50k")) == 0
    with pytest.raises(ValueError, match=r"QMNIST: .*what"):
        datasets.QMNIST(tmp_path, "test20k")


@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize("name", list(CIFAR))
def test_cifar_out_of_its_archive(tmp_path: Path, name: str, protocol: int) -> None:
    folder = write_cifar(tmp_path, name, protocol)
    unpacked = getattr(datasets, name)(tmp_path)
    with tarfile.open(tmp_path / getattr(datasets, name).filename, "w:gz") as archive:
        archive.add(folder, folder.name)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    packed = getattr(datasets, name)(tmp_path)
    assert_array_equal(packed.data, unpacked.data)
    assert packed.targets == unpacked.targets


def test_a_trainer_reads_cifars_python_version(tmp_path: Path) -> None:
    write_cifar(tmp_path / "cifar10", "CIFAR10")
    data = datasets.load("cifar10", tmp_path, download=False)
    assert data.x_train.shape == (5 * COUNT, 3, 32, 32)
    ours = datasets.CIFAR10(tmp_path, train=False)
    assert_array_equal(data.x_test, ours.data.transpose(0, 3, 1, 2))
    assert data.y_test.tolist() == ours.targets


class Dangerous:
    def __reduce__(self) -> Any:
        return print, ("executed",)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"data": Dangerous()}, r"it names __builtin__\.print, which is not executed"),
        ({"data": np.zeros((2, 3072), np.float32), "labels": [0, 1]}, r"it is float32 \(2, 3072\)"),
        ({"data": np.zeros((2, 3072), np.uint8), "labels": [0]}, r"2 images and labels \(1,\)"),
        ({"data": np.zeros((2, 3072), np.uint8), "labels": [0, 10]}, "it has 0 to 10"),
        ({"labels": [0, 1]}, "KeyError"),
    ],
)
def test_other_pickles_are_refused(
    tmp_path: Path, entry: Any, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_cifar(tmp_path, "CIFAR10")
    (folder / "test_batch").write_bytes(pickle.dumps(entry, 2))
    with pytest.raises(DataError, match=f"test_batch is damaged.*{told}"):
        datasets.CIFAR10(tmp_path, train=False)
    assert capsys.readouterr().out == ""
    assert len(datasets.CIFAR10(tmp_path)) == 5 * COUNT


def test_damaged_files_are_named(tmp_path: Path) -> None:
    folder = write_cifar(tmp_path, "CIFAR100")
    (folder / "train").write_bytes((folder / "train").read_bytes()[:-500])
    with pytest.raises(DataError, match=r"cifar-100-python: train is damaged"):
        datasets.CIFAR100(tmp_path)
    (folder / "train").unlink()
    with pytest.raises(DataError, match="it has no train"):
        datasets.CIFAR100(tmp_path)
    write_usps(tmp_path)
    usps = tmp_path / "usps.bz2"
    whole = usps.read_bytes()
    for content in (whole[:-20], b"no bzip2", bz2.compress(b"1 1:0.5\n")):
        usps.write_bytes(content)
        with pytest.raises(DataError, match=r"usps.bz2 is damaged"):
            datasets.USPS(tmp_path)


@pytest.mark.parametrize("name", [*WRITE, "MNIST", "FashionMNIST"])
def test_what_is_not_there_says_how_to_have_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(DownloadError, match=r"not found in .*download=True"):
        getattr(datasets, name)(tmp_path, **ARGUMENTS.get(name, {}))


@pytest.mark.parametrize("name", [*WRITE, "MNIST", "FashionMNIST"])
def test_downloads_go_where_torchvision_has_them(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def fetch(names: dict[str, str], mirrors: Any, folder: Path) -> list[Path]:
        asked.append((sorted(names), list(mirrors), folder, set(names.values())))
        raise DownloadError("the test has no network")

    for module in ("_source", "cifar", "usps"):
        monkeypatch.setattr(f"npnet.datasets.{module}.fetch", fetch)
    with pytest.raises(DownloadError, match="the test has no network"):
        getattr(datasets, name)(tmp_path, download=True, **ARGUMENTS.get(name, {}))
    [(names, mirrors, folder, checksums)] = asked
    raw = name.endswith("MNIST")
    assert folder == (tmp_path / name / "raw" if raw else tmp_path)
    assert names
    assert all(mirror.endswith("/") for mirror in mirrors)
    assert all(checksum.startswith("md5:") for checksum in checksums)


def test_addresses_may_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many programs did while the first mirror of MNIST was down."""
    asked: list[Any] = []
    monkeypatch.setattr(
        "npnet.datasets._source.fetch", lambda *args: asked.append(args) or [Path()]
    )
    names = [name for name, _ in datasets.MNIST.resources]
    replaced = [(f"https://example.org/mine/{name}", "0" * 32) for name in names]
    monkeypatch.setattr(datasets.MNIST, "resources", replaced)
    with pytest.raises(IndexError):
        datasets.MNIST(tmp_path, download=True)
    [(checksums, mirrors, _)] = asked
    assert mirrors[0] == "https://example.org/mine/"
    assert set(checksums.values()) == {"md5:" + "0" * 32}


# ---- made of folders, and of noise -------------------------------------------------------------


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    for number, name in enumerate(["cat/1.png", "cat/deep/2.JPG", "dog/3.bmp", "dog/4.png"]):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = "L" if number == 3 else "RGB"
        Image.fromarray(drawn(9, 7, 3)).convert(mode).save(path)
    (root / "dog" / "notes.txt").write_text("no picture")
    return root


def test_image_folder_is_torchvisions(photographs: Path, theirs: Any) -> None:
    ours, expected = datasets.ImageFolder(photographs), theirs.ImageFolder(photographs)
    for name in ("classes", "class_to_idx", "samples", "imgs", "targets", "extensions"):
        assert getattr(ours, name) == getattr(expected, name)
    assert repr(ours) == repr(expected)
    for (image, label), (their_image, their_label) in zip(ours, expected, strict=True):
        assert (image.mode, label) == (their_image.mode, their_label)
        assert_array_equal(np.asarray(image), np.asarray(their_image))
    ours.transform = transforms.Compose([transforms.Resize((8, 8)), transforms.ToTensor()])
    [(x, y)] = DataLoader(ours, 4)
    assert x.shape == (4, 3, 8, 8)
    assert_array_equal(y, [0, 0, 1, 1])


def test_image_folder_says_what_is_wrong(photographs: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere is no folder; root must be a folder"):
        datasets.ImageFolder(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"Couldn't find any class folder in .*cat"):
        datasets.ImageFolder(photographs / "cat" / "deep")
    (photographs / "fish").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no valid file for the classes fish .*\.jpeg"):
        datasets.ImageFolder(photographs)
    data = datasets.ImageFolder(photographs, allow_empty=True)
    assert data.classes == ["cat", "dog", "fish"]
    (photographs / "fish" / "5.png").write_bytes(b"no picture")
    with pytest.raises(UnidentifiedImageError, match=r"5\.png is no picture that Pillow reads"):
        datasets.ImageFolder(photographs)[4]
    whole = (photographs / "dog" / "4.png").read_bytes()
    (photographs / "fish" / "5.png").write_bytes(whole[:60])
    with pytest.raises(OSError, match=r"5\.png is a damaged picture"):
        datasets.ImageFolder(photographs)[4]


def test_dataset_folder_of_other_files(photographs: Path, theirs: Any) -> None:
    def load(path: str) -> str:
        return Path(path).name

    for arguments in ({"extensions": (".txt", ".bmp")}, {"is_valid_file": lambda p: "4" in p}):
        made = [
            ns.DatasetFolder(photographs, load, allow_empty=True, **arguments)
            for ns in (datasets, theirs)
        ]
        assert made[0].samples == made[1].samples
        assert list(made[0]) == list(made[1])
    with pytest.raises(ValueError, match="takes extensions or is_valid_file, got neither"):
        datasets.DatasetFolder(photographs, load)


def test_fake_data(theirs: Any) -> None:
    data = datasets.FakeData(5, (3, 8, 6), 4, transforms.ToTensor(), random_offset=3)
    assert repr(data) == repr(theirs.FakeData(5, (3, 8, 6), 4, transforms.ToTensor()))
    items = list(data)
    assert len(items) == 5
    assert {x.shape for x, _ in items} == {(3, 8, 6)}
    assert all(type(y) is int and 0 <= y < 4 for _, y in items)
    assert_array_equal(data[2][0], items[2][0])
    assert not np.array_equal(items[0][0], items[1][0])
    shifted = datasets.FakeData(5, (3, 8, 6), 4, transforms.ToTensor(), random_offset=4)
    assert_array_equal(shifted[0][0], items[1][0])


# ---- one's own ---------------------------------------------------------------------------------


def test_vision_dataset_is_made_to_be_subclassed(theirs: Any) -> None:
    def own(base: Any) -> Any:
        class Own(base):  # type: ignore[misc]
            def __getitem__(self, index: int) -> Any:
                return self.transforms(index, -index)

            def __len__(self) -> int:
                return 3

            def extra_repr(self) -> str:
                return "Kind: own\nOther: line"

        return Own

    for arguments in (
        {"transform": abs},
        {"transform": abs, "target_transform": hex},
        {"transforms": StandardTransform(hex, abs)},
        {"root": "somewhere", "target_transform": transforms.Compose([abs, hex])},
    ):
        ours, expected = (
            own(datasets.VisionDataset)(**arguments),
            own(theirs.VisionDataset)(**arguments),
        )
        assert repr(ours) == repr(expected)
        assert ours[2] == expected[2]
    with pytest.raises(ValueError, match="transforms, or transform and target_transform, got both"):
        own(datasets.VisionDataset)(transforms=abs, transform=abs)


def test_a_users_own_item_counts(tmp_path: Path) -> None:
    class Pairs(datasets.MNIST):
        def __getitem__(self, index: int) -> Any:
            first, label = super().__getitem__(index)
            second, other = super().__getitem__(len(self) - 1 - index)
            return npnet.cat([first, second]), float(label == other)

    write_idx_files(tmp_path / "mnist")
    x, y = next(iter(DataLoader(Pairs(tmp_path, transform=transforms.ToTensor()), 4)))
    assert x.shape == (4, 2, 28, 28)
    assert y.dtype == np.float64
