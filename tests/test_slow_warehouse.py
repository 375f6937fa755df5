"""A million rows say the same in PostgreSQL, in a Spark session of this machine, and in DuckDB."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import server
from tests.warehouse_rows import READINGS, asked, differences, load, made

pytestmark = pytest.mark.slow

ROWS = 1_000_000
SPARK = (
    "pyspark://?spark.master=local[1]&spark.ui.enabled=false&spark.sql.shuffle.partitions=2"
    "&spark.driver.memory=2g&spark.ui.showConsoleProgress=false"
)
LOGARITHM = 1e-13
"""Java's logarithms differ from those of C in the last digit of a few; all else is the same."""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("rows"), ROWS)


@pytest.fixture(scope="module")
def postgres(rows: Path) -> Iterator[str]:
    with server() as found:
        load(found, rows.parent)
        yield found.reader


@pytest.fixture(scope="module")
def spark(rows: Path) -> Iterator[str]:
    pytest.importorskip("pyspark", reason="pyspark is not installed: uv sync --group warehouse")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java: apt-get install default-jre-headless")
    from sim.pilot.backends import spark_session

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session = spark_session(SPARK, "pyspark")
        session.read.parquet(str(rows.with_suffix(".parquet"))).createOrReplaceTempView("pilot")
        yield SPARK
        session.stop()


@pytest.mark.parametrize("name", READINGS)
def test_postgresql_and_duckdb(rows: Path, postgres: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOT_DSN", postgres)
    monkeypatch.setenv("DUCK_DSN", f"duckdb://{rows}")
    found = [asked(name, dsn=dsn, table="pilot") for dsn in ("${PILOT_DSN}", "${DUCK_DSN}")]
    assert differences(*found) == {}
    from_file = differences(found[0], asked(name, file=rows.with_suffix(".parquet")))
    assert all(apart < 1e-12 for apart in from_file.values()), from_file


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", READINGS)
def test_spark_and_duckdb(rows: Path, spark: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_DSN", spark)
    monkeypatch.setenv("DUCK_DSN", f"duckdb://{rows}")
    found = [asked(name, dsn=dsn, table="pilot") for dsn in ("${SPARK_DSN}", "${DUCK_DSN}")]
    apart = differences(*found)
    assert {key for key in apart if not key.startswith("log_")} == set()
    assert all(size < LOGARITHM for size in apart.values()), apart
