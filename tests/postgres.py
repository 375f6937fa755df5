"""A PostgreSQL server of the tests' own, from the system's packages, on a socket in a folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

PASSWORD = "p@ss/w:rd-häns %41"  # noqa: S105  # of nobody; every sign that an address gives a meaning to
UNPRIVILEGED = "postgres"


def binaries() -> Path | None:
    """Return the folder of the server's programs, the newest that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3]))
    if found:
        return found[-1].parent
    there = shutil.which("initdb")
    return None if there is None else Path(there).parent


@dataclass(frozen=True)
class Server:
    """A running server; `owner` may do everything, `reader` only what it was granted."""

    socket: Path

    def address(self, user: str = "owner", password: str = "", database: str = "shop") -> str:
        login = f"{user}:{quote(password, safe='')}" if password else user
        return f"postgresql://{login}@/{quote(database)}?host={quote(str(self.socket), safe='')}"

    @property
    def reader(self) -> str:
        return self.address("reader", PASSWORD)

    def run(self, *statements: str, database: str = "shop") -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(self.address(database=database), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def load(
        self, name: str, columns: Mapping[str, str], rows: Iterator[Sequence[Any]] | Sequence[Any]
    ) -> None:
        """Make a table that the reader may read."""
        import psycopg

        told = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
        with psycopg.connect(self.address(), autocommit=True) as connection:
            connection.execute(f'DROP TABLE IF EXISTS "{name}"')
            connection.execute(f'CREATE TABLE "{name}" ({told})')
            with connection.cursor().copy(f'COPY "{name}" FROM STDIN') as copy:
                for row in rows:
                    copy.write_row(row)
            connection.execute(f'GRANT SELECT ON "{name}" TO reader')


@contextmanager
def server() -> Iterator[Server]:
    """Start a server and take it away again; where there is none, the test is skipped."""
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="sim-pg-"))
    # The server refuses to run as root.
    user = UNPRIVILEGED if os.getuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    env = {**os.environ, "LC_ALL": "C.UTF-8"}

    def call(*arguments: object) -> None:
        told = subprocess.run(
            [programs / str(arguments[0]), *map(str, arguments[1:])],
            cwd=folder,
            user=user,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == 0, told.stderr

    call("initdb", "-D", folder / "data", "-U", "owner", "-A", "trust", "-E", "UTF8", "--no-sync")
    hba = folder / "data" / "pg_hba.conf"
    hba.write_text("local all owner trust\nlocal all all scram-sha-256\n")
    options = "-c listen_addresses= -c fsync=off -c autovacuum=off -c shared_buffers=128MB"
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [programs / "postgres", "-D", folder / "data", "-k", folder, *options.split()],
        cwd=folder,
        user=user,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=log,
    )
    try:
        found = Server(folder)
        _await(found, process, folder / "log")
        found.run(
            "CREATE DATABASE shop", f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'", database="postgres"
        )
        yield found
    finally:
        process.send_signal(signal.SIGINT)  # waits for nobody
        process.wait(30)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def _await(found: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    for _ in range(200):
        assert process.poll() is None, log.read_text()
        try:
            found.run("SELECT 1", database="postgres")
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text())
