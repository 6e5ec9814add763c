"""The callback protocol: what is told of a run, to npnet's own watchers and to the user's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from npnet import serialization
from npnet.base.checks import nearest
from npnet.runs.errors import FailedError
from npnet.runs.own import blamed
from npnet.tape import result

__all__ = ["HOOKS", "Callback", "Callbacks", "unknown_hook"]

_ARRAY = "ndarray"  # marks an array in the state of a callback


class Callback:
    """Is told of what happens in a run. A subclass overrides what it wants to know.

        class Stopper(npnet.training.Callback):
            def on_epoch_end(self, trainer):
                if trainer.history[-1].val_accuracy > 99:
                    trainer.stop("99 % are enough")

    `trainer` is the run, to type checkers an `npnet.training.Training`. A callback may read of it

        config                  the settings, and data: what is learnt
        model                   the network in training; also optimizer, scheduler, criterion
        epoch, epochs           the epoch under way, or just finished, from 1; how many there may be
        step, steps             steps done in this epoch; how many it has
        loss                    of the last step
        score                   of this epoch so far: score.loss, score.accuracy (percent)
        history                 the finished epochs, each with epoch, learning_rate, seconds,
                                train_loss, train_accuracy, val_loss, val_accuracy,
                                val_sampled_accuracy
        best_epoch              that of the best checkpoint; 0 before the first
        learning_rate           of the next step
        log_dir, checkpoint_dir the folders, or None where nothing is written
        tensorboard             where scalars and pictures can be written; None without log_dir
        result                  what result.json says, from on_test_end on
        resumed                 whether the run goes on from a checkpoint

    and may do

        trainer.stop(why)       no epoch after this one; trainer.should_stop = True does the same
        trainer.say(text)       a line for the terminal and log.txt
        trainer.evaluate(x, y)  loss and accuracy of other data, see there

    Weights, optimizer and learning rate may be changed in every hook up to `on_epoch_end`, after
    which the epoch is saved: what a later hook changed would be lost by a resume, so that the run
    stops with an error. In a resumed run `on_train_start` is called again, and what it does to the
    weights is undone. npnet's random numbers start anew with each epoch, from the run's seed.

    A run that is stopped and resumed gets the attributes of its callbacks back, as far as they are
    numbers, texts, lists, dicts, tensors and arrays; a subclass with other state overrides
    `state_dict` and `load_state_dict`.

    An error in a callback ends the run with its file and line; the last checkpoint stays.

    Example:
        >>> class Counter(npnet.training.Callback):
        ...     def on_epoch_end(self, trainer):
        ...         self.epochs = trainer.epoch
        >>> counter, data = Counter(), (np.eye(2, dtype=np.float32), np.arange(2))
        >>> options = {"val": data, "epochs": 3, "verbose": False}
        >>> history = npnet.training.fit(nn.Linear(2, 2), data, callbacks=[counter], **options)
        >>> counter.epochs
        3
    """

    def on_train_start(self, trainer: Any) -> None:
        """The network is ready; nothing was trained yet, or, resumed, its state is restored."""

    def on_epoch_start(self, trainer: Any) -> None:
        """An epoch begins."""

    def on_step_end(self, trainer: Any) -> None:
        """A batch was learnt: forward, backward and update."""

    def on_epoch_end(self, trainer: Any) -> None:
        """An epoch was trained and validated, is in `history`, and is about to be saved."""

    def on_checkpoint(self, trainer: Any) -> None:
        """The epoch was saved. Nothing of the run may be changed here."""

    def on_train_end(self, trainer: Any) -> None:
        """The last epoch is over."""

    def on_test_end(self, trainer: Any) -> None:
        """The best checkpoint was tested; `trainer.result` says what it came to."""

    def on_message(self, trainer: Any, text: str) -> None:
        """A line, or several, was said to the user."""

    def on_picture(self, trainer: Any, name: str, png: bytes) -> None:
        """A picture of the run was drawn, which shows how it stands after the last epoch."""

    def close(self) -> None:
        """The run is over, whether it ended well, by an error or by Ctrl-C."""

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run gives back: numbers, texts, lists, dicts, tensors and arrays by name.

        By default the attributes that are of these kinds.
        """
        return {name: value for name, value in vars(self).items() if _can_be_saved(value)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take what `state_dict` gave; by default as attributes."""
        vars(self).update(state)


HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))


def unknown_hook(callback: Callback) -> str:
    """The sentence for a method that looks like a hook and is none, which nobody would call."""
    for name in dir(type(callback)):
        if name.startswith("on_") and name not in HOOKS and callable(getattr(callback, name)):
            near = nearest(name, HOOKS)
            hint = f"did you mean {near}?" if near else f"hooks are {', '.join(HOOKS)}"
            return f"{type(callback).__name__}.{name} is no hook, and nobody would call it; {hint}"
    return ""


class Callbacks:
    """Tells several: the user's first, so that npnet's own tell of what they made of it.

    Args:
        own: npnet's.
        users: the user's, whose errors are told by file and line.
    """

    def __init__(self, own: Sequence[Callback], users: Sequence[Callback] = ()) -> None:
        self.own, self.users = tuple(own), tuple(users)
        everyone = [(callback, True) for callback in self.users]
        everyone += [(callback, False) for callback in self.own]
        self._told = {
            hook: [(c, is_users) for c, is_users in everyone if _overrides(c, hook)]
            for hook in HOOKS
        }

    def tell(self, hook: str, trainer: Any, *args: Any) -> None:
        """Call `hook`, one of HOOKS, of everybody who overrides it.

        Raises:
            FailedError: a callback of the user's failed; says where.
        """
        for callback, is_users in self._told[hook]:
            if is_users:
                with _blamed(callback, hook):
                    getattr(callback, hook)(trainer, *args)
            else:
                getattr(callback, hook)(trainer, *args)

    def user_overrides(self, hook: str) -> bool:
        """Whether a callback of the user's is told of it."""
        return any(is_users for _, is_users in self._told[hook])

    def close(self) -> None:
        """Close all, also where one of them fails."""
        with contextlib.ExitStack() as stack:
            for callback in self.own:
                stack.callback(callback.close)
            for callback in self.users:
                stack.enter_context(_closed(callback))

    # ---- what a resume needs ---------------------------------------------------------------------

    def state(self) -> list[dict[str, Any]]:
        """What the user's are to be given back, as a tree that `npnet.save` takes."""
        return [_state_of(callback) for callback in self.users]

    def load_state(self, states: Any) -> list[str]:
        """Give it back. Returns what nobody has kept, a line for each.

        Raises:
            ValueError: these are the states of other callbacks.
        """
        if not isinstance(states, list) or len(states) != len(self.users):
            count = len(states) if isinstance(states, list) else "no"
            raise ValueError(f"it has the state of {count} callbacks, not of {len(self.users)}")
        lost = []
        for callback, state in zip(self.users, states, strict=True):
            if not isinstance(state, dict):
                raise ValueError("the state of a callback is no table")
            with _blamed(callback, "load_state_dict"):
                callback.load_state_dict(_unpacked(state))
            lost += _not_kept(callback)
        return lost


def _overrides(callback: Callback, hook: str) -> bool:
    return getattr(type(callback), hook) is not getattr(Callback, hook) or hook in vars(callback)


def _blamed(callback: Callback, hook: str) -> contextlib.AbstractContextManager[None]:
    return blamed(f"callback {type(callback).__name__}.{hook}", getattr(callback, hook))


@contextlib.contextmanager
def _closed(callback: Callback) -> Iterator[None]:
    """Close a callback of the user's at the end."""
    try:
        yield
    finally:
        with _blamed(callback, "close"):
            callback.close()


# ---- state ---------------------------------------------------------------------------------------


def _state_of(callback: Callback) -> dict[str, Any]:
    """The state of a callback, its arrays as tensors. FailedError where it can't be saved."""
    name = type(callback).__name__
    with _blamed(callback, "state_dict"):
        state = callback.state_dict()
    if not isinstance(state, dict):
        raise FailedError(
            f"callback {name}.state_dict must give a dict, got {type(state).__name__}"
        )
    for key, value in state.items():
        if not _can_be_saved(value):
            raise FailedError(
                f"callback {name}.state_dict: {key!r} is a {type(value).__name__}, which can't be "
                "saved; give numbers, texts, lists, dicts, tensors and arrays"
            )
    return {str(key): _packed(value) for key, value in state.items()}


def _can_be_saved(value: Any) -> bool:
    try:
        serialization.to_bytes({"value": _packed(value)})
    except (TypeError, ValueError):
        return False
    return True


def _packed(value: Any) -> Any:
    """A tree with arrays as files have them: tensors, marked."""
    if isinstance(value, np.ndarray):
        return {_ARRAY: result(value.copy())}
    if type(value) is dict:
        return {key: _packed(item) for key, item in value.items()}
    return type(value)(map(_packed, value)) if type(value) in (list, tuple) else value


def _unpacked(value: Any) -> Any:
    """The inverse of `_packed`."""
    if type(value) is dict:
        if value.keys() == {_ARRAY}:
            return np.array(value[_ARRAY].array)
        return {key: _unpacked(item) for key, item in value.items()}
    return type(value)(map(_unpacked, value)) if type(value) in (list, tuple) else value


def _not_kept(callback: Callback) -> list[str]:
    """What a callback has that no checkpoint keeps, a line for each."""
    if type(callback).load_state_dict is not Callback.load_state_dict:
        return []
    return [
        f"callback {type(callback).__name__}: its {name}, a {type(value).__name__}, is not kept by "
        "a checkpoint, and begins anew; state_dict can give what a resume needs"
        for name, value in vars(callback).items()
        if not _can_be_saved(value)
    ]
