"""The gallery: every example of configs/ run, with its answer and two of its plots."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import sim

ROOT = Path(__file__).resolve().parent.parent
WIDTH, COLOURS = 900, 64
OPENING = """# Gallery

Written by `uv run poe gallery`, which runs every example in `configs/`. The e-mail campaign is
real and `prior-only` has no data; all others are constructed: public trials of these measures are rare, and a
known truth is what the tests hold the results against.
"""


def build(out: Path | None = None) -> None:
    """Run every example and write docs/gallery.md with its pictures.

    Parameters
    ----------
    out : path, optional
        Folder of results; stored fits there are used again.
    """
    from PIL import Image

    pictures = ROOT / "docs" / "gallery"
    pictures.mkdir(exist_ok=True)
    parts = [OPENING]
    with tempfile.TemporaryDirectory() as made:
        for config in sorted((ROOT / "configs").glob("*/config.toml")):
            name = config.parent.name
            result = sim.forecast(config, out=out or made)
            parts += [f"## {name}", "", _teaches(config), ""]
            told = [] if result.summary["metrics"]["npv"]["mean"] is None else ["cash_flow"]
            for plot in (*told, "effects"):
                source = result.run / "plots" / f"{plot}.png"
                if source.is_file():
                    with Image.open(source) as picture:
                        small = picture.convert("RGB")
                        small.thumbnail((WIDTH, 10 * WIDTH))
                        small.quantize(COLOURS).save(pictures / f"{name}-{plot}.png", optimize=True)
                    parts += [f"![{name}: {plot.replace('_', ' ')}](gallery/{name}-{plot}.png)", ""]
            parts += [f"> {result.headline}", ""]
            parts += ["```sh", f"sim forecast configs/{name}/config.toml", "```", ""]
    (ROOT / "docs" / "gallery.md").write_text("\n".join(parts), "utf-8")


def _teaches(config: Path) -> str:
    lines = config.read_text("utf-8").splitlines()
    comment = [line.removeprefix("# ") for line in lines if line.startswith("# ")]
    return re.sub(r"\s+", " ", " ".join(comment)).replace("(../", "(configs/")
