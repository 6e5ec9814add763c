"""The settings of a run: one dataclass that command line, help text and JSON are read from."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from npnet import models
from npnet.base.checks import check_number, unknown_name
from npnet.base.threads import MOST_THREADS
from npnet.datasets import NAMES as DATASETS
from npnet.datasets import names_file
from npnet.runs.errors import ConfigError
from npnet.runs.optimizers import OPTIMIZERS
from npnet.runs.own import is_own
from npnet.runs.settings import check_path, checked_values, read_settings
from npnet.training import recipes

__all__ = [
    "BATCH_NORM",
    "CRITERIA",
    "GIVEN",
    "OWN_PARTS",
    "SCHEDULERS",
    "WEIGHT_DECAY_ON",
    "Config",
]

CRITERIA = ("cross_entropy", "mse", "softmax_bce")
# Each with what it takes besides the learning rate and the epochs.
SCHEDULERS: dict[str, tuple[str, ...]] = {
    "none": (),
    "poly": (),
    "step": ("step_size", "gamma"),
    "multistep": ("milestones", "gamma"),
    "exponential": ("gamma",),
    "cosine": ("min_learning_rate",),
    "warmup_cosine": ("warmup_epochs", "min_learning_rate"),
    "warmup_exponential": ("warmup_epochs", "gamma"),
    "onecycle": ("pct_start", "div_factor", "final_div_factor"),
    "plateau": ("gamma", "plateau_patience", "min_learning_rate"),
}
WEIGHT_DECAY_ON = ("all", "weights")
BATCH_NORM = ("batch", "shard")
GIVEN = "given in Python"
"""The data set of a run whose data a program gave, and no name."""
OWN_PARTS = ("model", "criterion", "optimizer", "scheduler", "callbacks")
"""The settings that may name code of the user's own, as my_file.py:Name."""
LARGEST_COUNT = 10**9  # of epochs, images and pixels


