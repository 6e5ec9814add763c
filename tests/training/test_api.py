"""Trainer and fit: a program's own network and data, by the engine of the command."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import npnet
from npnet import models, nn, train
from npnet.runs.errors import ConfigError, FailedError
from npnet.training import Callback, EarlyStopping, History, Trainer, fit
from npnet.utils.data import DataLoader, Dataset, SubsetRandomSampler, TensorDataset

QUIET: dict[str, Any] = {"verbose": False, "batch_size": 32, "learning_rate": 0.05}


class Net(nn.Module):
    def __init__(self, in_channels: int = 1, num_classes: int = 4) -> None:
        super().__init__()
        self.fc = nn.Linear(144 * in_channels, num_classes)

    def forward(self, x: npnet.Tensor) -> npnet.Tensor:
        return self.fc(x.flatten(1))


@pytest.fixture(scope="module")
def arrays(stripes: Path) -> dict[str, Any]:
    with np.load(stripes) as file:
        return dict(file)


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_same_bits_as_the_command(stripes: Path, arrays: dict[str, Any], tmp_path: Path) -> None:
    """By name, by class, and by a network that the same seed has made."""
    settings = {"epochs": 2, "batch_size": 32, "learning_rate": 0.05, "seed": 3}
    argv = [word for name, v in settings.items() for word in (f"--{name}", str(v))]
    argv += ["--dataset", str(stripes), "--model", "lenet5"]
    assert train.main([*argv, "--checkpoint_dir", "c", "--log_dir", "c"]) == 0
    command = load_file(tmp_path / "c/best.safetensors")
    npnet.manual_seed(3)
    made = models.LeNet5(num_classes=4)
    x, y = (arrays["x"], arrays["y"]), (arrays["x_test"], arrays["y_test"])
    for model in ("lenet5", models.LeNet5, made):
        trainer = Trainer(model, train=x, test=y, verbose=False, **settings)
        trainer.fit()
        weights = trainer.model.state_dict()
        for name, array in command.items():
            np.testing.assert_array_equal(weights[name].numpy(), array, err_msg=name)


def test_the_digest_of_the_file_of_a_network(arrays: dict[str, Any], tmp_path: Path) -> None:
    """Of the user's own, and of none of npnet's."""
    x = (arrays["x"], arrays["y"])
    for model, code in (
        (Net, hashlib.sha256(Path(__file__).read_bytes()).hexdigest()),
        (models.LeNet5, ""),
    ):
        fit(model, x, checkpoint_dir="c", epochs=1, **QUIET)
        given = Net if model is Net else None
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert models.from_checkpoint("c", given).checkpoint.code == code


def test_a_trainer_is_stopped_while_it_trains(arrays: dict[str, Any]) -> None:
    class Watch(Callback):
        def on_epoch_end(self, run: Any) -> None:
            trainer.stop("seen enough")

    trainer = Trainer(
        Net(), train=(arrays["x"], arrays["y"]), epochs=5, callbacks=[Watch()], **QUIET
    )
    with pytest.raises(ConfigError, match="stop: nothing is being trained"):
        trainer.stop()
    assert len(trainer.fit()) == 1
    with pytest.raises(ConfigError, match="stop: nothing is being trained"):
        trainer.stop()


def test_nothing_is_written_unless_folders_are_named(
    arrays: dict[str, Any], tmp_path: Path
) -> None:
    x, y = (arrays["x"], arrays["y"]), (arrays["x_test"], arrays["y_test"])
    trainer = Trainer(Net(), train=x, test=y, epochs=2, **QUIET)
    history = trainer.fit()
    assert list(tmp_path.iterdir()) == []
    assert isinstance(history, History)
    assert len(history) == 2
    assert history.test is not None
    assert history.test_accuracy == trainer.evaluate(y).accuracy == trainer.evaluate().accuracy
    logits = trainer.predict(arrays["x_test"])
    assert (logits.array.argmax(1) == history.test.predicted).all()
    fit(Net(), x, epochs=1, log_dir="log", **QUIET)
    assert {path.name for path in tmp_path.iterdir()} == {"log"}
    fit(Net(), x, epochs=1, checkpoint_dir="c", **QUIET)
    assert (tmp_path / "c/best.safetensors").exists()


def test_the_best_weights_are_restored(arrays: dict[str, Any]) -> None:
    class Spoils(Callback):
        """Validates badly from the third epoch on."""

        def on_epoch_start(self, trainer: Any) -> None:
            if trainer.epoch > 2:
                trainer.optimizer.param_groups[0]["lr"] = 1e-9
                for weight in trainer.model.parameters():
                    weight.data.mul_(-1.0)

    model = Net()
    trainer = Trainer(
        model,
        train=(arrays["x"], arrays["y"]),
        epochs=4,
        callbacks=[Spoils()],
        **QUIET,
    )
    history = trainer.fit()
    assert history.best_epoch <= 2
    assert model is trainer.model
    found = trainer.evaluate((arrays["x"], arrays["y"])).accuracy
    assert found > 90
    assert not model.training


def test_resumed_in_python_to_the_same_bits(arrays: dict[str, Any]) -> None:
    data = (arrays["x"], arrays["y"])

    def run(folder: str, epochs: int, **settings: Any) -> dict[str, Any]:
        trainer = Trainer(
            Net, train=data, epochs=epochs, checkpoint_dir=folder, **(QUIET | settings)
        )
        trainer.fit()
        return dict(trainer.model.state_dict())

    whole = run("whole", 3)
    run("parts", 1)
    parts = run("parts", 3, resume=True)
    for name, tensor in whole.items():
        np.testing.assert_array_equal(tensor.numpy(), parts[name].numpy())


class Pairs(Dataset):
    """A data set as people write them."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x.astype(np.float32)[:, None] / 255, y

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.x[index], int(self.y[index])


