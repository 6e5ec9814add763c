"""Recipes: documented runs by name, for `--recipe NAME`; `npnet recipes` lists them.

To add a recipe, enter it in RECIPES with every flag that its figures depend on; the figures are
those of docs/results.md, and stay None until the run was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from npnet.base.checks import unknown_name
from npnet.datasets import names_file

__all__ = ["OWN", "RECIPES", "Recipe", "check", "command", "settings", "words"]

OWN = "FILE.npz"
"""Stands for the data set of a recipe that has none of its own."""


@dataclass(frozen=True)
class Recipe:
    """A named run.

    Attributes:
        kind: "course" (as the course laboratory had it) or "best" (what the network can do).
        summary: what the run is, in one sentence.
        model: the network, which no flag may change.
        dataset: the data set, which no flag may change; None is a .npz file of the user's own.
        flags: the other settings, by the names of Config; flags beside --recipe override them.
        notes: what else there is to know, or to do after it.
        accuracy: measured, percent of the test images, mean over seeds.
        seconds: of all epochs of a run that computes with one thread, beside other work: measured,
            or, of one that was stopped meanwhile, its epochs times the median of them.
    """

    kind: str
    summary: str
    model: str
    dataset: str | None
    flags: Mapping[str, Any]
    notes: str = ""
    accuracy: float | None = None
    seconds: float | None = None


# What did best on MNIST: a high rate that falls to 0, weight decay, and the average of the end.
_SGD = {
    "criterion": "cross_entropy",
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 5e-4,
    "scheduler": "warmup_cosine",
    "warmup_epochs": 1.0,
    "ema": 0.999,
    "batch_size": 64,
    "val_ratio": 0.1,
    "augment": True,
}
_CIFAR = {
    "criterion": "cross_entropy",
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "momentum": 0.9,
    "batch_size": 128,
    "val_ratio": 0.05,
    "augment": True,
}

RECIPES: dict[str, Recipe] = {
    "lenet5-course": Recipe(
        kind="course",
        summary="LeNet-5 as the course trains it, by Adam in place of plain gradient descent",
        model="lenet5",
        dataset="mnist",
        flags={
            "criterion": "cross_entropy",
            "optimizer": "adam",
            "learning_rate": 2e-3,
            "use_scheduler": True,
            "batch_size": 128,
            "epochs": 10,
        },
        accuracy=98.82,
        seconds=9,
    ),
    "lenet5-best": Recipe(
        kind="best",
        summary="LeNet-5 with augmented images, weight decay and an average of its weights",
        model="lenet5",
        dataset="mnist",
        flags={**_SGD, "epochs": 60},
        accuracy=99.54,
        seconds=124,
    ),
    "lenet5-fashion": Recipe(
        kind="best",
        summary="LeNet-5 on clothes, trained likewise",
        model="lenet5",
        dataset="fashion-mnist",
        flags={**_SGD, "epochs": 50},
        accuracy=91.64,
        seconds=76,
    ),
    "convnet-course": Recipe(
        kind="course",
        summary="the BatchNorm ConvNet as the course trains it: StepLR, clipping, early stopping",
        model="convnet",
        dataset="mnist",
        flags={
            "criterion": "cross_entropy",
            "optimizer": "adam",
            "learning_rate": 3e-4,
            "weight_decay": 1e-5,
            "scheduler": "step",
            "step_size": 2,
            "gamma": 0.9,
            "clip_grad_norm": 10.0,
            "batch_size": 64,
            "epochs": 15,
            "patience": 4,
            "val_ratio": 0.1,
        },
        notes="The course had batches of 16, which come to no more (docs/results.md).",
        accuracy=99.31,
        seconds=1031,
    ),
    "convnet-best": Recipe(
        kind="best",
        summary="the BatchNorm ConvNet with augmented images, smooth labels and an average",
        model="convnet",
        dataset="mnist",
        flags={**_SGD, "label_smoothing": 0.1, "val_ratio": 0.05, "epochs": 20},
        accuracy=99.62,
        seconds=1057,
    ),
    "resnet20-course": Recipe(
        kind="course",
        summary="ResNet-20 in ten epochs: five at 0.1 and five at 0.01",
        model="resnet20",
        dataset="cifar10",
        flags={
            **_CIFAR,
            "weight_decay": 1e-4,
            "scheduler": "multistep",
            "milestones": (5,),
            "gamma": 0.1,
            "epochs": 10,
        },
        accuracy=83.23,
        seconds=1503,
    ),
    "resnet20-best": Recipe(
        kind="best",
        summary="ResNet-20 as far as it goes; He et al. had 91.25 % (arXiv:1512.03385, table 6)",
        model="resnet20",
        dataset="cifar10",
        flags={
            **_CIFAR,
            "learning_rate": 0.2,
            "nesterov": True,
            "weight_decay": 5e-4,
            "weight_decay_on": "weights",
            "val_ratio": 0.02,
            "alternating_flip": True,
            "label_smoothing": 0.1,
            "scheduler": "warmup_cosine",
            "warmup_epochs": 2.0,
            "ema": 0.999,
            "batch_norm_momentum": 0.2,
            "mirror_test": True,
            "epochs": 75,
        },
        accuracy=92.22,
        seconds=6440,
    ),
    "resnet18-characters": Recipe(
        kind="course",
        summary="ResNet-18 on 28x28 characters of your own, resized to 32x32",
        model="resnet18",
        dataset=None,
        flags={
            "criterion": "cross_entropy",
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "scheduler": "cosine",
            "batch_size": 64,
            "epochs": 5,
            "image_size": 32,
            "augment": True,
        },
        notes="The recipe is the first stage, from scratch. The second goes on from its best "
        "checkpoint with a new optimizer and a lower rate, on larger images: add "
        "--init_from checkpoint/best.safetensors --learning_rate 1e-4 --image_size 64 "
        "--epochs 2 --checkpoint_dir checkpoint-2",
        accuracy=99.15,
        seconds=70,
    ),
}
"""The recipes by name, in the order in which they are listed."""


def settings(name: str) -> dict[str, Any]:
    """What a recipe sets, by the names of Config, itself included.

    Raises:
        ValueError: no recipe has that name.
    """
    if name not in RECIPES:
        raise ValueError(unknown_name("recipe", name, RECIPES))
    recipe = RECIPES[name]
    dataset = {} if recipe.dataset is None else {"dataset": recipe.dataset}
    return {"recipe": name, "model": recipe.model, **dataset, **recipe.flags}


def check(name: str, model: str, dataset: str) -> None:
    """Raise ValueError unless the recipe exists and is one for this network and data set."""
    recipe = settings(name)
    instead = f"leave it out, or give flags without a recipe (npnet recipes {name} lists its own)"
    if model != recipe["model"]:
        raise ValueError(f"recipe: {name} is for --model {recipe['model']}, not {model}; {instead}")
    if dataset != recipe.get("dataset", dataset):
        raise ValueError(
            f"recipe: {name} is for --dataset {recipe['dataset']}, not {dataset}; {instead}"
        )
    if "dataset" not in recipe and not names_file(dataset):
        raise ValueError(
            f"recipe: {name} is for images of your own, not {dataset}; add --dataset {OWN}, "
            "with arrays x and y"
        )


def command(name: str, program: str = "npnet train") -> str:
    """The command line that a recipe stands for, without --recipe."""
    parts = [program]
    values = settings(name) | {"dataset": RECIPES[name].dataset or OWN}
    for flag, value in values.items():
        if flag != "recipe":
            parts += [f"--{flag}", *([] if value is True else words(value))]
    return " ".join(parts)


def words(value: Any) -> list[str]:
    """A setting that is not a bool as the command line has it."""
    if isinstance(value, float):
        return [f"{value:g}"]
    return [str(part) for part in value] if isinstance(value, tuple) else [str(value)]
