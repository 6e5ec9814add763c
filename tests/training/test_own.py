"""A network, loss, optimizer, schedule and callbacks of the user's own, by the command line."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from npnet import models, train
from npnet.cli import evaluate, plot
from npnet.prediction.networks import network_of
from npnet.runs import own
from npnet.runs.arguments import arguments
from npnet.runs.errors import ConfigError

SOURCE = Path(__file__).with_name("own_network.py")
EVERYTHING = [
    "--model", "my_file.py:Net", "--criterion", "my_file.py:MyLoss",
    "--optimizer", "my_file.py:MyOpt", "--scheduler", "my_file.py:halves",
    "--callbacks", "my_file.py:Decay",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in which a student's file is."""
    shutil.copy(SOURCE, tmp_path / "my_file.py")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def flags(stripes: Path, name: str = "c") -> list[str]:
    return [
        "--dataset", str(stripes), "--epochs", "4", "--batch_size", "32",
        "--checkpoint_dir", name, "--log_dir", name,
    ]  # fmt: skip


def load(spelling: str) -> Any:
    return own.load_object(spelling, "model")


def command(argv: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "npnet", "train", *argv],
        env=os.environ | {"NPNET_BACKEND": "numpy"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_killed_and_resumed_to_the_same_bits(folder: Path, stripes: Path) -> None:
    """Dropout, batch norm, a callback with state that draws random numbers: the whole command."""
    whole = command([*EVERYTHING, "--model_args", "width=6", *flags(stripes, "whole")])
    output, error = whole.communicate(timeout=120)
    assert whole.returncode == 0, error
    assert "24 steps" in output

    killed = command([*EVERYTHING, "--model_args", "width=6", *flags(stripes, "killed")])
    while not (folder / "killed/last.safetensors").exists() and killed.poll() is None:
        time.sleep(0.001)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL

    refused = command(["--resume", "--checkpoint_dir", "killed"])
    _, error = refused.communicate(timeout=60)
    assert refused.returncode == 2
    line = error.partition("type it again: ")[2].split()
    assert line[:2] == ["npnet", "train"]
    resumed = command(line[2:])
    _, error = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, error
    for name in ("best.safetensors", "last.safetensors"):
        a, b = (load_file(folder / run / name) for run in ("whole", "killed"))
        assert a.keys() == b.keys()
        for key in a:
            np.testing.assert_array_equal(a[key], b[key], err_msg=f"{name}: {key}")


def test_files_and_checkpoint_of_an_own_network(folder: Path, stripes: Path) -> None:
    argv = ["--model", "my_file.py:Net", "--model_args", "width=6", "drop=0.5", *flags(stripes)]
    assert train.main(argv) == 0
    result = json.loads((folder / "c/result.json").read_text())
    assert result["model"] == "my_file.py:Net"
    assert json.loads((folder / "c/config.json").read_text())["model_args"] == [
        "width=6",
        "drop=0.5",
    ]
    with pytest.raises(ValueError, match=r"my_file.py:Net\(in_channels=1, num_classes=4, width=6"):
        models.from_checkpoint("c")
    net = own.load_object("my_file.py:Net", "model")
    model = models.from_checkpoint("c", model=net)
    assert model.drop.p == 0.5
    with np.load(stripes) as data:
        x, y = data["x_test"], data["y_test"]
    right = model(model.preprocess(x[:, None])).array.argmax(1) == y
    assert 100 * right.mean() == pytest.approx(result["test"]["accuracy"])


def test_another_class_in_the_place_of_the_runs_is_told(
    folder: Path, stripes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy("my_file.py", "other.py")
    assert train.main(["--model", "my_file.py:Net", *flags(stripes)]) == 0
    capsys.readouterr()
    network_of("c", "my_file.py:Net")
    assert capsys.readouterr().err == ""
    network_of("c", "other.py:Net")
    error = capsys.readouterr().err
    assert "the run's network was my_file.py:Net, and other.py:Net is taken in its place" in error


def test_a_file_that_was_changed_since_is_told_by_whoever_uses_it(
    folder: Path, stripes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main(["--model", "my_file.py:Net", *flags(stripes)]) == 0
    code = hashlib.sha256((folder / "my_file.py").read_bytes()).hexdigest()
    assert models.from_checkpoint("c", load("my_file.py:Net")).checkpoint.code == code
    with (folder / "my_file.py").open("a") as file:
        file.write("\n\nclass Same(Net):\n    pass\n")
    capsys.readouterr()
    network_of("c", "my_file.py:Net")
    error = capsys.readouterr().err
    assert "was my_file.py:Net, and the file of Net is not the file that it was then" in error
    assert error.count("\n") == 1
    assert evaluate.main(["c", "--model", "my_file.py:Net", "--dataset", str(stripes)]) == 0
    assert "the file of Net is not" in capsys.readouterr().err
    assert plot.main(["c", "--kind", "filters", "--model", "my_file.py:Net"]) == 0
    assert "the file of Net is not" in capsys.readouterr().err
    with pytest.warns(UserWarning, match="from_checkpoint: the run's network was my_file.py:Net"):
        models.from_checkpoint("c", load("my_file.py:Net"))
    made = load("my_file.py:Net")(1, 4)
    with pytest.warns(UserWarning, match="the file of Net is not"):
        models.from_checkpoint("c", made)


def test_another_class_of_the_same_file_is_told(folder: Path, stripes: Path) -> None:
    with (folder / "my_file.py").open("a") as file:
        file.write("\n\nclass Other(Net):\n    pass\n\n\ndef make(): return Net(1, 4)\n")
    assert train.main(["--model", "my_file.py:Net", *flags(stripes)]) == 0
    with pytest.warns(UserWarning, match="my_file.py:Net, and Other is taken in its place"):
        models.from_checkpoint("c", load("my_file.py:Other"))
    assert train.main(["--model", "my_file.py:make", *flags(stripes)]) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        models.from_checkpoint("c", load("my_file.py:make"))
        models.from_checkpoint("c", load("my_file.py:Net")(1, 4))


def test_a_best_file_that_is_written_again_has_the_digest_of_then(
    folder: Path, stripes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--model", "my_file.py:Net", *flags(stripes), "--val_ratio", "0"]
    assert train.main(argv) == 0
    best = (folder / "c/best.safetensors").read_bytes()
    (folder / "c/best.safetensors").unlink()
    with (folder / "my_file.py").open("a") as file:
        file.write("\n# another line\n")
    capsys.readouterr()
    assert train.main([*argv, "--resume"]) == 0
    output = capsys.readouterr().out
    assert "was written again" in output
    assert "to the bit" not in output
    assert (folder / "c/best.safetensors").read_bytes() == best


@pytest.mark.filterwarnings("ignore:compile. Ends runs as an eager loop. Softmax")
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_probabilities_under_a_loss_that_takes_logits_are_told_once(
    loss: str, folder: Path, stripes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (folder / "my_file.py").open("a") as file:
        file.write("\n\nclass Ends(Net):\n    def forward(self, x):\n")
        file.write("        return F.softmax(super().forward(x), 1)\n")
    for name in ("Net", "Ends"):
        argv = ["--model", f"my_file.py:{name}", "--criterion", loss, *flags(stripes)]
        assert train.main(argv) == 0
        told = int(name == "Ends" and loss == "cross_entropy")
        assert capsys.readouterr().out.count("Ends gives probabilities") == told
        assert (folder / "c/log.txt").read_text().count("gives probabilities") == told


def test_a_changed_file_is_told(
    folder: Path, stripes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--model", "my_file.py:Net", *flags(stripes)]
    assert train.main(argv) == 0
    capsys.readouterr()
    assert train.main([*argv, "--resume"]) == 0
    assert "is not what it was" not in capsys.readouterr().out
    with (folder / "my_file.py").open("a") as file:
        file.write("\n# another line\n")
    assert train.main([*argv, "--resume"]) == 0
    assert "my_file.py:Net: the file is not what it was" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--model", "my_fil.py:Net"], "there is no file my_fil.py .*did you mean my_file.py:Net"),
        (
            ["--model", "my_file.py:Nett"],
            "there is no Nett in my_file.py; did you mean my_file.py:[nN]et",
        ),
        (["--model", "my_file.py"], "says no name; write FILE:NAME, as my_file.py:Net"),
        (["--model", "no.such.module:Net"], "there is no module no.such.module"),
        (["--model", "my_file.py:MyOpt"], "must be a subclass of npnet.nn.Module"),
        (["--model", "my_file.py:net"], "is a Seven that is made already"),
        (["--model", "my_file.py:Net", "--model_args", "widht=3"], "did you mean 'width'"),
        (["--model", "my_file.py:Net", "--model_args", "width=x"], "width of .* must be int"),
        (["--model", "my_file.py:Net", "--model_args", "width"], "write NAME=VALUE"),
        (["--model", "my_file.py:Flat"], r"failed at my_file.py:\d+ with .* Linear: input has 144"),
        (["--model", "my_file.py:Seven"], r"must give \(N, 4\).*got \(2, 7\)"),
        (["--model", "lenet5", "--model_args", "width=3"], "for a network of your own"),
        (["--optimizer", "my_file.py:Net"], "must be a subclass of npnet.optim.Optimizer"),
        (["--callbacks", "my_file.py:Net"], "must be a subclass of npnet.training.Callback"),
        (["--callbacks", "Stopper"], "write my_file.py:Name"),
        (["--callbacks", "my_file.py:Misspells"], "is no hook.*did you mean on_epoch_end"),
        (["--callbacks", "my_file.py:Needs"], "needs count; give it a default, or name a function"),
        (["--model", "my_file.py:Detached"], "logits that depend on no parameter"),
        (["--model", "my_file.py:Nothing"], "has nothing to train: it has no parameters"),
    ],
)
def test_what_is_wrong_is_one_line(
    argv: list[str], said: str, folder: Path, stripes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main([*argv, *flags(stripes)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(said, error), error
    assert {path.name for path in folder.glob("c/*")} <= {".lock"}  # nothing is written


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("x = 1\ny = [x,\n     foo]\n", r"bad.py:3: NameError: name 'foo' is not defined"),
        ("def f(:\n    pass\n", r"bad.py:1: SyntaxError"),
        ("import sys\nsys.exit(3)\n", r"ended the program at bad.py:2"),
        ("import no_such_module\n", r"bad.py:1: ModuleNotFoundError"),
    ],
)
def test_a_file_that_fails_is_told_by_its_line(
    code: str, said: str, folder: Path, stripes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "bad.py").write_text(code)
    assert train.main(["--model", "bad.py:Net", *flags(stripes)]) == 2
    assert re.search(said, capsys.readouterr().err)


def test_a_file_imports_its_neighbours(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep/neighbour_of_net.py").write_text("width = 3\n")
    (folder / "deep/nets.py").write_text("from neighbour_of_net import width\n")
    assert own.load_object("deep/nets.py:width", "model") == 3


# ---- callbacks -----------------------------------------------------------------------------------


def test_an_error_in_a_callback_is_told_and_the_checkpoint_stays(
    folder: Path, stripes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main(["--callbacks", "my_file.py:Breaks", *flags(stripes)]) == 1
    line = SOURCE.read_text().splitlines().index('            raise KeyError("nothing here")') + 1
    error = capsys.readouterr().err
    assert f"callback Breaks.on_epoch_end failed at my_file.py:{line}: KeyError" in error
    assert len((folder / "c/metrics.csv").read_text().splitlines()) == 2  # the first epoch's
    assert (folder / "c/last.safetensors").exists()


@pytest.mark.parametrize(
    ("name", "said"), [("Exits", "SystemExit: 0"), ("Forgets", "TypeError: .* 0 positional")]
)
def test_a_callback_that_ends_the_program_or_takes_nothing(
    name: str, said: str, folder: Path, stripes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main(["--callbacks", f"my_file.py:{name}", *flags(stripes)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(rf"{name}.on_epoch_end failed at my_file.py:\d+: {said}", error), error


def test_a_callback_stops_a_run_and_a_resume_does_not_go_on(
    folder: Path, stripes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--callbacks", "my_file.py:Stopper", *flags(stripes)]
    for more in ([], ["--resume"]):
        assert train.main([*argv, *more]) == 0
        assert "stopped early: two are enough" in capsys.readouterr().out
        assert json.loads((folder / "c/result.json").read_text())["epochs"] == 2


def test_what_is_changed_after_it_was_saved_is_an_error(
    folder: Path, stripes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main(["--callbacks", "my_file.py:TooLate", *flags(stripes)]) == 1
    assert "on_checkpoint changed weights" in capsys.readouterr().err


# ---- arguments -----------------------------------------------------------------------------------


def build(a, b: int = 1, c: float = 1.0, d: bool = False, e: tuple[int, ...] = (), f=None, g="x"):  # type: ignore[no-untyped-def]
    """Takes one of each."""


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("a=3", 3),
        ("a=text", "text"),
        ("a=[1, 2]", [1, 2]),
        ("b=7", 7),
        ("c=2", 2.0),
        ("d=true", True),
        ("e=3,4", (3, 4)),
        ("e=3", (3,)),
        ("f=None", None),
        ("g=3", "3"),
    ],
)
def test_words_are_of_the_parameters_types(word: str, value: object) -> None:
    name = word.partition("=")[0]
    words = [word] if name == "a" else ["a=0", word]
    found = arguments(build, words, {}, "model_args", "build")[name]
    assert found == value
    assert type(found) is type(value)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ConfigError, match="build needs a; add --model_args a=VALUE"):
        arguments(build, [], {}, "model_args", "build")


# ---- optimizers and rates of one's own, resumed --------------------------------------------------

ODD = """
import npnet
from npnet.training import Callback


class Odd(npnet.optim.Optimizer):
    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state.setdefault(p, {"sign": 1.0, "trace": []})
                state["sign"] = -state["sign"]
                state["trace"] = [*state["trace"][-2:], float(p.grad.abs().mean())]
                p.data.add_(p.grad, alpha=-group["lr"] * (1 + 0.1 * state["sign"]))


class Rates(Callback):
    def on_epoch_start(self, trainer):
        trainer.optimizer.param_groups[0]["lr"] = 0.05 / trainer.epoch
"""


def test_an_optimizer_of_ones_own_is_resumed(folder: Path, stripes: Path) -> None:
    (folder / "odd.py").write_text(ODD)
    argv = ["--model", "mlp", "--optimizer", "odd.py:Odd", "--callbacks", "odd.py:Rates"]
    assert train.main([*argv, *flags(stripes, "whole")]) == 0
    assert train.main([*argv, *flags(stripes, "parts"), "--epochs", "2"]) == 0
    assert train.main([*argv, *flags(stripes, "parts"), "--resume"]) == 0
    a, b = (load_file(folder / run / "last.safetensors") for run in ("whole", "parts"))
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)
