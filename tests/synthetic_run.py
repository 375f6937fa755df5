"""Writes the files of a run from random draws, for the tests of the report. Nothing here was fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from sim.finance.discount import factors
from sim.finance.metrics import measure, without_values
from sim.finance.spread import distribution
from sim.report.tables import write_cash_flow, write_json, write_samples
from sim.report.write import file_name

CHAINS, DRAWS, HORIZON = 4, 250, 36
N = CHAINS * DRAWS


def spread(values: np.ndarray) -> dict[str, float]:
    low, median, high = np.quantile(values, [0.05, 0.5, 0.95])
    return {"mean": float(values.mean()), "median": float(median), "low": float(low), "high": float(high)}


def levels(control: np.ndarray, treated: np.ndarray) -> dict[str, Any]:
    zero = bool((control == 0).any())
    return {
        "control": spread(control),
        "treated": spread(treated),
        "difference": spread(treated - control),
        "relative": dict.fromkeys(("mean", "median", "low", "high"))
        if zero
        else spread(treated / control - 1),
    }


def posterior(path: Path, draws: Mapping[str, np.ndarray], segments: Sequence[str]) -> None:
    import arviz as az

    def chained(values: np.ndarray) -> np.ndarray:
        return values.reshape(CHAINS, DRAWS, *values.shape[1:])

    data = az.from_dict(
        {"posterior": {name: chained(values) for name, values in draws.items()}},
        dims={
            "level": ["arm", "segment"],
            "delta": ["treated"],
            "tau": ["treated"],
            "effect": ["treated", "segment"],
        },
        coords={"arm": ["control", "treated"], "treated": ["treated"], "segment": list(segments)},
        attrs={"/": {"note": "synthetic: random draws, no data and no model"}},
    )
    path.parent.mkdir(exist_ok=True)
    data.to_netcdf(path, engine="h5netcdf")


def outcome(
    rng: np.random.Generator, base: float, effect: float, segments: Sequence[str], noise: float = 0.06
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Draws and summary block of one outcome on a log scale."""
    s = len(segments)
    delta = rng.normal(effect, noise, (N, 1))
    tau = np.abs(rng.normal(0, 0.1, (N, 1)))
    gain = delta[:, :, None] + rng.normal(0, 1.5 * noise, (N, 1, s)) + np.linspace(-0.1, 0.1, s)
    control = base * np.exp(rng.normal(0, 0.05, (N, s)))
    treated = control * np.exp(gain[:, 0]) if base else 0.4 * np.exp(gain[:, 0])
    draws = {"level": np.stack([control, treated], axis=1), "delta": delta, "tau": tau, "effect": gain}
    block = {
        "pooled": levels(control.mean(axis=1), treated.mean(axis=1)),
        "segments": {
            name: levels(control[:, k], treated[:, k])
            for k, name in enumerate(segments)
            if segments != ["all"]
        },
    }
    return draws, block


