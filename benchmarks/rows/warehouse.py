"""From the rows of a pilot in PostgreSQL to what a model needs of them, with the rows left there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.result import Result, Target, measured
from benchmarks.rows.pilot import CONFIG
from benchmarks.scaling import power
from benchmarks.timing import FailedRunError, Run, alternate, environment, process, ratios

NAME, JOB = "warehouse", "pilot of 10⁷ rows in PostgreSQL to sufficient statistics"
_QUERY = "SELECT variant, country, month, count(resolved), sum(resolved) FROM pilot GROUP BY 1, 2, 3"


def measure(bench: Bench) -> Result:
    """Measure the row."""
    # The tests' own server: a benchmark of it is run from a checkout, as they are.
    from tests.postgres import binaries, server

    programs = binaries()
    if programs is None:
        raise FailedRunError("no PostgreSQL server is installed: apt-get install postgresql")
    rows = bench.size(10_000_000, 20_000)
    folder = bench.scratch / "warehouse"
    bench.call("rows.pilot:generate", folder=str(folder), rows=rows)
    with server() as warehouse:
        _load(warehouse, folder / "pilot.csv")
        counts: dict[str, int] = {}
        known = environment(PILOT_DSN=warehouse.reader)
        config = folder / "pilot.toml"
        told = CONFIG.replace('data = "{file}"', 'data = {{ dsn = "${{PILOT_DSN}}", table = "pilot" }}')
        config.write_text(told.format(), encoding="utf-8")

        def sim(_turn: int) -> Run:
            run = bench.sim("check", config, env=known)
            counts["sim"] = int(sum(json.loads(run.out)["result"]["pilots"]["resolved"]["units"].values()))
            return run

        def psql(_turn: int) -> Run:
            argv: list[str | Path] = [programs / "psql", "-d", warehouse.reader, "-A", "-t", "-c", _QUERY]
            run = process(argv, cwd=folder, env=known)
            counts["psql"] = sum(int(line.split("|")[3]) for line in run.out.splitlines())
            return run

        jobs = {"sim": sim, "psql": psql}
        alternate(jobs, 1)
        runs = alternate(jobs, bench.repeats)
    if len(set(counts.values())) > 1:
        raise FailedRunError(f"the parties count differently: {counts}")
    name = f"{power(rows)} rows"
    slower, low, high = ratios((run.seconds for run in runs["sim"]), (run.seconds for run in runs["psql"]))
    return Result(
        NAME,
        JOB,
        asked={
            "sim": "`sim check` with `dsn`: find arms and periods, check every row, group by arm, segment, "
            "month; whole process, memory of `sim` alone",
            "psql": f"`psql -c '{_QUERY}'`; whole process",
        },
        measures=[measured(who, name, each) for who, each in runs.items()],
        targets=[Target(f"{name}: time of psql's", slower, None, "×", low=low, high=high)],
        notes=["both find the same counts; the server stands on the same machine and has its defaults"],
    )


def _load(warehouse: Any, file: Path) -> None:
    import psycopg

    with psycopg.connect(warehouse.address(), autocommit=True) as connection:
        connection.execute(
            "CREATE UNLOGGED TABLE pilot (variant text, country text, month text, resolved integer)"
        )
        with (
            connection.cursor().copy("COPY pilot FROM STDIN (FORMAT csv, HEADER)") as copy,
            file.open("rb") as stream,
        ):
            while block := stream.read(1 << 20):
                copy.write(block)
        connection.execute("GRANT SELECT ON pilot TO reader")
        connection.execute("VACUUM ANALYZE pilot")
