"""The generated pages, and whether those on disk are still what the code says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from handbook.cli_reference import cli_page
from handbook.config_reference import config_page
from handbook.listings import benchmarks_page, models_page

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES: Mapping[str, Callable[[], str]] = {
    "reference/config.md": config_page,
    "reference/cli.md": cli_page,
    "reference/models.md": models_page,
    "reference/benchmarks.md": benchmarks_page,
}


def stale() -> list[str]:
    """Return the generated pages that are missing or no longer what the code says."""
    return [
        name
        for name, page in PAGES.items()
        if not (DOCS / name).is_file() or (DOCS / name).read_text("utf-8") != page()
    ]


def write() -> None:
    """Write every generated page anew."""
    for name, page in PAGES.items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(), "utf-8")
