"""A blank batch, by which a network is tried before anything is written."""

from __future__ import annotations

import copy
from typing import Any

import npnet
from npnet import Tensor
from npnet.models.outputs import is_softmax, softmax_advice
from npnet.runs import own
from npnet.runs.errors import ConfigError
from npnet.training.data import Data
from npnet.training.learner import Learner, initial_model

__all__ = ["check_network"]

_IMAGES = 2


def check_network(learner: Learner, data: Data) -> str:
    """Refuse a network that does not take the images, or does not tell the classes apart.

    Returns:
        Advice for who made it; "" if there is none.

    Raises:
        ConfigError: so it is, or the loss of the user's own is no number.
    """
    advice = ""
    if learner.parts.model is not None or learner.parts.criterion is not None:
        logits = _logits(learner, data)
        _check_logits(logits, learner, data)
        _check_loss(logits, learner)
        advice = _advice(logits, learner)
    _check_last_batch(learner, data)
    return advice


def _logits(learner: Learner, data: Data) -> Any:
    """What the network gives for blank images, in evaluation; nothing of it is changed."""
    name, shape = learner.config.model, data.image_shape
    was_training = [(module, module.training) for module in learner.model.modules()]
    try:
        return learner.model.eval()(npnet.zeros(_IMAGES, *shape))
    except (Exception, SystemExit) as error:
        place = own.where(error)
        at = f" at {place}" if place else ""
        raise ConfigError(
            f"model: {name} failed{at} with {_IMAGES} blank images {_said(shape)}: "
            f"{type(error).__name__}: {error}; the images are as the data have them, "
            "--image_size resizes them"
        ) from error
    finally:
        for module, training in was_training:
            module.training = training


def _check_logits(logits: Any, learner: Learner, data: Data) -> None:
    name, classes = learner.config.model, len(data.classes)
    if not isinstance(logits, Tensor):
        raise ConfigError(
            f"model: {name} must give a tensor (N, {classes}) of logits, got a "
            f"{type(logits).__name__}; let forward return the logits alone"
        )
    if tuple(logits.shape) == (_IMAGES, classes):
        if not logits.requires_grad:
            raise ConfigError(
                f"model: {name} gives logits that depend on no parameter, so that nothing would be "
                "learnt; leave detach(), no_grad() and numpy() out of forward"
            )
        return
    shape = tuple(logits.shape)
    if len(shape) != 2 or shape[0] != _IMAGES:
        fix = "flatten what the last layer is given: x.flatten(1)"
    else:
        fix = (
            f"its last layer must have {classes} outputs; let __init__ take num_classes, which the "
            "trainer gives it"
        )
    raise ConfigError(
        f"model: {name} must give (N, {classes}), a logit for each of the {classes} classes of "
        f"{data.name}, got {shape} for {_IMAGES} images {_said(data.image_shape)}; {fix}"
    )


def _advice(logits: Tensor, learner: Learner) -> str:
    """Of a network that ends in a softmax, where the loss takes another; "" of others."""
    config, loss = learner.config, learner.parts.criterion
    takes_softmax = config.criterion in ("cross_entropy", "softmax_bce")
    if loss is not None:
        own_name = getattr(loss, "__name__", "")
        takes_softmax = isinstance(learner.criterion, npnet.nn.CrossEntropyLoss) or (
            own_name == "cross_entropy"
        )
    if not takes_softmax or not is_softmax(logits.array):
        return ""
    return softmax_advice(config.model, config.criterion)


def _check_loss(logits: Tensor, learner: Learner) -> None:
    """Try the loss of the user's own."""
    if learner.parts.criterion is None:
        return
    name = learner.config.criterion
    try:
        loss = learner.criterion(logits, npnet.zeros(_IMAGES, dtype=npnet.int64))
    except (Exception, SystemExit) as error:
        place = own.where(error)
        at = f" at {place}" if place else ""
        raise ConfigError(
            f"criterion: {name} failed{at} with logits {tuple(logits.shape)} and class numbers "
            f"({_IMAGES},) int64: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(loss, Tensor) or loss.shape != ():
        got = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise ConfigError(
            f"criterion: {name} must give one number, a tensor of no axes, got {got}; take the "
            "mean over the batch: .mean()"
        )


def _check_last_batch(learner: Learner, data: Data) -> None:
    """Batch norm can't tell the variance of one value, which a last image alone may be.

    Raises:
        ConfigError: the network refuses the last batch of an epoch.
    """
    config = learner.config
    if len(data.train) % config.batch_size != 1 and config.batch_size > 1:
        return
    is_npnets = learner.lib is npnet
    model = copy.deepcopy(learner.model) if is_npnets else initial_model(config, data)
    try:
        with npnet.no_grad():
            model.train()(npnet.zeros(1, *data.image_shape))
    except ValueError as error:
        raise ConfigError(
            f"batch_size: the last batch of {len(data.train)} training images has a single one, "
            f"but {error}; choose another --batch_size or a larger --image_size"
        ) from None


def _said(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
