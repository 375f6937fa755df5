"""Tables and JSON that other programs read."""

from __future__ import annotations

import json
import math
from datetime import date

import numpy as np
import pyarrow.parquet as pq
import pytest

from sim.finance.discount import factors
from sim.report.tables import write_cash_flow, write_json, write_samples


def test_json_keeps_order_and_letters_and_refuses_nan(tmp_path):
    file = tmp_path / "a.json"
    write_json(file, {"z": 1, "a": "客服 Ærlig", "n": None})
    text = file.read_text(encoding="utf-8")
    assert list(json.loads(text)) == ["z", "a", "n"]
    assert "客服 Ærlig" in text
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="JSON"):
            write_json(file, {"x": [bad]})


def test_samples_have_nulls_and_no_sentinels(tmp_path):
    file = tmp_path / "samples.parquet"
    write_samples(
        file,
        {
            "sample": np.arange(3),
            "strategy": np.array(["bot", "bot", "客服"], dtype=object),
            "metrics.payback_months": np.array([3.5, np.inf, np.nan]),
            "costs.licence.monthly": 4000.0,
        },
    )
    table = pq.read_table(file)
    assert table.column_names == ["sample", "strategy", "metrics.payback_months", "costs.licence.monthly"]
    assert table["metrics.payback_months"].to_pylist() == [3.5, None, None]
    assert table["costs.licence.monthly"].to_pylist() == [4000.0] * 3
    assert table["strategy"].to_pylist() == ["bot", "bot", "客服"]
    assert table["sample"].to_pylist() == [0, 1, 2]


def test_cash_flow_rows(tmp_path):
    rng = np.random.default_rng(0)
    gain, cost = rng.normal(100, 30, (400, 15)), np.full((1, 15), 40.0)
    discount = factors(0.1, 14)
    file = tmp_path / "cash_flow.parquet"
    streams = {"outcomes.a": ("benefit", gain), "costs.b": ("cost", cost)}
    write_cash_flow(file, {"bot": streams, "other": {"costs.b": ("cost", cost)}}, date(2026, 11, 1), discount)
    table = pq.read_table(file).to_pylist()
    columns = ["strategy", "stream", "kind", "month", "date", "mean", "sd", "p05", "p25", "p50", "p75", "p95"]
    assert list(table[0]) == columns
    rows = {(r["strategy"], r["stream"], r["kind"], r["month"]): r for r in table}
    assert len(rows) == len(table) == 15 * (5 + 4)
    row = rows["bot", "outcomes.a", "benefit", 3]
    assert row["mean"] == pytest.approx(gain[:, 3].mean(), rel=1e-12)
    assert row["sd"] == pytest.approx(gain[:, 3].std(ddof=1), rel=1e-12)
    assert row["p05"] == pytest.approx(np.quantile(gain[:, 3], 0.05), rel=1e-12)
    net = gain - cost
    assert rows["bot", "total", "net", 3]["p50"] == pytest.approx(np.median(net[:, 3]), rel=1e-12)
    balance = net.cumsum(axis=1)
    assert rows["bot", "total", "cumulative", 14]["p95"] == pytest.approx(np.quantile(balance[:, 14], 0.95))
    worth = (net * discount).cumsum(axis=1)
    assert rows["bot", "total", "cumulative_discounted", 14]["mean"] == pytest.approx(worth[:, 14].mean())
    assert rows["bot", "costs.b", "cost", 3]["mean"] == 40.0
    assert rows["bot", "costs.b", "cost", 3]["sd"] == 0.0
    assert rows["other", "total", "net", 0]["mean"] == -40.0
    dates = [rows["bot", "total", "net", month]["date"] for month in (0, 1, 2, 3, 14)]
    assert dates == [
        date(2026, 11, 1),
        date(2026, 11, 1),
        date(2026, 12, 1),
        date(2027, 1, 1),
        date(2027, 12, 1),
    ]


def test_cash_flow_without_a_start_has_no_dates(tmp_path):
    file = tmp_path / "cash_flow.parquet"
    write_cash_flow(file, {"t": {"costs.b": ("cost", np.ones((1, 3)))}}, None, np.ones((1, 3)))
    assert set(pq.read_table(file)["date"].to_pylist()) == {None}
