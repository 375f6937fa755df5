"""A published figure, and the range of the effect elsewhere that it stands for.

How a figure becomes a 90 % range of the relative effect somewhere else:

- A figure without a standard error (vendor cases, abstracts): from no effect to twice the figure on
  the log scale. It says that the figure is as likely too large as too small, and that no effect at
  all would be a surprise but no wonder.
- An experiment with published counts: log ratio ± 1.645 · sqrt(s² + b²), s the sampling error of the
  counts and b a third of the log ratio for what differs between one site and the next; a narrow
  interval is one of that site, not of another.

The discount moves the centre towards no effect and leaves the width alone. It is ½ for vendor cases,
which are chosen for being large: replications of prominent findings came to about half of them (Open
Science Collaboration 2015, doi:10.1126/science.aac4716), and those were not success stories of a
seller. It is ⅓ for experiments with high trust: replications of published economics experiments came
to 66 % of the original (Camerer et al. 2016, doi:10.1126/science.aaf0918).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Z = 1.6448536269514722
VENDOR_DISCOUNT = 0.5
EXPERIMENT_DISCOUNT = 0.33
_BETWEEN_SITES = 1 / 3

Trust = Literal["high", "medium", "low", "none"]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One published figure.

    Parameters
    ----------
    key : str
        Name in a config: ``prior.effect = { benchmark = "…" }``.
    measure : str
        What was measured, with the published figure.
    source : str
        Citation.
    population : str
        Whom it was measured on.
    trust : {"high", "medium", "low", "none"}
        How far the figure itself can be believed.
    why : str
        Reason of the trust.
    model : str or None
        Outcome model whose effect it is; None where it is no effect.
    range : (low, high) or None
        90 % range of the relative effect before the discount; None where it is no prior.
    discount : float
        Default discount.
    unusable : str
        Why it is no prior; empty where it is one.
    """

    key: str
    measure: str
    source: str
    population: str
    trust: Trust
    why: str
    model: str | None = None
    range: tuple[float, float] | None = None
    discount: float = 0.0
    unusable: str = ""


def from_figure(relative: float) -> tuple[float, float]:
    """Return the range of a figure without a standard error: no effect to twice it in logs.

    >>> low, high = from_figure(0.20)
    >>> low, round(high, 2)
    (0.0, 0.44)
    """
    low, high = sorted((0.0, (1 + relative) ** 2 - 1))
    return low, high


def from_counts(control: tuple[int, int], treated: tuple[int, int]) -> tuple[float, float]:
    """Return the range of an experiment for another site, from (successes, trials) of both arms.

    >>> [round(end, 2) for end in from_counts((298, 16_687), (736, 33_396))]
    [0.05, 0.45]
    """
    (y, n), (z, m) = control, treated
    centre = math.log(z / m / (y / n))
    sampling = 1 / y - 1 / n + 1 / z - 1 / m
    half = Z * math.sqrt(sampling + (_BETWEEN_SITES * centre) ** 2)
    return math.expm1(centre - half), math.expm1(centre + half)
