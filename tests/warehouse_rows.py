"""One pilot table of every kind of column, the same in a file, in PostgreSQL, in Spark and in DuckDB."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from sim.pilot.summary import read
from sim.records.reading import Reading
from sim.registry import models
from tests.postgres import Server

# What is drawn depends on the number of the row alone, so it is the same on every machine.
_ROWS = """
CREATE TABLE pilot AS WITH drawn AS (
  SELECT i, (hash(i, 1) % 1000000) / 1e6 AS u, (hash(i, 2) % 1000000) / 1e6 AS v,
    (hash(i, 3) % 1000000) / 1e6 AS w
  FROM range({rows}) AS rows(i))
SELECT
  CASE WHEN i % 97 = 0 THEN NULL WHEN i % 2 = 0 THEN 'human' ELSE ' bot ' END AS arm,
  CASE WHEN i % 2 = 0 THEN 'human' ELSE 'bot' END AS sent,
  CASE i % 11 WHEN 0 THEN '中国' WHEN 1 THEN 'ไทย' WHEN 2 THEN 'Ærøskøbing' WHEN 3 THEN '' WHEN 4 THEN NULL
    WHEN 5 THEN chr(160) || 'Ελλάδα' || chr(8203) WHEN 6 THEN 'a' WHEN 7 THEN 'A' WHEN 8 THEN 'العربية'
    WHEN 9 THEN '%s ''x'' "y" \\ {{}}' ELSE '🙂 ' END AS country,
  CASE WHEN u < 0.3 THEN exp(4 * v - 1 + w) ELSE 0 END AS amount,
  CAST(CASE WHEN w < 0.01 THEN NULL ELSE 1000 * u * v END AS DECIMAL(12, 2)) AS money,
  1 + floor(3600 * v * v) AS seconds,
  w < 0.2 + 0.05 * (i % 2) AS ok,
  CASE WHEN w < 0.1 THEN 'YES' WHEN w < 0.2 THEN ' true' WHEN w < 0.9 THEN 'No' ELSE NULL END AS said,
  CAST(floor(20 * u * u * u) AS INTEGER) AS events,
  0.1 + floor(30 * v) / 10 AS exposure,
  CAST(1 + floor(5 * u) AS SMALLINT) AS rating,
  TIMESTAMPTZ '2023-01-01 00:00:00+00' + to_seconds(CAST(floor(u * 730 * 86400) AS BIGINT)) AS joined,
  CASE WHEN v < 0.4 THEN DATE '2025-01-01' + CAST(floor(w * 365) AS INTEGER) END AS quit,
  CASE WHEN v < 0.4 THEN floor(24 * v) + w ELSE 12 END AS tenure,
  DATE '2025-01-01' + CAST(i % 28 AS INTEGER) AS day,
  strftime(DATE '2025-01-01' + CAST(i % 28 AS INTEGER), '%d.%m.%Y') AS written,
  CASE WHEN i % 5 = 0 THEN printf('%.4e', 900 * v) ELSE printf(' %.4f', 900 * v) END AS typed,
  uuid_of(hash(i % 40)) AS agent
FROM drawn
"""
_UUID = """
CREATE MACRO uuid_of(h) AS CAST(
  format('{:08x}-0000-4000-8000-{:012x}', h % 4294967296, h % 281474976710656) AS UUID)
