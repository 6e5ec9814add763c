"""What programs ask before they choose a device: there is no GPU here."""

from __future__ import annotations

from typing import Any

from npnet.base.memory import empty_cache
from npnet.devices import amp
from npnet.devices.cpu import NoAcceleratorError

__all__ = [
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "Event",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
    "Stream",
    "amp",
    "current_device",
    "device_count",
    "empty_cache",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "memory_allocated",
    "memory_reserved",
    "reset_peak_memory_stats",
    "seed",
    "seed_all",
    "set_device",
    "synchronize",
]


class _OnGpu(type):
    """Of the types below: nothing is an instance of them, and none can be made."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise _none(cls.__name__)

    def __instancecheck__(cls, instance: Any) -> bool:
        return False

    @property
    def dtype(cls) -> Any:
        """What `type` and `to` look for."""
        raise _none(cls.__name__)


class BoolTensor(metaclass=_OnGpu):
    """bool on a GPU."""


class ByteTensor(metaclass=_OnGpu):
    """uint8 on a GPU."""


class CharTensor(metaclass=_OnGpu):
    """int8 on a GPU."""


class DoubleTensor(metaclass=_OnGpu):
    """float64 on a GPU."""


class FloatTensor(metaclass=_OnGpu):
    """float32 on a GPU."""


class HalfTensor(metaclass=_OnGpu):
    """float16 on a GPU."""


class IntTensor(metaclass=_OnGpu):
    """int32 on a GPU."""


class LongTensor(metaclass=_OnGpu):
    """int64 on a GPU."""


class ShortTensor(metaclass=_OnGpu):
    """int16 on a GPU."""


class Event(metaclass=_OnGpu):
    """A moment in the work of a GPU, by which programs time it."""


class Stream(metaclass=_OnGpu):
    """A row of work on a GPU."""


def is_available() -> bool:
    """Always False: npnet runs on the CPU."""
    return False


def is_initialized() -> bool:
    """Always False."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Always False."""
    return False


def device_count() -> int:
    """Always 0."""
    return 0


def _none(name: str) -> NoAcceleratorError:
    return NoAcceleratorError(
        f"cuda.{name}: there is no GPU (as in a PyTorch not compiled with CUDA enabled); ask "
        "cuda.is_available() first, which is False"
    )


def current_device() -> int:
    """NoAcceleratorError, which is an AssertionError as PyTorch's."""
    raise _none("current_device")


def set_device(device: Any) -> None:
    """NoAcceleratorError."""
    raise _none("set_device")


def get_device_name(device: Any = None) -> str:
    """NoAcceleratorError."""
    raise _none("get_device_name")


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """NoAcceleratorError."""
    raise _none("get_device_capability")


def get_device_properties(device: Any = None) -> Any:
    """NoAcceleratorError."""
    raise _none("get_device_properties")


def manual_seed(seed: int) -> None:
    """Seed the generator of a GPU: nothing, as in PyTorch without one."""


def manual_seed_all(seed: int) -> None:
    """Seed the generators of all GPUs: nothing, as in PyTorch without one."""


def seed() -> None:
    """Seed the generator of a GPU anew: nothing."""


def seed_all() -> None:
    """Seed the generators of all GPUs anew: nothing."""


def synchronize(device: Any = None) -> None:
    """Wait for a GPU: nothing runs elsewhere."""


def memory_allocated(device: Any = None) -> int:
    """Always 0."""
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """Always 0."""
    return 0


def memory_reserved(device: Any = None) -> int:
    """Always 0."""
    return 0


def max_memory_reserved(device: Any = None) -> int:
    """Always 0."""
    return 0


def reset_peak_memory_stats(device: Any = None) -> None:
    """Nothing is counted."""