def write_run(
    folder: Path,
    *,
    name: str = "Support chatbot",
    outcomes: Mapping[str, tuple[str, str, float, float, bool]] | None = None,
    segments: Sequence[str] = ("DE", "FR", "NO"),
    strategies: Sequence[str] = ("treated",),
    trusted: bool = True,
    money: bool = True,
    scale: float = 1.0,
    certain: bool = False,
    seed: int = 1,
) -> dict[str, Any]:
    """Write summary.json, samples.parquet, cash_flow.parquet and posterior/*.nc; return the summary."""
    rng = np.random.default_rng(seed)
    if outcomes is None:  # name: (model, unit, base level, log effect, kpi)
        outcomes = {
            "checkout": ("conversion", "success", 0.021, 0.16, False),
            "handling": ("cost", "second", 412.0, -0.22, False),
            "retention": ("churn", "customer-month", 0.042, -0.08, False),
            "satisfaction": ("rating", "point", 3.7, 0.02, True),
        }
    discount = factors(0.10, HORIZON)
    columns: dict[str, list[Any]] = {"sample": [], "strategy": []}
    blocks: dict[str, Any] = {}
    streams: dict[str, dict[str, Any]] = {}
    for number, strategy in enumerate(strategies):
        found: dict[str, Any] = {}
        cash: dict[str, Any] = {}
        for title, (model, unit, base, effect, kpi) in outcomes.items():
            draws, block = outcome(rng, base, effect * (1 - 0.4 * number), segments)
            posterior(folder / "posterior" / f"{file_name(title)}.nc", draws, segments)
            better = (draws["delta"][:, 0] > 0) if effect > 0 else (draws["delta"][:, 0] < 0)
            worth = None
            if money and not kpi:
                gain = np.abs(effect) * draws["delta"][:, 0] / effect * 23_000 * scale
                ramp = np.clip((np.arange(HORIZON + 1) - 1) / 6, 0, 1)
                flows = gain[:, None] * ramp * rng.uniform(0.5, 1.2, (N, 1))
                cash[f"outcomes.{title}"] = ("benefit", flows[:1] if certain else flows)
                worth = {**spread(flows.sum(axis=1)), "pv": float((flows * discount).sum(axis=1).mean())}
                del worth["median"]
            found[title] = {
                "model": model,
                "unit": unit,
                "better": "higher" if effect > 0 else "lower",
                "level": "share" if model in ("conversion", "churn") else "positive",
                **block,
                "p_better": float(better.mean()),
                "money": worth,
                "kpi": kpi or not money,
            }
        if money:
            once = np.zeros((N, HORIZON + 1))
            once[:, 0] = rng.triangular(60_000, 75_000, 110_000, N) * scale
            cash["costs.development"] = ("cost", once[:1] if certain else once)
            monthly = np.full((1, HORIZON + 1), 4_000.0 * scale)
            monthly[0, 0] = 0
            cash["costs.licence"] = ("cost", monthly)
            cash["benefits.old_licence"] = ("benefit", monthly * 0.2)
        streams[strategy] = cash
        rows = 1 if certain else N
        zeros = np.zeros((rows, HORIZON + 1))
        benefit = sum((flows for kind, flows in cash.values() if kind == "benefit"), zeros)
        cost = sum((flows for kind, flows in cash.values() if kind == "cost"), zeros)
        if money:
            samples, metrics, probability, risk = measure(
                benefit, cost, discount, discount_rate=0.10, payback_within=18, hurdle=0.0
            )
            for key, values in samples.items():
                columns.setdefault(f"metrics.{key}", []).append(values)
            columns["sample"].append(np.arange(rows))
            columns["strategy"].append(np.full(rows, strategy, dtype=object))
        if not money or not trusted:
            metrics, probability, risk = without_values(HORIZON)

        def told(prefix: str, flows_by_name: Mapping[str, Any] = cash) -> dict[str, Any]:
            result = {}
            for key, (_, flows) in flows_by_name.items():
                if key.startswith(prefix):
                    total = distribution(flows.sum(axis=1))
                    result[key.removeprefix(prefix)] = {
                        **{part: total[part] for part in ("mean", "low", "high")},
                        "pv": float((flows * discount).sum(axis=1).mean()),
                        **({"category": "development"} if prefix == "costs." else {}),
                    }
            return result

        blocks[strategy] = {
            "metrics": metrics,
            "probability": probability,
            "risk": risk,
            "evidence": {
                "share_of_npv_beyond_pilot": 0.83 if trusted and money else None,
                "pilot_months": 3.0,
                "from_pilot": 0.71,
                "from_priors": 0.0,
                "from_elicited": 0.29,
            },
            "outcomes": found,
            "costs": told("costs."),
            "benefits": told("benefits."),
        }
    best = strategies[0]
    summary: dict[str, Any] = {
        "programme": {
            "name": name,
            "currency": "EUR",
            "horizon": HORIZON,
            "discount_rate": 0.10,
            "start": "2026-01-01",
        },
        "samples": 1 if certain else N,
        "seed": seed,
        "trusted": trusted,
        "interval": {"kind": "eti", "prob": 0.9},
        "best": best,
        "strategies": blocks,
        **blocks[best],
        "checks": [
            {
                "name": "sample-ratio",
                "status": "ok",
                "message": "Split as intended (p = 0.41).",
                "remedy": "",
            },
            {
                "name": "before-tax",
                "status": "note",
                "message": "Every figure is before tax.",
                "remedy": "",
            },
            {
                "name": "realisation",
                "status": "warn",
                "message": "Saved labour of handling is counted in full as cash.",
                "remedy": "Set outcomes.handling.realisation to the share that becomes cash.",
            },
        ],
    }
    if not trusted:
        summary["checks"].append(
            {
                "name": "r-hat:checkout",
                "status": "fail",
                "message": "R-hat 1.08 is above 1.01.",
                "remedy": "Sample longer, or look at the pilot table for a segment without events.",
            }
        )
    summary["headline"] = f"Investing in {name} returns more than it costs with a probability of 88 %."
    write_json(folder / "summary.json", summary)
    if money and trusted:
        table = {key: np.concatenate(values) for key, values in columns.items()}
        write_samples(folder / "samples.parquet", table)
        write_cash_flow(folder / "cash_flow.parquet", streams, date(2026, 1, 1), discount)
    return summary
