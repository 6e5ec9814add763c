"""What a certificate says: claims, each with what was compared, how near it came, and the bound."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npnet.base.arrays import Array

__all__ = [
    "BOUNDS",
    "CANCELS",
    "Certificate",
    "Claim",
    "Worst",
    "distance",
    "largest",
    "named",
    "note",
    "told",
]

# A tensor whose gradient cancels (a bias before batch norm) holds nothing but rounding: it is
# measured by this share of the largest gradient, not by itself.
CANCELS = 1e-2


@dataclass(frozen=True)
class Claim:
    """One row of a certificate.

    Attributes:
        name: of the kind of proof, such as "finite differences".
        subject: what it is about, such as "Conv2d(3, 4, 3)".
        compared, against: the two things that must be the same.
        cases: how many pairs were compared.
        worst, bound: the largest error and what it may be; None where nothing was measured.
        why: why the bound is what it is.
        holds: None where it could not be compared.
        note: where the worst was; what was left out; why it could not be compared.

    Example:
        >>> from npnet.verify import Claim
        >>> Claim("PyTorch", "Linear(3, 2)", "npnet", "PyTorch", note="not installed").holds is None
        True
    """

    name: str
    subject: str
    compared: str
    against: str
    cases: int = 0
    worst: float | None = None
    bound: float | None = None
    why: str = ""
    holds: bool | None = None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON, which has no NaN and no infinity."""
        found = dataclasses.asdict(self)
        if self.worst is not None and not math.isfinite(self.worst):
            found["worst"] = None
        return found


@dataclass(frozen=True)
class Certificate:
    """All claims about one thing.

    Attributes:
        facts: what they were shown with: versions, processor, seed.

    Example:
        >>> from npnet.verify import Certificate, Claim
        >>> claim = Claim("threads", "Linear(3, 2)", "one", "two", cases=4, worst=0.0, holds=True)
        >>> Certificate("Linear(3, 2)", (claim,), facts={}, seconds=0.1).verdict
        'Linear(3, 2) is right by 1 claims of 4 comparisons'
    """

    subject: str
    claims: tuple[Claim, ...]
    facts: dict[str, str]
    seconds: float

    @property
    def wrong(self) -> list[Claim]:
        """The claims that do not hold."""
        return [claim for claim in self.claims if claim.holds is False]

    @property
    def uncompared(self) -> list[Claim]:
        """The claims that could not be put to the test."""
        return [claim for claim in self.claims if claim.holds is None]

    @property
    def shown(self) -> list[Claim]:
        """The claims that hold."""
        return [claim for claim in self.claims if claim.holds]

    @property
    def holds(self) -> bool:
        """Whether something was shown and nothing was wrong."""
        return bool(self.shown) and not self.wrong

    @property
    def verdict(self) -> str:
        """One sentence."""
        missing = len(self.uncompared)
        rest = f"; {missing} could not be compared" if missing else ""
        if self.wrong:
            names = ", ".join(dict.fromkeys(claim.name for claim in self.wrong))
            return f"{self.subject} is WRONG: {names}{rest}"
        if not self.shown:
            return f"nothing could be shown of {self.subject}{rest}"
        cases = sum(claim.cases for claim in self.shown)
        return f"{self.subject} is right by {len(self.shown)} claims of {cases:,} comparisons{rest}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "subject": self.subject,
            "holds": self.holds,
            "verdict": self.verdict,
            "seconds": round(self.seconds, 2),
            "facts": self.facts,
            "claims": [claim.as_dict() for claim in self.claims],
        }


