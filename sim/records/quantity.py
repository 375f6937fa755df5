"""A number that is not fitted: certain, a range, a three-point estimate, a distribution, samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Shape = Literal["normal", "lognormal", "logit-normal"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What values a key may take, and so which shape a bare range has.

    Parameters
    ----------
    low, high : float
        Ends of the allowed values.
    open_low : bool
        Whether `low` itself is excluded.
    hint : str
        How to write it right, e.g. that 10 % is 0.10.
    """

    low: float = float("-inf")
    high: float = float("inf")
    open_low: bool = False
    hint: str = ""

    @property
    def shape(self) -> Shape:
        """Shape of ``{ low, high }`` under these limits."""
        if self.low == 0:
            return "logit-normal" if self.high == 1 else "lognormal"
        return "normal"

    def holds(self, value: float) -> bool:
        """Whether `value` is allowed."""
        above = value > self.low if self.open_low else value >= self.low
        return above and value <= self.high

    def __str__(self) -> str:
        if self.low == float("-inf") and self.high == float("inf"):
            return "any number"
        if self.high == float("inf"):
            return f"a number {'above' if self.open_low else 'of at least'} {self.low:g}"
        return f"a number {'above' if self.open_low else 'from'} {self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class Certain:
    """One number, the same in every sample."""

    value: float


@dataclass(frozen=True, slots=True)
class Range:
    """Lower and upper end of a central range, 90 % unless `confidence` says otherwise."""

    low: float
    high: float
    shape: Shape
    confidence: float
    limits: Limits


@dataclass(frozen=True, slots=True)
class Pert:
    """Modified beta (PERT) on [low, high] with the given mode and weight 4."""

    low: float
    mode: float
    high: float


@dataclass(frozen=True, slots=True)
class Named:
    """A named distribution by its mean and standard deviation."""

    dist: Literal["normal", "lognormal", "gamma", "beta"]
    mean: float
    sd: float
    limits: Limits


@dataclass(frozen=True, slots=True)
class Samples:
    """Draws from a file's column; quantities of one file keep their rows together."""

    file: str
    column: str
    limits: Limits


type Scalar = Certain | Range | Pert | Named | Samples


@dataclass(frozen=True, slots=True)
class BySegment:
    """One quantity per segment."""

    by: Mapping[str, Scalar]


type Quantity = Scalar | BySegment


def scalars(name: str, quantity: Quantity) -> Iterator[tuple[str, Scalar]]:
    """Yield every single quantity inside, by its dotted name.

    >>> dict(scalars("volumes.visits", BySegment({"DE": Certain(2.0)})))
    {'volumes.visits.by.DE': Certain(value=2.0)}
    """
    if isinstance(quantity, BySegment):
        for segment, value in quantity.by.items():
            yield f"{name}.by.{quoted(segment)}", value
    else:
        yield name, quantity


def quoted(part: str) -> str:
    """Return one part of a dotted key as TOML writes it.

    >>> quoted("DE"), quoted("lønn")
    ('DE', '"lønn"')
    """
    if part and part.isascii() and part.replace("_", "").replace("-", "").isalnum():
        return part
    escaped = part.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