@dataclass(frozen=True)
class Config:
    """Train a network, and test the checkpoint that did best on the validation split.

    Accuracy is the share of images whose largest output is the right class. "sampled" is the share
    where the class is drawn by the network's probabilities instead: it says how sure the network
    is, and is lower.
    """

    # What the help text and the shell know besides the fields. A group of flags begins at a field.
    GROUPS: ClassVar[dict[str, str]] = {
        "data": "dataset",
        "network": "model",
        "optimisation": "epochs",
        "schedule": "scheduler",
        "regularisation": "weight_decay",
        "output": "checkpoint_dir",
        "settings of a run": "recipe",
        "machine": "seed",
    }
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {
        "dataset": DATASETS,
        "model": tuple(models.MODELS),
        "criterion": CRITERIA,
        "optimizer": tuple(OPTIMIZERS),
        "scheduler": tuple(SCHEDULERS),
        "weight_decay_on": WEIGHT_DECAY_ON,
        "batch_norm": BATCH_NORM,
        "recipe": tuple(recipes.RECIPES),
    }
    PATHS: ClassVar[tuple[str, ...]] = (
        "data_dir",
        "checkpoint_dir",
        "log_dir",
        "init_from",
        "config",
    )
    EXAMPLES: ClassVar[dict[str, str]] = {
        "lenet5 on MNIST, ten epochs": "--model lenet5 --dataset mnist",
        "the best that it comes to": "--recipe lenet5-best",
        "images of your own": "--model convnet --dataset mine.npz --augment",
        "a network of your own": "--model my_file.py:Net --model_args width=32",
        "go on with a run that was stopped": "--resume",
    }

    dataset: str = "auto"
    """auto (MNIST where it can be had, else npnet's own digits), mnist, fashion-mnist, cifar10,
    digits, or your own: a folder of class folders of pictures (perhaps in train/, val/ and test/),
    a .csv file of pixels with a column label, or a .npz file with arrays x and y (and optionally
    x_test and y_test); the run records what auto came to"""
    data_dir: str | None = None
    """folder where data sets are, or are put; default: $NPNET_DATA, else your cache folder"""
    val_ratio: float = 0.2
    """share of the training images that is held out to choose the best checkpoint"""
    image_size: int | None = None
    """resize the images to this height and width; default: the least change that the network
    takes (resnet18 and resnet20 take any size from 32)"""
    model: str = "lenet4"
    """the network: lenet4 (the course's, and the default; one convolution fewer than lenet5),
    lenet5, lenet, lenet_fc, convnet, resnet18, resnet20 or mlp, or your own, as my_file.py:Net"""
    model_args: tuple[str, ...] = ()
    """what a network of your own is made with, as width=32 depth=2; in_channels and num_classes are
    given to it where it takes them"""
    init_from: str | None = None
    """start from the weights of this checkpoint (.safetensors) with a new optimizer"""
    epochs: int = 10
    """how often the training images are gone through"""
    batch_size: int = 128
    """images in a training step"""
    criterion: str = "cross_entropy"
    """the loss: cross_entropy, mse (against one-hot targets) or softmax_bce, or your own, of logits
    and class numbers, as my_file.py:MyLoss"""
    optimizer: str = "sgd"
    """the rule that updates the weights: sgd, adam, adamw, nadam, rmsprop, adadelta, adagrad,
    adamax or radam, or your own, as my_file.py:MyOpt"""
    learning_rate: float = 1e-2
    """step size of the optimizer in the first epoch; the highest one of the schedules
    warmup_cosine, warmup_exponential and onecycle"""
    momentum: float = 0.9
    """share of the last step that sgd and rmsprop keep; 0 is plain gradient descent"""
    nesterov: bool = False
    """look ahead along the momentum (sgd)"""
    clip_grad_norm: float | None = None
    """scale gradients down to this norm where it is larger"""
    scheduler: str = "none"
    """how the learning rate changes, after each epoch: none, poly, step, multistep, exponential,
    cosine or plateau; after each batch: warmup_cosine, warmup_exponential or onecycle (which leaves
    the momentum as it is); or your own, as my_file.py:MySched, after each epoch"""
    use_scheduler: bool = False
    """lower the learning rate polynomially: times (1 - epoch/epochs)**0.9; short for
    --scheduler poly"""
    step_size: int = 2
    """epochs between two steps of --scheduler step"""
    milestones: tuple[int, ...] = ()
    """epochs after which --scheduler multistep takes a step"""
    gamma: float = 0.1
    """factor of each step (step, multistep, plateau) or epoch (exponential, and warmup_exponential,
    which takes an equal part of it after each batch)"""
    warmup_epochs: float = 1.0
    """epochs in which the learning rate rises along a line, at first (warmup_*); may be a part"""
    min_learning_rate: float = 0.0
    """where the learning rate ends (cosine, warmup_cosine, plateau)"""
    plateau_patience: int = 2
    """epochs without a lower validation loss that --scheduler plateau puts up with"""
    pct_start: float = 0.3
    """share of the batches on the way up (onecycle)"""
    div_factor: float = 25.0
    """learning_rate over that of the first batch (onecycle)"""
    final_div_factor: float = 1e4
    """learning rate of the first batch over that of the last (onecycle)"""
    weight_decay: float = 0.0
    """pull of all weights towards 0 (L2 penalty; decoupled for adamw)"""
    weight_decay_on: str = "all"
    """what weight_decay pulls: all, or weights, which spares biases and batch norm (parameters of
    fewer than two axes)"""
    bias_lr_factor: float = 1.0
    """learning rate of biases, batch norm's among them, over that of all other weights"""
    batch_norm: str = "batch"
    """whose mean and variance batch norm takes in training: those of the whole batch, or of the
    shard that an image is in: an eighth of the batch, or fewer and larger ones so that all have the
    same size, 16 images or more; ranks then have nothing to wait for within a step"""
    batch_norm_momentum: float | None = None
    """share of each batch in the running statistics of batch norm, which evaluation takes; default:
    the network's own, 0.1; with --ema, a larger one lets the average keep up"""
    label_smoothing: float = 0.0
    """share of each training target that is spread over all classes (cross_entropy); validation
    and test losses are without it"""
    augment: bool = False
    """change the training images at random, by the standard set of the data set: shifts, rotation,
    scale and shear of digits and characters, crops and mirror images of clothes and photographs"""
    alternating_flip: bool = False
    """mirror each image in every second epoch, in place of a coin for each, so that in two epochs
    both sides of it are seen (--augment of clothes and photographs)"""
    cutout: int | None = None
    """hide a square of this many pixels a side in each training image, under its mean colour"""
    ema: float | None = None
    """decay of a moving average of weights and buffers, such as 0.999, which is validated, saved
    as the best checkpoint and tested; in step n no more than (1 + n)/(10 + n)"""
    mirror_test: bool = False
    """test once more, with the mean of the logits of each image and its mirror image; the accuracy
    of the images as they are stays the one that counts"""
    patience: int | None = None
    """stop after so many epochs without a better validation accuracy"""
    callbacks: tuple[str, ...] = ()
    """your own (npnet.training.Callback), as my_file.py:Stopper other.py:Printer"""
    checkpoint_dir: str = "./checkpoint"
    """folder for best.safetensors, last.safetensors and config.json"""
    log_dir: str | None = None
    """folder for TensorBoard events, log.txt, metrics.csv, result.json, classes.csv, curves.png,
    confusion.png and errors.png; default: ./runs/<time>-<model>"""
    log_images: bool = False
    """show TensorBoard by epoch the filters of the first layer, histograms of weights and gradients
    and the worst errors of the validation split; takes about a second an epoch"""
    log_every: int | None = None
    """show TensorBoard the loss and learning rate of every so many steps, in log_dir/steps"""
    record: bool = False
    """keep small snapshots of the weights in checkpoint_dir/snapshots, of at most 24 epochs and
    64 MB, for npnet explore to play how the network learnt"""
    resume: bool = False
    """go on from last.safetensors in --checkpoint_dir as if the run had never stopped"""
    recipe: str | None = None
    """take the defaults of all other flags from this documented run (npnet recipes lists them)"""
    config: str | None = None
    """read the defaults of all other flags from this JSON file, such as a run's config.json, whose
    logs stay where they are: the new run has a log_dir of its own"""
    seed: int = 0
    """of the split, the initial weights, the order of images and dropout: same seed, same bits"""
    threads: int | None = None
    """threads to compute with; default: $NPNET_NUM_THREADS, else all cores, which the ranks of one
    machine share"""
    allreduce: bool = False
    """of several ranks (mpiexec -n 4 python -m mpi4py -m npnet.train ...), let MPI add up the
    gradients in its own order: fewer bytes for most networks, and other bits for each number of
    ranks; default: in an order that gives the bits of one process"""

    def __post_init__(self) -> None:
        """Check every setting. Raises ConfigError."""
        try:
            self._check_paths()
            self._check_names()
            self._check_numbers()
            self._check_schedule()
        except ValueError as error:
            raise ConfigError(str(error)) from None

    def _check_paths(self) -> None:
        for field in self.PATHS:
            if getattr(self, field) is not None:
                check_path(field, getattr(self, field))
        if names_file(self.dataset):
            check_path("dataset", self.dataset)

    def _check_names(self) -> None:
        is_own = names_file(self.dataset) or self.dataset == GIVEN
        free = {"recipe", "dataset"} if is_own else {"recipe"}
        for field, known in self.CHOICES.items():
            value = getattr(self, field)
            if field not in free and field not in self.spellings and value not in known:
                raise ValueError(unknown_name(field, value, known))
        self._check_own()
        if self.use_scheduler and self.scheduler not in ("none", "poly"):
            raise ValueError(
                f"use_scheduler is short for the scheduler poly, but scheduler is "
                f"'{self.scheduler}'; leave one of them out"
            )
        if self.label_smoothing and self.criterion != "cross_entropy":
            raise ValueError(
                f"label_smoothing: only the criterion cross_entropy has it, got {self.criterion}"
            )
        if self.alternating_flip and not self.augment:
            raise ValueError("alternating_flip: is of how --augment mirrors images; add --augment")
        if self.nesterov and (self.optimizer != "sgd" or self.momentum == 0):
            raise ValueError("nesterov: needs the optimizer sgd with a momentum above 0")
        if self.recipe is not None:
            recipes.check(self.recipe, self.model, self.dataset)

    def _check_own(self) -> None:
        if self.model_args and "model" not in self.spellings:
            raise ValueError(
                f"model_args: are for a network of your own, as --model my_file.py:Net; "
                f"{self.model} takes none"
            )
        for spelling in self.callbacks:
            if not is_own(spelling):
                raise ValueError(f"callbacks: write my_file.py:Name, got {spelling!r}")
        for field in ("weight_decay_on", "bias_lr_factor"):
            if "optimizer" in self.spellings and not self._is_default(field):
                raise ValueError(
                    f"{field}: an optimizer of your own is given all parameters as one group"
                )
        if "criterion" in self.spellings and self.batch_norm == "shard":
            raise ValueError(
                "batch_norm: shard takes the mean of the shards' losses, which a criterion of your "
                f"own may not be for; leave it out, or choose one of {', '.join(CRITERIA)}"
            )

    def _check_numbers(self) -> None:
        for field in ("learning_rate", "gamma", "bias_lr_factor"):
            check_number("config", field, getattr(self, field), above=0)
        if self.batch_norm_momentum is not None:
            check_number("config", "batch_norm_momentum", self.batch_norm_momentum, above=0, most=1)
        check_number("config", "momentum", self.momentum, least=0, below=1)
        check_number("config", "weight_decay", self.weight_decay, least=0)
        check_number("config", "label_smoothing", self.label_smoothing, least=0, below=1)
        check_number("config", "val_ratio", self.val_ratio, least=0, below=1)
        for field in ("batch_size", "epochs", "step_size"):
            check_number("config", field, getattr(self, field), least=1)
            check_number("config", field, getattr(self, field), most=LARGEST_COUNT)
        check_number("config", "seed", self.seed, least=0)
        if self.threads is not None:
            check_number("config", "threads", self.threads, least=1, most=MOST_THREADS)
        for field in ("patience", "cutout", "image_size", "log_every"):
            if getattr(self, field) is not None:
                check_number("config", field, getattr(self, field), least=1)
                check_number("config", field, getattr(self, field), most=LARGEST_COUNT)
        if self.patience is not None and self.val_ratio == 0:
            raise ValueError("patience: waits for a better validation accuracy; val_ratio is 0")
        if self.clip_grad_norm is not None:
            check_number("config", "clip_grad_norm", self.clip_grad_norm, above=0)
        if self.ema is not None:
            check_number("config", "ema", self.ema, above=0, below=1)

    def _check_schedule(self) -> None:
        """The schedule's own options are in range, and it does something within the epochs."""
        for field in ("warmup_epochs", "div_factor", "final_div_factor"):
            check_number("config", field, getattr(self, field), above=0)
        check_number("config", "plateau_patience", self.plateau_patience, least=0)
        check_number("config", "min_learning_rate", self.min_learning_rate, least=0)
        check_number("config", "pct_start", self.pct_start, above=0, below=1)
        rising = list(self.milestones) == sorted(set(self.milestones))
        if not rising or any(milestone < 1 for milestone in self.milestones):
            raise ValueError(f"config: milestones must be rising epochs, got {self.milestones}")
        if self.schedule == "multistep" and not self.milestones:
            raise ValueError("milestones: the scheduler multistep needs at least one epoch")
        if self.schedule == "plateau" and self.gamma >= 1:
            raise ValueError(f"gamma: the scheduler plateau needs one below 1, got {self.gamma:g}")
        used = SCHEDULERS.get(self.schedule, ())
        if "min_learning_rate" in used and self.min_learning_rate >= self.learning_rate:
            raise ValueError(
                f"min_learning_rate must be below learning_rate, {self.learning_rate:g}, got "
                f"{self.min_learning_rate:g}"
            )
        last = {  # the epoch that begins with the last change, and the flag that says so
            "step_size": self.step_size + 1,
            "milestones": self.milestones[-1] + 1 if self.milestones else 0,
            "warmup_epochs": math.floor(self.warmup_epochs) + 1,
            "plateau_patience": self.plateau_patience + 3,  # after the best epoch, and the bad ones
        }
        for field in used:
            if field in last and last[field] > self.epochs and not self._is_default(field):
                raise ValueError(
                    f"{field}: the scheduler {self.schedule} with {field} {getattr(self, field)} "
                    f"needs at least {last[field]} epochs, got {self.epochs}; lower --{field}, "
                    "raise --epochs, or choose another --scheduler"
                )

    def _is_default(self, name: str) -> bool:
        """Whether a setting is as npnet, and nobody else, has it."""
        return bool(getattr(self, name) == getattr(type(self), name))

    @property
    def too_short(self) -> str:
        """What the schedule can't do in so few epochs with its defaults; "" if nothing."""
        at = f"in {self.epochs} epoch{'s' if self.epochs > 1 else ''}"
        if self.schedule == "step" and self.step_size >= self.epochs:
            return f"the scheduler step takes no step {at}: step_size is {self.step_size}"
        if self.schedule == "plateau" and self.plateau_patience + 3 > self.epochs:
            return (
                f"the scheduler plateau takes no step {at}: plateau_patience is "
                f"{self.plateau_patience}"
            )
        if "warmup_epochs" in SCHEDULERS.get(self.schedule, ()) and self.warms_up < (
            self.warmup_epochs
        ):
            return (
                f"the scheduler {self.schedule} warms up for half of the run {at}: warmup_epochs "
                f"is {self.warmup_epochs:g}"
            )
        return ""

    @property
    def warms_up(self) -> float:
        """Epochs of warm-up: at most half of a run that is as short as the default warm-up."""
        if self._is_default("warmup_epochs") and self.epochs <= self.warmup_epochs:
            return self.epochs / 2
        return self.warmup_epochs

    @property
    def idle(self) -> set[str]:
        """Settings of other schedules and optimizers than the chosen ones."""
        idle = {name for names in SCHEDULERS.values() for name in names}
        idle -= set(SCHEDULERS.get(self.schedule, ()))
        rule = OPTIMIZERS.get(self.optimizer)
        has_momentum = rule is None or "momentum" in rule.options
        return idle if has_momentum else idle | {"momentum"}

    @property
    def unused(self) -> list[str]:
        """The idle settings that somebody changed, and whose weight decay where there is none."""
        idle = self.idle if self.weight_decay else self.idle | {"weight_decay_on"}
        return [
            field.name
            for field in dataclasses.fields(self)
            if field.name in idle and getattr(self, field.name) != field.default
        ]

    @property
    def spellings(self) -> dict[str, str]:
        """Setting -> my_file.py:Name, of the network, loss, rule and schedule of the user's own."""
        values = {name: getattr(self, name) for name in OWN_PARTS if name != "callbacks"}
        return {name: value for name, value in values.items() if is_own(value)}

    @property
    def network(self) -> str:
        """The network's name, without the file where it is the user's own."""
        return self.model.rpartition(":")[2]

    @property
    def schedule(self) -> str:
        """The scheduler by name, `use_scheduler` resolved."""
        return "poly" if self.use_scheduler else self.scheduler

    def to_json(self) -> str:
        """All settings, as `--config` reads them."""
        values = dataclasses.asdict(self)
        for name in ("resume", "config"):  # how this run was started, not what it is
            del values[name]
        return json.dumps(values, indent=2) + "\n"

    @classmethod
    def from_json(cls, path: Path) -> Config:
        """The settings that a JSON file names; the others are those of its recipe, or the defaults.

        Raises:
            ConfigError: no such file, no JSON, a setting that is not known or of a wrong type.
        """
        values = read_settings(path)
        try:
            return cls.from_dict(values, str(path))
        except ConfigError as error:
            if str(path) in str(error):
                raise
            raise ConfigError(f"config: {path}: {str(error).removeprefix('config: ')}") from None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], source: str) -> Config:
        """Settings by name; `source` says in errors where they come from.

        Where `recipe` is one of them, the others are added to, and override, the recipe's.

        Raises:
            ConfigError: a setting that is not known, of a wrong type or value.
        """
        checked = checked_values(cls, values, source)
        if checked.get("recipe") is None:
            return cls(**checked)
        try:
            return cls(**{**recipes.settings(checked["recipe"]), **checked})
        except ValueError as error:
            raise ConfigError(str(error)) from None
