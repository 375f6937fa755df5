"""The same config and seed give the same figures to the last bit, wherever and however they are computed.

Everything about the surroundings is changed at once; `test_slow_determinism` changes it one by one, and fits.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.determinism import Surroundings, figures, locale_of, run

# No fit, and every other source of figures: ranges, a copula, a file of samples, a forecast volume, segments,
# a funnel, customers followed over the months, and names that no ASCII holds.
CONFIG = """\
[programme]
name = "Støtte 客服 ฝ่ายบริการ"
currency = "NOK"
start = 2026-03-01
horizon = 24
[volumes]
visits.history = { data = "visits.csv", columns = { month = "måned", units = "antall" } }
[volumes.customers]
stock = { low = 900, high = 1_100 }
monthly = 40
[outcomes.lead]
model = "conversion"
control = { low = 0.02, high = 0.03 }
effect = { low = -0.05, high = 0.35 }
volume = "visits"
[outcomes."salg 售"]
model = "conversion"
control = { by = { "Ærø" = 0.20, "北京" = { low = 0.2, high = 0.3 } } }
effect = { low = 0.0, high = 0.2 }
volume = 1_000
value = { price = { samples = "prices.csv", column = "pris" }, margin = { low = 0.25, high = 0.35 } }
[outcomes.stay]
model = "churn"
control = { low = 0.03, high = 0.05 }
effect = { low = -0.3, high = 0.0 }
volume = "customers"
value = 22
[rollout]
ramp = { months = { low = 3, mode = 6, high = 12 }, shape = "s-curve" }
fade = { half_life = { low = 12, high = 60 } }
[costs]
"lønn" = { monthly = { low = 900, high = 1_400 } }
build = { low = 4_000, mode = 6_000, high = 9_000 }
[[correlations]]
of = ["costs.\\"lønn\\".monthly", "costs.build"]
rho = 0.5
[[correlations]]
of = ["costs.build", "outcomes.lead.effect"]
rho = -0.3
"""


def written(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "c.toml").write_text(CONFIG, encoding="utf-8")
    rng = np.random.default_rng(1)
    rows = [f"{2023 + i // 12}-{i % 12 + 1:02d},{rng.integers(900, 1300)}" for i in range(36)]
    (folder / "visits.csv").write_text("måned,antall\n" + "\n".join(rows) + "\n", encoding="utf-8")
    (folder / "prices.csv").write_text("pris\n" + "\n".join(map(str, rng.uniform(50, 70, 200))) + "\n")
    return folder / "c.toml"


def test_the_surroundings_do_not_show(tmp_path: Path) -> None:
    """One thread here; four there: another folder, time zone, hash seed, a decimal comma and a dotless i."""
    config = written(tmp_path / "here")
    first = run(["forecast", config], tmp_path, Surroundings(threads=1, one_processor=True))
    other = written(tmp_path / "elsewhere" / "måned 月")
    turkish = locale_of("tr_TR.UTF-8", tmp_path) | {"TZ": "Pacific/Auckland", "PYTHONHASHSEED": "7"}
    command = ["forecast", "c.toml", "--out", "ut"]
    second = run(command, other.parent, Surroundings(4, variables=turkish, host=True))
    assert figures(second, other.parent) == figures(first, tmp_path)
    for answer in (first, second):
        del answer["run"]
    assert first == second