"""
POSTGRES = {
    "arm": "text",
    "sent": "char(8)",
    "country": "varchar(40)",
    "amount": "double precision",
    "money": "numeric(12, 2)",
    "seconds": "double precision",
    "ok": "boolean",
    "said": "char(10)",
    "events": "integer",
    "exposure": "double precision",
    "rating": "smallint",
    "joined": "timestamptz",
    "quit": "date",
    "tenure": "double precision",
    "day": "timestamp",
    "written": "text",
    "typed": "text",
    "agent": "uuid",
}
ARMS: dict[str, Any] = {"arm": "arm", "control": "human", "treated": ("bot",)}
READINGS: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {
    "a flag": ("conversion", {"outcome": "ok"}, {"segment": "country", "cluster": "agent"}),
    "a flag as text": ("conversion", {"outcome": "said"}, {"segment": "country"}),
    "amounts": ("revenue", {"amount": "amount"}, {"segment": "country"}),
    "money": ("revenue", {"amount": "money"}, {"segment": "country", "cluster": "agent"}),
    "seconds": ("cost", {"amount": "seconds"}, {"segment": "country", "period": "written"}),
    "text": ("cost", {"amount": "typed"}, {}),
    "fractions": ("cost", {"amount": "amount"}, {"missing": (0.0,)}),
    "events": ("count", {"events": "events"}, {"segment": "country"}),
    "exposures": (
        "count",
        {"events": "events", "exposure": "exposure"},
        {"arm": "sent", "missing": ("A", -1.0)},
    ),
    "ratings": ("rating", {"rating": "rating"}, {"segment": "country"}),
    "dates": ("churn", {"start": "joined", "end": "quit"}, {"segment": "country"}),
    "tenures": ("churn", {"tenure": "tenure", "churned": "ok"}, {"segment": "country"}),
    "panels": (
        "cost",
        {"amount": "money"},
        {
            "design": "difference-in-differences",
            "launch": dt.date(2025, 1, 15),
            "cluster": "agent",
            "panel": True,
            "period": "day",
        },
    ),
    "weeks": ("cost", {"amount": "money"}, {"segment": "country", "period": "quit", "until": 20}),
    "failures": ("cost", {"amount": "money"}, {"failed": ("ok",)}),
}
"""A model, its columns, and what else is asked of the table."""


def made(folder: Path, rows: int) -> Path:
    """Write the table into a DuckDB file, with a CSV and a Parquet file beside it; return the first."""
    file = folder / "pilot.duckdb"
    with duckdb.connect(str(file)) as store:
        store.execute("SET TimeZone = 'UTC'")
        store.execute(_UUID)
        store.execute(_ROWS.format(rows=rows))
        store.execute(f"COPY pilot TO '{folder / 'pilot.csv'}' (FORMAT csv, HEADER false)")
        # Spark knows no UUID.
        rows = "(FROM pilot SELECT * REPLACE (CAST(agent AS VARCHAR) AS agent))"
        store.execute(f"COPY {rows} TO '{folder / 'pilot.parquet'}' (FORMAT parquet)")
    return file


def load(server: Server, folder: Path) -> None:
    """Copy the table into PostgreSQL, where the reader may read it."""
    import psycopg

    told = ", ".join(f"{name} {kind}" for name, kind in POSTGRES.items())
    with psycopg.connect(server.address(), autocommit=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"CREATE UNLOGGED TABLE pilot ({told})")
        with (
            connection.cursor().copy("COPY pilot FROM STDIN (FORMAT csv)") as copy,
            (folder / "pilot.csv").open("rb") as stream,
        ):
            while block := stream.read(1 << 20):
                copy.write(block)
        connection.execute("GRANT SELECT ON pilot TO reader")


def asked(name: str, **where: Any) -> Any:
    """Read the table as `READINGS` says, from a file or a warehouse."""
    model, columns, more = READINGS[name]
    options = {"churn": {"as_of": dt.date(2025, 12, 31)}, "rating": {"scale": (1, 5)}}.get(model, {})
    told = {"shown": "pilot", "key": "outcomes.x", "file": None, "columns": columns, "options": options}
    return read(Reading(**(told | ARMS | more | where)), models()[model])


def differences(one: Any, other: Any) -> dict[str, float]:
    """Return which statistics of two pilots differ in any digit, and by how much relatively."""
    assert one.summary.segments == other.summary.segments
    assert [check.message for check in one.checks] == [check.message for check in other.checks]
    found = {}
    mine, others = (
        {**pilot.summary.statistics, "size": pilot.summary.size, **_series(pilot)} for pilot in (one, other)
    )
    assert mine.keys() == others.keys()
    for key, values in mine.items():
        assert values.shape == others[key].shape
        if not np.array_equal(values, others[key], equal_nan=True):
            scale = np.maximum(np.abs(values), np.abs(others[key]))
            found[key] = float(np.nanmax(np.abs(values - others[key]) / np.where(scale > 0, scale, 1)))
    if one.summary.design.effect != other.summary.design.effect:
        found["effect"] = abs(one.summary.design.effect / other.summary.design.effect - 1)
    return found


def _series(pilot: Any) -> dict[str, Any]:
    series = pilot.summary.series
    if series is None:
        return {}
    return {f"series.{name}": getattr(series, name) for name in ("numerator", "denominator", "variance")}
