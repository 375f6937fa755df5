"""`poe fuzz [SECONDS]`: ten minutes unless told otherwise; what breaks is left in ``fuzz/found``.

The corpus grows in ``fuzz/corpus`` from one run to the next and begins with the gallery. To see again what
was found: ``python -m fuzz fuzz/found/crash-…``.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
SECONDS = 600


def seeds(corpus: Path) -> None:
    """Put the gallery's configs and tables, and keys and values in every form, into the corpus."""
    corpus.mkdir(exist_ok=True)
    starts = [b"\0" + file.read_bytes() for file in HERE.parent.glob("configs/*/config.toml")]
    starts += [b"\4" + file.read_bytes()[:4000] for file in HERE.parent.glob("configs/*/*.csv")]
    starts.append(b"\0" + (HERE / "works.toml").read_bytes())
    for place, text in enumerate(tomllib.loads((HERE / "seeds.toml").read_text("utf-8")).values()):
        starts += [bytes([place + 1]) + line.encode() for line in text.splitlines()]
    for number, start in enumerate(starts):
        (corpus / f"seed-{number:03d}").write_bytes(start)


def main() -> None:
    """Fuzz for some seconds, or run one input again."""
    import atheris

    with atheris.instrument_imports(include=["sim", "tomllib", "fuzz.targets"]):
        from fuzz.targets import one
    corpus, found = HERE / "corpus", HERE / "found"
    found.mkdir(exist_ok=True)
    given = sys.argv[1] if len(sys.argv) > 1 else str(SECONDS)
    if given.isdecimal():
        seeds(corpus)
        options = [f"-max_total_time={given}", f"-artifact_prefix={found}/", "-max_len=6000", "-timeout=20"]
        options += ["-rss_limit_mb=4000", "-print_final_stats=1", str(corpus)]
    else:
        options = [given]
    atheris.Setup([sys.argv[0], *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
