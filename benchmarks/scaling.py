"""How fast a curve rises: the exponent of a power law, and its plot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.result import Curve


def exponent(curve: Curve) -> tuple[float, float]:
    """Return the slope of log y over log x by least squares, and its standard error.

    1 is proportional, 0 is flat. NaN for fewer than three points or values that are not positive.

    Examples
    --------
    >>> slope, error = exponent(Curve("n", "", "s", [1, 10, 100], [2, 20, 200]))
    >>> round(slope, 9), round(error, 9)
    (1.0, 0.0)
    """
    pairs = [(math.log(x), math.log(y)) for x, y in zip(curve.x, curve.y, strict=True) if x > 0 and y > 0]
    n = len(pairs)
    if n < 3:
        return math.nan, math.nan
    mean_x, mean_y = (sum(pair[axis] for pair in pairs) / n for axis in (0, 1))
    spread = sum((x - mean_x) ** 2 for x, _ in pairs)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in pairs) / spread
    left = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in pairs)
    return slope, math.sqrt(left / (n - 2) / spread)


def power(value: float) -> str:
    """Return a size in as few characters as tell it.

    >>> [power(value) for value in (0.02, 500, 2_000, 10_000, 20_000_000)]
    ['0.02', '500', '2,000', '10⁴', '2·10⁷']
    """
    if value < 10_000 or not math.isfinite(value):
        return f"{value:,g}" if value < 1 else f"{value:,.0f}"
    digits = math.floor(math.log10(value) + 1e-9)
    front = f"{value / 10**digits:.3g}"
    small = str(digits).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{small}" if front == "1" else f"{front}·10{small}"


def by_axis(curves: Sequence[Curve]) -> Mapping[str, list[Curve]]:
    """Return curves by what is varied and the unit they are measured in: what one plot can hold."""
    found: dict[str, list[Curve]] = {}
    for curve in curves:
        name = curve.axis if curve.unit == "s" else f"{curve.axis}-memory"
        found.setdefault(name, []).append(curve)
    return found


def draw(path: Path, curves: Sequence[Curve]) -> Path:
    """Draw curves of one axis on logarithmic scales, each with the line of its exponent.

    Parameters
    ----------
    path : Path
        A PNG file.
    curves : sequence of Curve
        Of one axis and unit.
    """
    import numpy as np
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    from sim.report.style import DPI, INK, figure, theme

    axis, unit = curves[0].axis, curves[0].unit
    with theme():
        fig = figure((6.4, 4.2))
        ax = fig.subplots()
        for curve in curves:
            slope, error = exponent(curve)
            told = f"{curve.label.replace('`', '')}: exponent {slope:.2f} ± {error:.2f}"
            (line,) = ax.plot(curve.x, curve.y, "o", markersize=5, label=told)
            if math.isfinite(slope):
                x = np.array([min(curve.x), max(curve.x)], dtype=float)
                centre = (np.mean(np.log(curve.x)), np.mean(np.log(curve.y)))
                ax.plot(
                    x, np.exp(centre[1] + slope * (np.log(x) - centre[0])), color=line.get_color(), lw=1.2
                )
        ax.set_xscale("log")
        ax.set_yscale("log")
        for side in (ax.xaxis, ax.yaxis):
            side.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=9))
            side.set_major_formatter(FuncFormatter(lambda value, _: power(value)))
            side.set_minor_formatter(NullFormatter())
        ax.set_xlabel(axis)
        ax.set_ylabel("seconds" if unit == "s" else unit)
        ax.grid(visible=True, which="major")
        ax.set_title(f"{'time' if unit == 's' else 'peak memory'} over {axis}", color=INK)
        fig.legend(loc="outside lower left", ncols=1, fontsize=9.5)
        path.parent.mkdir(parents=True, exist_ok=True)
        fig.savefig(path, dpi=DPI * 2 // 3)
    return path
