"""What flags of npnet are called elsewhere, so that an error names the one that is meant."""

from __future__ import annotations

from collections.abc import Collection

from npnet.base.checks import nearest

__all__ = ["hint_for"]


def hint_for(name: str, known: Collection[str]) -> str:
    """What to say of a flag that is not known: another to take, or why there is none; else "".

    Args:
        name: without its dashes.
        known: the flags that there are, spelt alike.
    """
    name = name.lstrip("-").replace("-", "_").lower()
    meant = next((flag for flag in _OTHERS_SAY.get(name, ()) if flag in known), None)
    if meant is None and name in _OTHERS_HAVE and "epochs" in known:
        return _OTHERS_HAVE[name]
    meant = meant or nearest(name, list(known))
    return f"did you mean --{meant}?" if meant else ""


# What the flag is called elsewhere -> what it may be called here.
_OTHERS_SAY: dict[str, tuple[str, ...]] = {
    "lr": ("learning_rate",),
    "eta": ("learning_rate",),
    "min_lr": ("min_learning_rate",),
    "bs": ("batch_size",),
    "b": ("batch_size",),
    "batch": ("batch_size",),
    "wd": ("weight_decay",),
    "l2": ("weight_decay",),
    "lr_scheduler": ("scheduler",),
    "schedule": ("scheduler",),
    "sched": ("scheduler",),
    "lr_decay": ("gamma",),
    "lr_gamma": ("gamma",),
    "e": ("epochs",),
    "n_epochs": ("epochs",),
    "num_epochs": ("epochs",),
    "max_epochs": ("epochs",),
    "arch": ("model",),
    "a": ("model",),
    "net": ("model",),
    "network": ("model",),
    "architecture": ("model",),
    "data": ("dataset",),
    "ds": ("dataset",),
    "root": ("data_dir",),
    "data_path": ("data_dir",),
    "loss": ("criterion",),
    "loss_fn": ("criterion",),
    "opt": ("optimizer",),
    "optim": ("optimizer",),
    "optimiser": ("optimizer",),
    "clip": ("clip_grad_norm",),
    "grad_clip": ("clip_grad_norm",),
    "max_grad_norm": ("clip_grad_norm",),
    "gradient_clip_val": ("clip_grad_norm",),
    "smoothing": ("label_smoothing",),
    "val_split": ("val_ratio",),
    "validation_split": ("val_ratio",),
    "early_stopping": ("patience",),
    "augmentation": ("augment",),
    "data_augmentation": ("augment",),
    "img_size": ("image_size",),
    "imgsz": ("image_size",),
    "warmup": ("warmup_epochs",),
    "model_ema": ("ema",),
    "pretrained": ("init_from",),
    "weights": ("init_from",),
    "finetune": ("init_from",),
    "load": ("init_from",),
    "save_dir": ("checkpoint_dir", "output"),
    "out": ("output", "checkpoint_dir"),
    "o": ("output", "checkpoint_dir"),
    "output": ("checkpoint_dir",),
    "output_dir": ("checkpoint_dir", "output"),
    "logdir": ("log_dir",),
    "continue": ("resume",),
    "random_seed": ("seed",),
    "random_state": ("seed",),
    "cores": ("threads",),
    "num_threads": ("threads",),
    "n_jobs": ("threads",),
    "hidden": ("widths",),
    "layers": ("widths",),
    "hidden_sizes": ("widths",),
    "function": ("expression",),
    "force": ("overwrite",),
    "f": ("overwrite",),
    "y": ("overwrite",),
    "arch_name": ("model",),
    "type": ("format",),
}
_CPU = "npnet computes on the CPU; --threads says with how many cores"
_LOADING = "the images are in memory, and no process is needed to load them"
# What others have and a run of npnet has not, and why.
_OTHERS_HAVE: dict[str, str] = {
    "gpu": _CPU,
    "gpus": _CPU,
    "device": _CPU,
    "cuda": _CPU,
    "no_cuda": _CPU,
    "accelerator": _CPU,
    "workers": _LOADING,
    "num_workers": _LOADING,
    "j": _LOADING,
    "pin_memory": _LOADING,
    "amp": "npnet trains in float32 throughout",
    "fp16": "npnet trains in float32 throughout",
    "mixed_precision": "npnet trains in float32 throughout",
    "dropout": "dropout is a layer of a network; --weight_decay, --label_smoothing and --augment "
    "hold a network back too",
}
