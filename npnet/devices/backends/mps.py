"""What programs ask before they choose a Mac's GPU: there is none here."""

__all__ = ["is_available", "is_built"]


def is_available() -> bool:
    """Always False: npnet runs on the CPU."""
    return False


def is_built() -> bool:
    """Always False."""
    return False
