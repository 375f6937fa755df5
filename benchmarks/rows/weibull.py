"""How long customers stay: `sim` against the Weibull regression of lifelines, from the rows of the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.bench import QUIET, SEED, Bench, answer, gate
from benchmarks.call import done
from benchmarks.result import Result, Table, Target, measured
from benchmarks.timing import Run, alternate, ratios

NAME, JOB = "weibull", "churn of 300,000 customers from rows to a hazard ratio"
LIFELINES = "lifelines>=0.30.3,<0.31"
"""Not in the project's environment: it needs pandas 2, where the rest has pandas 3."""
_RATIO, _SHAPE, _SCALE = 0.85, 0.8, 30.0
_CONFIG = """\
[programme]
name = "Churn"
currency = "EUR"
[pilot]
data = "{file}"
arm = {{ column = "variant", control = "human", treated = "bot" }}
[volumes.customers]
stock = 10_000
[outcomes.retention]
model = "churn"
columns = {{ start = "joined", end = "left" }}
as_of = 2025-12-31
volume = "customers"
value = 9
[costs]
licence.monthly = 4_000
"""


def measure(bench: Bench) -> Result:
    """Measure the row."""
    rows, rounds = bench.size(300_000, 5_000), bench.repeats + 1
    python = bench.environment(LIFELINES, "pyarrow")
    files = [bench.scratch / "churn" / f"{turn}.parquet" for turn in range(rounds)]
    for turn, file in enumerate(files):
        bench.call("rows.weibull:generate", file=str(file), rows=rows, seed=SEED + turn)
        file.with_suffix(".toml").write_text(_CONFIG.format(file=file.name), encoding="utf-8")
    fits: list[Path] = []
    found: dict[str, list[float]] = {}
    told: dict[str, Any] = {}

    def sim(turn: int) -> Run:
        out = files[turn].with_suffix("")
        run = bench.sim("forecast", files[turn].with_suffix(".toml"), "--out", out, QUIET)
        place = answer(run)["run"]
        fits.append(out / ".fits")
        summary = json.loads(Path(place, "summary.json").read_text("utf-8"))
        relative = summary["outcomes"]["retention"]["pooled"]["relative"]
        found["sim"] = [1 + relative[key] for key in ("median", "low", "high")]
        return run

    def lifelines(turn: int) -> Run:
        result, run = bench.call("rows.weibull:lifelines", python=python, file=str(files[turn]))
        found["lifelines"] = result["ratio"]
        told.update(result)
        return run

    runs = alternate({"sim": sim, "lifelines": lifelines}, rounds)
    runs = {who: each[1:] for who, each in runs.items()}
    slower, low, high = ratios(
        (run.seconds for run in runs["sim"]), (run.seconds for run in runs["lifelines"])
    )
    return Result(
        NAME,
        JOB,
        asked={
            "sim": "the whole forecast of a table not seen before: check every row, count at risk and "
            "leaving by arm and month of tenure, sample the beta-discrete-Weibull with its gates, simulate "
            "36 months, write all files",
            "lifelines": "read the Parquet file by pandas, aggregate to distinct tenures in days with "
            "weights (so that the fit does not see rows), `WeibullAFTFitter` with the arm as covariate, "
            "maximum likelihood and Wald interval; whole process, in an environment of its own",
        },
        measures=[
            measured("sim", f"{rows:,} customers, whole process", runs["sim"]),
            measured("lifelines", f"{rows:,} customers, whole process", runs["lifelines"]),
        ],
        targets=[Target("time of sim over that of lifelines", slower, None, "×", low=low, high=high)],
        gates=[gate("sim", fits)],
        tables=[
            Table(
                f"Hazard ratio of the treated arm, truth {_RATIO}, last repeat",
                ("", "estimate", "90 % interval"),
                [(who, f"{one[0]:.3f}", f"{one[1]:.3f} … {one[2]:.3f}") for who, one in found.items()],
            )
        ],
        notes=[
            f"lifelines {told['versions']}; {told['distinct']:,} distinct tenures; of its time "
            f"{told['aggregating']:.2f} s read and aggregate, {told['fitting']:.2f} s fit (last repeat)"
        ],
    )


def generate(file: str, rows: int, seed: int) -> None:
    """Write customers whose tenure is Weibull in truth, followed for up to two years."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(seed)
    treated = rng.random(rows) < 0.5
    end = np.datetime64("2025-12-31")
    joined = end - rng.integers(1, 731, size=rows)
    months = _SCALE * (-np.log(rng.random(rows)) / np.where(treated, _RATIO, 1.0)) ** (1 / _SHAPE)
    left = joined + np.ceil(months * 30.4375).clip(1, 10_000).astype(int)
    table = pa.table(
        {
            "variant": np.where(treated, "bot", "human"),
            "joined": pa.array(joined),
            "left": pa.array(left, mask=left > end),
        }
    )
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, file)


def lifelines(file: str) -> dict[str, Any]:
    """Estimate the hazard ratio by lifelines; runs where only lifelines and pyarrow are."""
    import time

    started = time.perf_counter()
    import numpy as np
    import pandas as pd
    from lifelines import WeibullAFTFitter

    imported = time.perf_counter()
    frame = pd.read_parquet(file)
    end = pd.Timestamp("2025-12-31")
    gone = pd.to_datetime(frame["left"])
    days = (gone.fillna(end) - pd.to_datetime(frame["joined"])).dt.days
    grouped = (
        pd.DataFrame(
            {"days": days, "event": gone.notna(), "treated": (frame["variant"] == "bot").astype(int)}
        )
        .groupby(["days", "event", "treated"])
        .size()
        .rename("n")
        .reset_index()
    )
    aggregated = time.perf_counter()
    fitter = WeibullAFTFitter(alpha=0.1)
    fitter.fit(grouped, "days", "event", weights_col="n", formula="treated")
    fitted = time.perf_counter()
    # H(t) = (t / exp(b0 + b x))^rho, so the hazard ratio is exp(-b rho); rho is far better known than b.
    rho = float(np.exp(fitter.params_["rho_", "Intercept"]))
    b, se = fitter.params_["lambda_", "treated"], fitter.standard_errors_["lambda_", "treated"]
    z = 1.6448536269514722
    ratio = [float(np.exp(-rho * (b + side * z * se))) for side in (0, 1, -1)]
    done()
    import lifelines as package

    return {
        "ratio": ratio,
        "distinct": len(grouped),
        "importing": imported - started,
        "aggregating": aggregated - imported,
        "fitting": fitted - aggregated,
        "versions": f"{package.__version__} with pandas {pd.__version__}, numpy {np.__version__}",
    }