def test_data_sets_and_loaders(arrays: dict[str, Any]) -> None:
    x, y = arrays["x"], arrays["y"]
    pairs = Pairs(x, y)
    tensors = TensorDataset(pairs.x, y)
    one = fit(Net, pairs, epochs=2, **QUIET)
    two = fit(Net, tensors, epochs=2, **QUIET)
    assert [e.val_loss for e in one] == [e.val_loss for e in two]  # the same split and order
    loader = DataLoader(tensors, 16, shuffle=True)
    quiet = QUIET | {"batch_size": 16}
    first, again = (fit(Net, loader, epochs=2, val=tensors, **quiet) for _ in range(2))
    assert [e.train_loss for e in first] == [e.train_loss for e in again]
    assert first[-1].val_accuracy > 90
    flat = fit(nn.Linear(144, 4), (pairs.x.reshape(-1, 144), y), epochs=1, **QUIET)
    assert len(flat) == 1


def test_steps_and_samples_of_a_loader(arrays: dict[str, Any], tmp_path: Path) -> None:
    """They are the loader's, whatever `batch_size` would make of its data set."""
    heard: list[tuple[int, ...]] = []

    class Hears(Callback):
        def on_epoch_end(self, trainer: Any) -> None:
            heard.append((trainer.steps, trainer.step, trainer.total, trainer.done))

    pairs = Pairs(arrays["x"][:50], arrays["y"][:50])
    for loader in (
        DataLoader(pairs, 4, drop_last=True),
        DataLoader(pairs, 4),
        DataLoader(pairs, 4, sampler=SubsetRandomSampler(range(10))),
        DataLoader(pairs, batch_sampler=[[0, 1], [2, 3, 4]]),
    ):
        fit(Net, loader, epochs=1, callbacks=[Hears()], verbose=False)
    assert heard[0] == (12, 12, 48, 48)
    assert heard[1] == (13, 13, 50, 50)
    assert heard[2] == (3, 3, 10, 10)
    assert heard[3][:2] == (2, 2)
    fit(Net, DataLoader(pairs, 10), epochs=2, log_dir="log", log_every=1, verbose=False)
    reader = EventAccumulator(str(tmp_path / "log/steps"), size_guidance={"scalars": 0})
    reader.Reload()
    assert [event.step for event in reader.Scalars("step/loss")] == list(range(1, 11))


