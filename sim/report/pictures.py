"""Keeps the pictures of a fit beside it: they look alike in every run that uses it in the same language."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from sim.language import CATALOGUES, language
from sim.records.versions import version
from sim.report.write import file_name
from sim.whole import write_whole

_MADE_BY = (
    "fit_plots.py", "fonts.py", "names.py", "posterior_plots.py", "style.py", "ticks.py", "words.py",
    "../language.py",
)  # fmt: skip
_LENGTH = 16


def picture(name: str, kind: str, ending: str) -> str:
    """Return the file name of a picture of an outcome's fit in a run."""
    return f"{kind}_{file_name(name)}{ending}"


def fetch(fit: Path, name: str, target: Path) -> None:
    """Put the picture kept in the folder `fit` under the outcome's `name` at `target`, if it is whole."""
    for path in fit.glob(f"picture-{_kind(name)}-*{target.suffix}"):
        with suppress(OSError):
            content = path.read_bytes()
            if path.stem.endswith(_digest(content)):
                target.parent.mkdir(exist_ok=True)
                target.write_bytes(content)


def keep(fit: Path, name: str, picture: Path) -> None:
    """Keep a picture; where that cannot be done, it is drawn again next time."""
    content = picture.read_bytes()
    place = fit / f"picture-{_kind(name)}-{_digest(content)}{picture.suffix}"
    if place.exists():
        return
    with suppress(OSError):
        write_whole(place, lambda path: path.write_bytes(content))


def _kind(name: str) -> str:
    """Hash what a picture depends on besides the fit: the name in its title, the language, the code."""
    said = f"{name} {language()} {version('arviz')} {version('matplotlib')}"
    files = [Path(__file__).parent / file for file in _MADE_BY]
    if language() != "en":
        files.append(CATALOGUES / f"{language()}.po")
    digest = hashlib.sha256(said.encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:_LENGTH]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_LENGTH]
