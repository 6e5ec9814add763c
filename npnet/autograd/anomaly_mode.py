"""Looking for the op whose derivative gave NaN."""

from __future__ import annotations

import warnings

from npnet.tape import anomaly_mode

__all__ = ["detect_anomaly", "set_detect_anomaly"]


class set_detect_anomaly:
    """Switch the search on or off at once; as a context, until its end. For all threads.

    While it is on, every op notes where it is applied, and `backward` raises a RuntimeError that
    names the op whose derivative has a NaN; a warning shows where that was applied. It is slow.

    Args:
        mode: whether it is on.
        check_nan: look for NaN; otherwise the places are noted alone.

    Example:
        >>> import warnings
        >>> x = npnet.tensor([0.0], requires_grad=True)
        >>> with warnings.catch_warnings(), npnet.autograd.set_detect_anomaly(True):
        ...     warnings.simplefilter("ignore")
        ...     (x.sqrt() * 0).sum().backward()
        Traceback (most recent call last):
            ...
        RuntimeError: backward: function 'SqrtBackward' returned nan values in its 0th output
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = anomaly_mode.enabled, anomaly_mode.check_nan
        self._wanted = bool(mode), bool(check_nan)
        self._switch(self._wanted)

    def _switch(self, state: tuple[bool, bool]) -> None:
        anomaly_mode.enabled, anomaly_mode.check_nan = state

    def __enter__(self) -> None:
        self._switch(self._wanted)

    def __exit__(self, *exc: object) -> None:
        self._switch(self._before)


class detect_anomaly(set_detect_anomaly):
    """A context in which the search is on; see `set_detect_anomaly`.

    Warns:
        UserWarning: always, since it is slow.

    Example:
        >>> import warnings
        >>> x = npnet.tensor([0.0], requires_grad=True)
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     with npnet.autograd.detect_anomaly():
        ...         (x.sqrt() * 0).sum().backward()
        Traceback (most recent call last):
            ...
        RuntimeError: backward: function 'SqrtBackward' returned nan values in its 0th output
    """

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__(True, check_nan)
        self._switch(self._before)  # from the context's beginning on alone
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should "
            "only be enabled for debugging.",
            stacklevel=2,
        )
