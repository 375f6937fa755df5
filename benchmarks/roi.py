"""One ROI model in two forms: a config for `sim`, and plain arrays as anybody would write it.

It rests on ranges alone, so that what is measured is the simulation. Both forms give the same figures from
the same inputs; rows that use them show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

MONTHS = 36
CONTROL, RAMP, DISCOUNT = 0.03, 6, 0.10
LOGNORMAL, NORMAL, PERT = "lognormal", "normal", "pert"
INPUTS: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "volumes.visits.monthly": (LOGNORMAL, (35_000, 60_000)),
    "volumes.visits.growth": (NORMAL, (0.0, 0.08)),
    "outcomes.sales.effect": (NORMAL, (0.06, 0.18)),
    "outcomes.sales.value": (LOGNORMAL, (40, 60)),
    "rollout.transfer": (LOGNORMAL, (0.7, 1.0)),
    "rollout.fade.half_life": (LOGNORMAL, (24, 96)),
    "costs.development.once": (PERT, (40_000, 50_000, 80_000)),
    "costs.licence.monthly": (LOGNORMAL, (1_500, 2_500)),
}
"""Every uncertain input: its shape, and 5 and 95 % points, or bounds about a mode."""
BY_SEGMENT = ("volumes.visits.monthly", "outcomes.sales.effect")


def write(
    folder: Path, *, samples: int = 4000, months: int = MONTHS, segments: int = 1, seed: int = 1
) -> Path:
    """Write the model as a config and return its path.

    Parameters
    ----------
    folder : Path
    samples, months, segments : int
        With several segments, volume and effect are drawn for each of them.
    seed : int
    """

    def stated(name: str) -> str:
        values = INPUTS[name][1]
        keys = ("low", "mode", "high") if len(values) == 3 else ("low", "high")
        # The volume is that of the whole programme.
        scale = segments if name == BY_SEGMENT[0] else 1
        one = ", ".join(f"{key} = {value / scale!r}" for key, value in zip(keys, values, strict=True))
        if segments > 1 and name in BY_SEGMENT:
            each = ", ".join(f"S{i} = {{ {one} }}" for i in range(segments))
            return f"{{ by = {{ {each} }} }}"
        return f"{{ {one} }}"

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.toml"
    # No more chains than are needed: here they are but a factor of the number of samples.
    chains = max(2, -(-samples // 100_000))
    path.write_text(
        f"""\
[programme]
name = "ROI"
currency = "EUR"
horizon = {months}
discount_rate = {DISCOUNT}
[volumes.visits]
monthly = {stated("volumes.visits.monthly")}
growth = {stated("volumes.visits.growth")}
[outcomes.sales]
model = "conversion"
control = {CONTROL}
effect = {stated("outcomes.sales.effect")}
volume = "visits"
value = {stated("outcomes.sales.value")}
[rollout]
ramp = {{ months = {RAMP} }}
transfer = {stated("rollout.transfer")}
fade = {{ half_life = {stated("rollout.fade.half_life")} }}
[costs.development]
once = {stated("costs.development.once")}
[costs.licence]
monthly = {stated("costs.licence.monthly")}
[sampling]
draws = {samples // chains}
chains = {chains}
seed = {seed}
""",
        encoding="utf-8",
    )
    return path


def quantiles(name: str, u: Any) -> Any:
    """Return an input's values at probabilities `u`."""
    import numpy as np
    from scipy.special import betaincinv, ndtri

    shape, values = INPUTS[name]
    if shape == PERT:
        low, mode, high = values
        a, b = (1 + 4 * (end / (high - low)) for end in (mode - low, high - mode))
        return low + (high - low) * betaincinv(a, b, u)
    low, high = np.log(values) if shape == LOGNORMAL else values
    drawn = (low + high) / 2 + (high - low) / (2 * ndtri(0.95)) * ndtri(u)
    return np.exp(drawn) if shape == LOGNORMAL else drawn


def net_cash(x: Mapping[str, Any], months: int = MONTHS) -> Any:
    """Return the net cash flow, (sample, month 0 … months), from inputs by name.

    Parameters
    ----------
    x : mapping of str to array
        (sample,), or (sample, segment) for what is given by segment.
    months : int
    """
    import numpy as np

    t = np.arange(1, months + 1)
    column = {name: np.asarray(values, dtype=float)[..., None] for name, values in x.items()}
    grown = (1 + column["volumes.visits.growth"]) ** ((t - 1) / 12)
    kept = 0.5 ** (np.maximum(t - RAMP, 0) / column["rollout.fade.half_life"])
    reach = np.clip(t / RAMP, 0, 1) * kept * column["rollout.transfer"]
    volume, effect = column["volumes.visits.monthly"], CONTROL * column["outcomes.sales.effect"]
    if volume.ndim == 3:
        units = (volume * grown[:, None] * effect * reach[:, None]).sum(axis=1)
    else:
        units = volume * grown * effect * reach
    cash = np.empty((len(units), months + 1))
    cash[:, 0] = -np.asarray(x["costs.development.once"])
    cash[:, 1:] = units * column["outcomes.sales.value"] - column["costs.licence.monthly"]
    return cash


def net_present_value(cash: Any) -> Any:
    """Return the NPV of each row."""
    import numpy as np

    return cash @ (1 + DISCOUNT) ** (-np.arange(cash.shape[1]) / 12)


def rate_of_return(cash: Any) -> Any:
    """Return the annual IRR of each row by Newton's method on all rows at once; NaN without one."""
    import numpy as np

    t = np.arange(cash.shape[1])
    growth = np.zeros(len(cash))
    with np.errstate(all="ignore"):
        for _ in range(50):
            discounted = cash * np.exp(-growth[:, None] * t)
            step = discounted.sum(axis=1) / (discounted @ t)
            growth += step
            if not np.nanmax(np.abs(step)) > 1e-13:
                break
        growth[~(np.abs(step) <= 1e-10)] = np.nan
    return np.expm1(12 * growth)


def payback(cash: Any) -> Any:
    """Return the month from which the cumulative cash stays at 0 or above, +inf for never."""
    import numpy as np

    total = np.cumsum(cash, axis=1)
    below = total < 0
    last = cash.shape[1] - 1 - np.argmax(below[:, ::-1], axis=1)
    rows, after = np.arange(len(cash)), np.minimum(last + 1, cash.shape[1] - 1)
    with np.errstate(all="ignore"):
        month = last + total[rows, last] / (total[rows, last] - total[rows, after])
    return np.where(~below.any(axis=1), 0.0, np.where(below[:, -1], np.inf, month))
