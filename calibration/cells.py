"""What is calibrated: every outcome model under every design, each with an example pilot and a config.

The example has three segments of unequal size and, where arms are randomised, two treated arms. Truths are
drawn from the prior that the model has on the example, and every simulated pilot is as large as it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sim.contract import OutcomeModel
from sim.records.arrays import FloatArray
from sim.records.summary import Kind
from sim.registry import models

OUTCOME = "measure"
"""Name of the one outcome in each config."""
SEGMENTS = ("Nord", "Sør", "東京")
CONTROL, TREATED = "control", ("a", "b")
BEFORE, AFTER = "2025-01", "2025-02"
DESIGNS: tuple[Kind, ...] = ("randomised", "difference-in-differences", "before-after")
SAMPLES = 200
"""Joint states of each config: the truth and 199 draws, so that 50, 80 and 95 % of the ranks are whole."""
POINTS = (1, 5)

_MONEY = {
    "cost": 'value = 4\nsaves = "outsourcing"',
    "count": 'value = 4\nunit = "customer-month"',
    "rating": f"value = 4\nscale = {list(POINTS)}",
}
_COLUMNS = {"churn": 'columns = { period = "tenure", at_risk = "at_risk", churned = "churned" }'}
_CUSTOMERS = "stock = 500\n"


@dataclass(frozen=True, slots=True)
class Cell:
    """One model under one design.

    Parameters
    ----------
    name : str
        The model's.
    design : Kind
    """

    name: str
    design: Kind

    @property
    def model(self) -> OutcomeModel:
        """The outcome model."""
        return models()[self.name]

    @property
    def slug(self) -> str:
        """Name of the cell, also in file names."""
        return f"{self.name}-{self.design}"

    @property
    def treated(self) -> tuple[str, ...]:
        """Labels of the treated arms in the table; before-after pilots have none."""
        return {"randomised": TREATED, "difference-in-differences": TREATED[:1]}.get(self.design, ())

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """Arm and period of each cell of the statistics, as the table tells them; blank where it does not."""
        if self.design == "randomised":
            return tuple((arm, "") for arm in (CONTROL, *TREATED))
        if self.design == "difference-in-differences":
            return tuple((arm, when) for arm in (CONTROL, TREATED[0]) for when in (BEFORE, AFTER))
        return ("", BEFORE), ("", AFTER)

    @property
    def config(self) -> str:
        """The config, in TOML: the pilot's design, and money that is certain and linear in the effect."""
        pilot = [f'design = "{self.design}"', 'segment = "segment"', 'data = "pilot.csv"']
        if self.treated:
            arms = ", ".join(f'"{arm}"' for arm in self.treated)
            pilot.append(f'arm = {{ column = "arm", control = "{CONTROL}", treated = [{arms}] }}')
        if self.design != "randomised":
            pilot += ['period = "month"', f'launch = "{AFTER}"']
        if self.design == "before-after":
            # Stated, since a drift that is learnt from the past has no joint prior with it to draw from.
            pilot.append("bias = { low = -0.10, high = 0.15 }")
        volumes = ", ".join(
            f'"{name}" = {size}' for name, size in zip(SEGMENTS, (500, 300, 200), strict=True)
        )
        return "\n".join(
            [
                '[programme]\ncurrency = "EUR"\nhorizon = 12\n[pilot]',
                *pilot,
                "[volumes.units]",
                f"{_CUSTOMERS if self.name == 'churn' else ''}monthly = {{ by = {{ {volumes} }} }}",
                f'[outcomes.{OUTCOME}]\nmodel = "{self.name}"\nvolume = "units"',
                _COLUMNS.get(self.name, ""),
                _MONEY.get(self.name, "value = 4"),
                "[rollout]\ndelay = 1\nramp = { months = 3 }\n[costs]\nall = 1000",
                f"[sampling]\ndraws = {SAMPLES // 2}\nchains = 2\n",
            ]
        )

    def example(self) -> dict[str, FloatArray]:
        """Return the statistics (cell, segment, …) of the example pilot."""
        count = len(self.places)
        size = np.outer(1 - 0.2 * np.arange(count) * (self.design == "randomised"), [1.0, 0.5, 0.25])
        return _EXAMPLES[self.name](size)


def cells() -> Iterator[Cell]:
    """Yield every model under every design."""
    for name in sorted(models()):
        for design in DESIGNS:
            yield Cell(name, design)


def _conversion(size: FloatArray) -> dict[str, FloatArray]:
    trials = np.rint(600 * size)
    return {"trials": trials, "successes": np.rint(0.1 * trials)}


def _cost(size: FloatArray) -> dict[str, FloatArray]:
    n = np.rint(400 * size)
    return {"n": n, "mean": np.full(n.shape, 10.0), "sd": np.full(n.shape, 7.0)}


def _revenue(size: FloatArray) -> dict[str, FloatArray]:
    trials = np.rint(600 * size)
    payers = np.rint(0.3 * trials)
    return {"trials": trials, "payers": payers, "log_mean": np.full(size.shape, 3.0), "log_squares": payers}


def _count(size: FloatArray) -> dict[str, FloatArray]:
    exposure, value = np.array([1.0, 4.0]), np.arange(128.0)
    units = np.repeat(np.rint(60 * size)[:, :, None], 2, axis=2)
    # A geometric histogram with the mean 1.
    share = 0.5 ** (np.arange(8) + 1)
    histogram = np.zeros((*size.shape, 2, 128))
    histogram[..., :8] = np.floor(units[..., None] * share)
    histogram[..., 0] += units - histogram.sum(axis=-1)
    return {"units": units, "exposure": exposure, "value": value, "histogram": histogram}


def _rating(size: FloatArray) -> dict[str, FloatArray]:
    return {"counts": np.rint(200 * size[:, :, None] * [0.08, 0.1, 0.2, 0.37, 0.25])}


def _churn(size: FloatArray) -> dict[str, FloatArray]:
    there = np.rint(300 * size[:, :, None] * 0.9 ** np.arange(7))
    return {"at_risk": there[..., :-1], "churned": -np.diff(there, axis=2)}


_EXAMPLES = {
    "conversion": _conversion,
    "cost": _cost,
    "revenue": _revenue,
    "count": _count,
    "rating": _rating,
    "churn": _churn,
}