def test_objects_in_place_of_names(arrays: dict[str, Any]) -> None:
    data = (arrays["x"], arrays["y"])
    named = fit(Net, data, epochs=2, **QUIET)
    npnet.manual_seed(0)
    model = Net()
    optimizer = npnet.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    given = fit(
        model,
        data,
        epochs=2,
        optimizer=optimizer,
        criterion=nn.CrossEntropyLoss(),
        scheduler=lambda opt: npnet.optim.lr_scheduler.StepLR(opt, 1, 1.0),
        **QUIET,
    )
    assert [e.train_loss for e in given] == [e.train_loss for e in named]


def test_early_stopping(arrays: dict[str, Any]) -> None:
    data = (arrays["x"], arrays["y"])
    quiet = QUIET | {"learning_rate": 1e-30}
    by_setting = fit(Net, data, epochs=20, patience=2, **quiet)
    by_callback = fit(Net, data, epochs=20, callbacks=[EarlyStopping(2)], **quiet)
    assert len(by_setting) == len(by_callback) == by_setting.best_epoch + 2 < 20


def test_hooks_come_in_order(arrays: dict[str, Any]) -> None:
    heard: list[str] = []

    class Hears(Callback):
        def on_train_start(self, trainer: Any) -> None:
            heard.append(f"start {trainer.epoch}/{trainer.epochs}")

        def on_epoch_start(self, trainer: Any) -> None:
            heard.append(f"epoch {trainer.epoch}")

        def on_step_end(self, trainer: Any) -> None:
            heard.append(f"step {trainer.step}/{trainer.steps}")
            assert np.isfinite(trainer.loss)

        def on_epoch_end(self, trainer: Any) -> None:
            heard.append(f"end {len(trainer.history)}")
            trainer.should_stop = True

        def on_checkpoint(self, trainer: Any) -> None:
            heard.append(f"saved {trainer.best_epoch}")

        def on_train_end(self, trainer: Any) -> None:
            heard.append("over")

        def on_test_end(self, trainer: Any) -> None:
            heard.append(f"tested {trainer.result['test']['total']}")

        def close(self) -> None:
            heard.append("closed")

    x, y = (arrays["x"], arrays["y"]), (arrays["x_test"], arrays["y_test"])
    fit(Net, x, test=y, epochs=3, callbacks=[Hears()], **(QUIET | {"batch_size": 96}))
    assert heard == [
        "start 0/3", "epoch 1", "step 1/2", "step 2/2", "end 1", "saved 1", "over", "tested 60",
        "closed",
    ]  # fmt: skip


def test_what_a_callback_keeps(arrays: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    class Keeps(Callback):
        def __init__(self) -> None:
            self.numbers, self.array = [1], np.arange(3)
            self.seen: set[int] = set()

        def on_epoch_end(self, trainer: Any) -> None:
            self.numbers.append(trainer.epoch)
            self.array = self.array + 1

    data = (arrays["x"], arrays["y"])
    settings: dict[str, Any] = QUIET | {"checkpoint_dir": "c", "verbose": True}
    fit(Net, data, epochs=1, callbacks=[Keeps()], **settings)
    capsys.readouterr()
    keeps = Keeps()
    fit(Net, data, epochs=2, callbacks=[keeps], resume=True, **settings)
    assert keeps.numbers == [1, 1, 2]
    assert isinstance(keeps.array, np.ndarray)
    assert keeps.array.tolist() == [2, 3, 4]
    assert "Keeps: its seen, a set, is not kept" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epoks": 1}, "did you mean 'epochs'"),
        ({"epochs": "3"}, "epochs must be int"),
        ({"callbacks": [EarlyStopping]}, r"must be an instance .*write EarlyStopping\(\)"),
        ({"model": 3}, "model: must be a Module"),
        ({"train": 3}, "train: must be a name"),
        ({"train": None}, "train: must be a name"),
        ({"train": (np.full((8, 144), np.nan), np.arange(8) % 4)}, "x has values that are NaN"),
        ({"train": (np.zeros((4, 144)), np.array(list("abcd")))}, "y must be class numbers"),
        ({"train": ([[1.0], [1.0, 2.0]], [0, 1])}, "x and y must be arrays"),
        ({"val": (np.zeros((3, 12, 12), np.uint8), np.zeros(4, int))}, "of one length"),
        ({"model": nn.Linear(3, 4)}, "failed .*with 2 blank images 1 x 12 x 12"),
        ({"optimizer": lambda params, lr: None}, "made a NoneType"),
        ({"resume": True}, "name that too"),
    ],
)
def test_what_is_wrong(settings: dict[str, Any], said: str, arrays: dict[str, Any]) -> None:
    given = {"model": Net(), "train": (arrays["x"], arrays["y"]), **QUIET, **settings}
    with pytest.raises(RuntimeError, match=said):
        Trainer(given.pop("model"), **given).fit()


