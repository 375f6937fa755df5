"""From the rows of a pilot to what a model needs of them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from benchmarks.bench import SEED, Bench
from benchmarks.call import done
from benchmarks.result import Curve, Measure, Result, Target, measured
from benchmarks.scaling import power
from benchmarks.timing import FailedRunError, Run, alternate, ratios

NAME, JOB = "pilot", "pilot of 10⁷ rows to sufficient statistics"
_SLOWER = 2.0
CONFIG = """\
[programme]
name = "Rows"
currency = "EUR"
[pilot]
data = "{file}"
arm = {{ column = "variant", control = "human", treated = "bot" }}
segment = "country"
period = "month"
[outcomes.resolved]
model = "conversion"
columns = {{ outcome = "resolved" }}
volume = 10_000
value = 5
[costs]
licence.monthly = 4_000
"""
_QUERY = """\
SELECT variant, country, month, count(resolved) AS n, sum(resolved) AS y
FROM {read}('{file}') GROUP BY ALL ORDER BY ALL
"""


def measure(bench: Bench) -> Result:
    """Measure the row."""
    full = bench.size(10_000_000, 20_000)
    sizes = [full // 1000, full // 100, full // 10, full]
    counted = [*sizes, 100_000_000] if bench.large else sizes
    measures: list[Measure] = []
    targets: list[Target] = []
    rising: dict[str, list[tuple[int, Measure]]] = {}
    for rows in counted:
        folder = bench.scratch / f"rows-{rows}"
        bench.call("rows.pilot:generate", folder=str(folder), rows=rows)
        for kind in ("parquet", "csv"):
            if kind == "csv" and rows < full:
                continue
            parties = ("sim", "DuckDB", "pandas") if rows == full else ("sim", "DuckDB")
            repeats = bench.repeats if rows == full else bench.size(3, 1)
            runs = _parties(bench, folder / f"pilot.{kind}", parties, repeats)
            name = f"{'Parquet' if kind == 'parquet' else 'CSV'}, {power(rows)} rows"
            found = {who: measured(who, name, each) for who, each in runs.items()}
            if kind == "parquet":
                for who, one in found.items():
                    rising.setdefault(who, []).append((rows, one))
            if rows < full:
                continue
            measures += found.values()
            slower, low, high = ratios(
                (run.seconds for run in runs["sim"]), (run.seconds for run in runs["DuckDB"])
            )
            targets.append(Target(f"{name}: time of DuckDB's", slower, _SLOWER, "×", low=low, high=high))
        _remove(folder)
    first, last = (rising["sim"][place][1].peak or math.nan for place in (0, -1))
    # Flat: a thousand times the rows, at most half as much again.
    growth = f"memory with {power(counted[-1])} rows over that with {power(counted[0])}"
    targets.append(Target(growth, last / first, 1.5, "×"))
    curves = [
        Curve("rows", f"{who}, Parquet", "s", *_points(rising[who], "time")) for who in ("sim", "DuckDB")
    ]
    curves += [
        Curve("rows", f"{who}, peak memory", "MB", *_points(rising[who], "peak")) for who in ("sim", "DuckDB")
    ]
    return Result(
        NAME,
        JOB,
        asked={
            "sim": "`sim check`: hash the file, check every row (arms, segments, periods, values), group by "
            "arm, segment and month, check the split; whole process",
            "DuckDB": "import duckdb and run the one query `" + " ".join(_QUERY.split()) + "`; whole process",
            "pandas": "import pandas, read the four columns (CSV by the pyarrow engine, its fastest), "
            "`groupby().agg()`; whole process",
        },
        measures=measures,
        targets=targets,
        curves=curves,
        notes=["all three find the same counts in 2 × 6 × 12 cells"],
    )


def _points(found: list[tuple[int, Measure]], what: str) -> tuple[list[float], list[float]]:
    values = [one.median if what == "time" else (one.peak or math.nan) / 1e6 for _, one in found]
    return [float(rows) for rows, _ in found], values


def _remove(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def _parties(bench: Bench, file: Path, parties: tuple[str, ...], repeats: int) -> dict[str, list[Run]]:
    """Run all parties in turn on one file and compare what they count."""
    config = file.with_suffix(".toml")
    config.write_text(CONFIG.format(file=file.name), encoding="utf-8")
    counts: dict[str, int] = {}

    def sim(_turn: int) -> Run:
        run = bench.sim("check", config)
        units = json.loads(run.out)["result"]["pilots"]["resolved"]["units"]
        counts["sim"] = int(sum(units.values()))
        return run

    def peer(who: str) -> Run:
        counts[who], run = bench.call(f"rows.pilot:{who.lower()}", file=str(file))
        return run

    ways = {"sim": sim, "DuckDB": lambda _turn: peer("DuckDB"), "pandas": lambda _turn: peer("pandas")}
    chosen = {who: ways[who] for who in parties}
    alternate(chosen, 1)
    runs = alternate(chosen, repeats)
    if len(set(counts.values())) > 1:
        raise FailedRunError(f"the parties count differently: {counts}")
    return runs


def generate(folder: str, rows: int) -> None:
    """Write a pilot of so many rows as Parquet and as CSV; the same rows for the same number."""
    import duckdb

    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect()
    # One thread: the random numbers then come in the same order each time.
    connection.execute("SET threads TO 1")
    connection.execute("SELECT setseed(?)", [SEED / 1e9])
    query = f"""
        SELECT CASE WHEN a < 0.5 THEN 'human' ELSE 'bot' END AS variant,
            ['DE', 'FR', 'ES', 'SE', 'NO', 'TH'][1 + CAST(floor(6 * s * s) AS INTEGER)] AS country,
            printf('2025-%02d', 1 + CAST(floor(12 * m) AS INTEGER)) AS month,
            CAST(y < CASE WHEN a < 0.5 THEN 0.30 ELSE 0.32 END AS INTEGER) AS resolved
        FROM (SELECT random() AS a, random() AS s, random() AS m, random() AS y FROM range({rows}))
    """  # noqa: S608  # a number of our own
    connection.execute(f"COPY ({query}) TO '{place / 'pilot.parquet'}' (FORMAT parquet)")
    connection.execute(
        f"COPY (FROM '{place / 'pilot.parquet'}') TO '{place / 'pilot.csv'}' (FORMAT csv, HEADER)"
    )


def duckdb(file: str) -> int:
    """Run the query by hand; return how many units it counts."""
    import duckdb as db

    read = "read_parquet" if file.endswith(".parquet") else "read_csv"
    cells = db.connect().execute(_QUERY.format(read=read, file=file)).fetchall()
    done()
    return int(sum(cell[3] for cell in cells))


def pandas(file: str) -> int:
    """Group by pandas; return how many units it counts."""
    import pandas as pd

    frame: Any
    if file.endswith(".parquet"):
        frame = pd.read_parquet(file, columns=["variant", "country", "month", "resolved"])
    else:
        frame = pd.read_csv(file, engine="pyarrow")
    cells = frame.groupby(["variant", "country", "month"])["resolved"].agg(["count", "sum"])
    done()
    return int(cells["count"].sum())
