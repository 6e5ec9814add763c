"""`device`, so that programs that ask for one run: npnet has the CPU alone."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["device"]


@dataclass(frozen=True)
class device:
    """The place where a tensor lives; `device("cpu")` is the only one.

    Raises:
        NotImplementedError: for any other.
    """

    type: str | device = "cpu"

    def __post_init__(self) -> None:
        kind = self.type.type if isinstance(self.type, device) else self.type
        if str(kind).split(":")[0] != "cpu":
            raise NotImplementedError(
                f"device: npnet runs on the CPU only, got '{kind}'; "
                "use 'cpu', or ask cuda.is_available() first, which is False"
            )
        object.__setattr__(self, "type", "cpu")

    def __str__(self) -> str:
        return "cpu"

    def __repr__(self) -> str:
        return "device(type='cpu')"
