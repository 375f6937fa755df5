"""Calibrates one cell: prior, simulated table, reader, compiled model, ranks; resumable.

Dataset i has a random generator of its own, so that a run goes on where it stopped with the same figures.
A pilot that the engine refuses or fails to check (an arm in which nobody paid) is left out and the next one
taken: that is decided by the data alone, and given the data the posterior is what it is.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from calibration import tables
from calibration.cells import OUTCOME, SAMPLES, Cell
from calibration.quantities import complete, logged, ranked
from sim.contract import Priors
from sim.engine.prepare import Prepared, prepare
from sim.errors import ProblemsError
from sim.inference import density
from sim.inference import fit as fitting
from sim.inference.fit import Sampler
from sim.records.arrays import Draws, FloatArray, IntArray
from sim.records.summary import PilotSummary
from sim.registry import source

SAMPLER = Sampler(draws=300, tune=300, chains=2)
TARGET = 0.95
DRAWS = SAMPLES - 1
"""Draws among which a truth is ranked."""
_ANCHORS = (
    *("m0", "design", "design_now", "nuisance", "nuisance_now", "drift"),
    *("sigma_m0", "sigma_design", "column", "column_arms"),
)
"""Arrays that the prior is made of: they stay those of the example from which the truth was drawn."""
_EVERY = 25
_ROOT = Path(__file__).resolve().parent.parent

type Alter = Callable[[dict[str, FloatArray]], dict[str, FloatArray]]
"""Changes the arrays that the compiled model holds: how tests plant a bug."""


@dataclass(slots=True)
class Ranks:
    """Ranks of the truths in one cell.

    Parameters
    ----------
    names : tuple of str
        Quantities.
    rank : (dataset, quantity) array of int
        Draws below the truth, 0 … `DRAWS`.
    truth, variance : (dataset, quantity) array
        The truth, and the posterior variance; of the logarithm where `logged` says so.
    repeat : (dataset, quantity) array
        Correlation of neighbouring draws among those ranked.
    divergences : (dataset,) array
        Transitions that diverged.
    tried : int
        Datasets simulated, those left out included.
    """

    names: tuple[str, ...]
    rank: IntArray
    truth: FloatArray
    variance: FloatArray
    repeat: FloatArray
    divergences: FloatArray
    tried: int


def calibrate(
    cell: Cell, n: int, *, seed: int, store: Path | None = None, alter: Alter | None = None
) -> Ranks:
    """Simulate `n` pilots of a cell, fit them, and rank their truths.

    Parameters
    ----------
    cell : Cell
    n : int
        Pilots.
    seed : int
    store : Path or None
        Folder in which the ranks are kept as they come, and from which a run goes on.
    alter : callable or None
        Changes the arrays that are fitted, to plant a bug.
    """
    kept = None if store is None else store / f"{cell.slug}-{seed}-{_state()}.npz"
    rows = [] if kept is None or not kept.exists() else _load(kept)
    tried = int(rows[-1]["tried"]) if rows else 0
    names: tuple[str, ...] = tuple(rows[0]["name"]) if rows else ()
    if len(rows) < n:
        with TemporaryDirectory(prefix="sim-calibration-") as folder:
            bench = Bench(cell, Path(folder), alter)
            begun, before = time.monotonic(), len(rows)
            while len(rows) < n:
                row = bench.rank(np.random.default_rng([seed, zlib.crc32(cell.slug.encode()), tried]))
                tried += 1
                if row is not None:
                    names = names or tuple(row["name"])
                    rows.append({**row, "tried": tried})
                if kept is not None and row is not None and (len(rows) % _EVERY == 0 or len(rows) == n):
                    _save(kept, rows)
                    each = (time.monotonic() - begun) / (len(rows) - before)
                    sys.stderr.write(f"{cell.slug}: {len(rows)} of {n}, {each:.2f} s each\n")
    made = {key: np.array([row[key] for row in rows[:n]]) for key in rows[0] if key != "name"}
    tried = int(made.pop("tried")[-1])
    return Ranks(names, **made, tried=tried)


class Bench:
    """One cell with its example read and its model compiled at the first fit.

    Parameters
    ----------
    cell : Cell
    folder : Path
        Holds the config and the table.
    alter : callable or None
        Changes the arrays that are fitted.
    """

    def __init__(self, cell: Cell, folder: Path, alter: Alter | None = None) -> None:
        self.cell, self.folder, self.alter = cell, folder, alter
        self.config = folder / "config.toml"
        self.config.write_text(cell.config, encoding="utf-8")
        self.example = self.read([cell.example()]).summaries[OUTCOME]
        arrays = cell.model.data(self.example, Priors())
        self.anchors = {name: values for name, values in arrays.items() if _bare(name) in _ANCHORS}

    def read(self, parts: list[dict[str, FloatArray]]) -> Prepared:
        """Write a pilot's table and let the engine read it, with the config."""
        tables.write(self.folder / "pilot.csv", self.cell, parts)
        return prepare(self.config)

    def rank(self, rng: np.random.Generator) -> dict[str, Any] | None:
        """Draw a truth and a pilot, fit it and rank the truth; None where the engine refuses the pilot."""
        model = self.cell.model
        truth = model.prior(self.example, Priors(), 1, rng=rng)
        made = [model.simulate(truth, part, rng=rng) for part in self._parts()]
        try:
            prepared = self.read([{name: values[0] for name, values in part.items()} for part in made])
        except ProblemsError:
            return None
        if any(check.status == "fail" for check in prepared.checks):
            return None
        prepared = self._anchored(prepared)
        summary = prepared.summaries[OUTCOME]
        self._same(made, summary)
        draws, divergences, arrays = self.fit(summary, int(rng.integers(2**31)))
        truth = complete(self.cell, truth, arrays)
        step = SAMPLER.draws * SAMPLER.chains // SAMPLES
        thin = {name: values[::step][:DRAWS] for name, values in draws.items()}
        found = ranked(
            self.cell, {name: np.concatenate([truth[name], thin[name]]) for name in truth}, prepared
        )
        values = np.array(list(found.values()))
        first, others = values[:, :1], values[:, 1:]
        equal = (others == first).sum(axis=1)
        scaled = [np.log(row) if logged(name) else row for name, row in found.items()]
        return {
            "name": np.array(list(found)),
            "rank": (others < first).sum(axis=1) + rng.integers(0, equal + 1),
            "truth": np.array([shown[0] for shown in scaled]),
            "variance": np.array([shown[1:].var(ddof=1) for shown in scaled]),
            "repeat": _repeats(others),
            "divergences": float(divergences),
        }

    def fit(self, summary: PilotSummary, seed: int) -> tuple[Draws, int, dict[str, FloatArray]]:
        """Sample the posterior of a pilot under the example's prior; also divergences and fitted arrays."""
        model = self.cell.model
        arrays = model.data(summary, Priors()) | self.anchors
        if self.alter is not None:
            arrays = self.alter(arrays)
        compiled = density.compiled(model, summary, Priors(), source(model.name)).with_data(**arrays)
        tree = fitting.sample(compiled, SAMPLER, TARGET, seed, lambda _share: None)
        posterior = fitting.named(tree)
        draws = {
            str(name): values.values.reshape(-1, *values.shape[2:])
            for name, values in posterior.data_vars.items()
        }
        return draws, int(tree["sample_stats"]["diverging"].values.sum()), arrays

    def _parts(self) -> list[PilotSummary]:
        """Return the example to simulate from: counts by exposure, or their rows could not be told apart."""
        if self.cell.name != "count":
            return [self.example]
        statistics = self.example.statistics
        alone = np.eye(len(statistics["exposure"]))
        return [
            replace(self.example, statistics={**statistics, "units": statistics["units"] * only})
            for only in alone
        ]

    def _anchored(self, prepared: Prepared) -> Prepared:
        """Return the pilot read with the example's reference answers, which anchor the prior of a rating."""
        if self.cell.name != "rating":
            return prepared
        summary = prepared.summaries[OUTCOME]
        held = {**summary.statistics, "reference": self.example.statistics["reference"]}
        return replace(prepared, summaries={OUTCOME: replace(summary, statistics=held)})

    def _same(self, made: list[dict[str, FloatArray]], summary: PilotSummary) -> None:
        """Raise unless the table says what was simulated: the totals of every cell and segment."""
        common = [name for name in made[0] if name in summary.statistics]
        ratio = self.cell.model.ratio
        parts = [ratio({name: part[name][0] for name in common}) for part in made]
        read = ratio({name: summary.statistics[name] for name in common})
        # A churn numerator is the leavers; its denominator depends on all cells at once.
        wanted = sum(part.numerator for part in parts), sum(part.denominator for part in parts)
        for got, due in zip((read.numerator, read.denominator), wanted, strict=True):
            np.testing.assert_allclose(got, due, rtol=1e-8, atol=1e-8)


def _bare(name: str) -> str:
    return name.removeprefix("pay_")


def _repeats(values: FloatArray) -> FloatArray:
    """Lag-one autocorrelation of each row."""
    apart = values - values.mean(axis=1, keepdims=True)
    whole = (apart**2).sum(axis=1)
    found: FloatArray = (apart[:, 1:] * apart[:, :-1]).sum(axis=1) / np.where(whole > 0, whole, 1.0)
    return found


def _state() -> str:
    """Hash of what determines the ranks: models, the cells and the way they are run, and versions."""
    digest = hashlib.sha256(" ".join(version(name) for name in ("pymc", "nutpie", "numpy")).encode())
    own = [_ROOT / "calibration" / f"{name}.py" for name in ("cells", "tables", "quantities", "run")]
    for path in [*sorted((_ROOT / "models").glob("*.py")), *own]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _save(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    stacked: Mapping[str, Any] = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    part = path.with_suffix(".part.npz")
    np.savez_compressed(part, allow_pickle=False, **stacked)
    os.replace(part, path)


def _load(path: Path) -> list[dict[str, Any]]:
    with np.load(path, allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    count = len(arrays["rank"])
    return [{key: values[i] for key, values in arrays.items()} for i in range(count)]