@dataclass
class Worst:
    """The largest of many errors, where it was, and how many there were."""

    error: float = 0.0
    where: str = ""
    ulps: float = 0.0
    cases: int = 0

    def add(self, error: float, where: str, ulps: float = 0.0, cases: int = 1) -> None:
        """Count a comparison, or `cases` of them; an error that is NaN is infinite."""
        error = error if error == error else math.inf
        self.cases += cases
        self.ulps = max(self.ulps, ulps)
        if error > self.error or not self.where:
            self.error, self.where = error, where

    def add_pairs(
        self, ours: dict[str, Array], theirs: dict[str, Array], where: str, floor: float = 0.0
    ) -> None:
        """Count a comparison for each name.

        Args:
            floor: what an error is measured by at least, see `CANCELS`.
        """
        if missing := ours.keys() ^ theirs.keys():
            self.add(math.inf, f"{min(missing)} of {where}, which one side has not")
        for name in ours.keys() & theirs.keys():
            error, ulps = distance(ours[name], theirs[name], floor)
            self.add(error, f"{name} of {where}", ulps)


def distance(a: Array, b: Array, floor: float = 0.0) -> tuple[float, float]:
    """How far apart: relative to the largest value of b (or `floor`), and in ulps of that value.

    Infinite where shapes differ, or one has NaN or an infinity that the other has not.
    """
    if a.shape != b.shape:
        return math.inf, math.inf
    if b.dtype.kind not in "fV":
        return (0.0, 0.0) if np.array_equal(a, b) else (math.inf, math.inf)
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    finite = np.isfinite(wide_b)
    same = np.array_equal(wide_a[~finite], wide_b[~finite], equal_nan=True)
    if not (same and np.isfinite(wide_a[finite]).all()):
        return math.inf, math.inf
    off = float(np.abs(wide_a[finite] - wide_b[finite]).max(initial=0))
    if not off:
        return 0.0, 0.0
    scale = max(float(np.abs(wide_b[finite]).max(initial=0)), floor, 1e-300)
    return off / scale, off / float(np.spacing(b.dtype.type(scale)))


def largest(arrays: Sequence[Array]) -> float:
    """The largest finite value of all."""
    found = [
        float(np.abs(a.astype(np.float64)).max(initial=0, where=np.isfinite(a)))
        for a in arrays
        if a.dtype.kind in "fV"
    ]
    return max(found, default=0.0)


# ---- float32 -------------------------------------------------------------------------------------

# Of the largest value of a tensor: rounding of float32 leaves 1e-6, Winograd's algorithm 1e-5.
LAYER = 2e-5
# Through many layers rounding grows, and a ReLU whose input is rounded across 0 opens in one and
# not in the other.
NETWORK = 2e-3
BOUNDS = {  # by whether it is a network
    False: (LAYER, "of a tensor's largest value: float32 leaves 1e-6, Winograd's algorithm 1e-5"),
    True: (
        NETWORK,
        "of a tensor's largest value: float32's rounding, grown through the layers, and a ReLU "
        "that rounding opens in one and not in the other",
    ),
}


# ---- telling -------------------------------------------------------------------------------------


def named(gradients: dict[str, Array]) -> dict[str, Array]:
    """The same, as a certificate calls them."""
    return {f"gradient of {name}": g for name, g in gradients.items()}


def note(worst: Worst, left: dict[str, str]) -> str:
    """Where the worst was, and what was left out."""
    said = [f"worst: {worst.where}"] if worst.where and worst.error else []
    by_reason: dict[str, list[str]] = {}
    for name, reason in left.items():
        by_reason.setdefault(reason, []).append(name)
    said += [f"{reason}: {_listed(names)}" for reason, names in by_reason.items()]
    return "; ".join(said)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def told(claim: Claim, worst: Worst, left: dict[str, str], bound: float, why: str) -> Claim:
    """The claim with what was found.

    Args:
        left: what was left out, and why.
        bound, why: what the largest error may be.
    """
    if not worst.cases:
        return dataclasses.replace(claim, note=note(worst, left) or "nothing to compare")
    return dataclasses.replace(
        claim,
        cases=worst.cases,
        worst=worst.error,
        bound=bound,
        why=why,
        holds=worst.error <= bound,
        note=note(worst, left),
    )