def test_no_setting_is_ignored_beside_an_object(arrays: dict[str, Any]) -> None:
    x, y = arrays["x"], arrays["y"]
    loader, pairs = DataLoader(Pairs(x, y), 16), (x, y)
    model = Net()
    rule = npnet.optim.SGD(model.parameters(), lr=0.01)

    def half(rule: Any) -> Any:
        return npnet.optim.lr_scheduler.StepLR(rule, 1, 0.5)

    for source, settings in (
        (loader, {"batch_size": 32}),
        (loader, {"val_ratio": 0.1}),
        (loader, {"image_size": 32}),
        (Pairs(x, y), {"augment": True}),
        (pairs, {"val": pairs, "val_ratio": 0.1}),
        (pairs, {"optimizer": rule, "learning_rate": 5.0}),
        (pairs, {"optimizer": rule, "weight_decay": 0.1}),
        (pairs, {"scheduler": half, "gamma": 0.5}),
        (pairs, {"model_args": ("width=3",)}),
    ):
        name = list(settings)[-1]
        with pytest.raises(ConfigError, match=f"^{name}: "):
            fit(model, source, epochs=1, verbose=False, **settings)
    with pytest.raises(ConfigError, match="takes no momentum, so that momentum"):
        fit(
            Net,
            pairs,
            optimizer=lambda params, lr: npnet.optim.Adam(params, lr),
            momentum=0.5,
            epochs=1,
            verbose=False,
        )
    seen: list[Any] = []
    fit(
        Net,
        pairs,
        optimizer=lambda params, **said: seen.append(said) or npnet.optim.SGD(params, **said),
        learning_rate=0.2,
        epochs=1,
        verbose=False,
    )
    assert seen == [{"lr": 0.2}]


def test_an_error_in_a_callback_names_its_line(arrays: dict[str, Any]) -> None:
    class Breaks(Callback):
        def on_step_end(self, trainer: Any) -> None:
            raise ZeroDivisionError("none")

    with pytest.raises(FailedError, match=r"Breaks.on_step_end failed at .*test_api.py:\d+: Zero"):
        fit(Net, (arrays["x"], arrays["y"]), epochs=1, callbacks=[Breaks()], **QUIET)


def test_values_that_are_not_finite_are_the_datas(arrays: dict[str, Any]) -> None:
    pairs = Pairs(arrays["x"], arrays["y"])
    pairs.x[:, 0, 3, 3] = np.nan
    with pytest.raises(FailedError, match="samples of step 1 of epoch 1 have values that are NaN"):
        fit(Net, pairs, epochs=1, **QUIET)


def test_labels_that_are_no_classes(arrays: dict[str, Any]) -> None:
    floats = TensorDataset(arrays["x"].astype(np.float32), arrays["y"].astype(np.float32))
    with pytest.raises(ConfigError, match="labels must be class numbers"):
        fit(Net, floats, epochs=1, **QUIET)
