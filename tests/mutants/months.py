"""Bugs in how an effect arrives over the months, in volumes, and in what becomes cash."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

ARITHMETIC, MONTHS = "test_arithmetic.py", "test_simulation.py"
TIMELINE, CASH, WORLD = "sim/simulation/timeline.py", "sim/simulation/cashflow.py", "sim/engine/world.py"
UNITS = "sim/engine/units.py"

MUTANTS = (
    Mutant(
        "ramp: one month too late",
        TIMELINE,
        "x = np.clip((t - delay.T) / length, 0.0, 1.0)",
        "x = np.clip((t - 1 - delay.T) / length, 0.0, 1.0)",
        (f"{MONTHS}::test_reach_by_month_is_the_contracts",),
    ),
    Mutant(
        "ramp ignored",
        TIMELINE,
        "length = np.maximum(ramp, 1.0).T",
        "length = np.ones_like(ramp).T",
        (f"{MONTHS}::test_reach_by_month_is_the_contracts",),
    ),
    Mutant(
        "s-curve told and a straight line run",
        TIMELINE,
        "x = x * x * (3 - 2 * x)",
        "x = x + 0.0",
        (f"{MONTHS}::test_reach_by_month_is_the_contracts",),
    ),
    Mutant(
        "fade ignored",
        TIMELINE,
        "    if half_life is not None:",
        "    if half_life is not None and False:",
        (f"{MONTHS}::test_reach_by_month_is_the_contracts",),
    ),
    Mutant(
        "fade from the launch on, not from the end of the ramp",
        TIMELINE,
        "np.maximum(t - delay.T - length, 0.0)",
        "np.maximum(t - delay.T, 0.0)",
        (f"{MONTHS}::test_reach_by_month_is_the_contracts",),
    ),
    Mutant(
        "transfer from pilot to rollout ignored",
        TIMELINE,
        "(transfer.T * fade).T",
        "(fade + 0 * transfer.T).T",
        (f"{MONTHS}::test_reach_by_month_is_the_contracts",),
    ),
    Mutant(
        "an effect goes on after the month in which it ends",
        TIMELINE,
        "x = x * (t <= ends)",
        "x = x * (t <= ends + 1)",
        (f"{MONTHS}::test_reach_by_month_is_the_contracts",),
    ),
    Mutant(
        "growth: month 1 grows already",
        TIMELINE,
        "((months(horizon).T - 1) / 12)",
        "(months(horizon).T / 12)",
        (f"{MONTHS}::test_growth_and_season",),
    ),
    Mutant(
        "growth: the annual rate every month",
        TIMELINE,
        "((months(horizon).T - 1) / 12)",
        "(months(horizon).T - 1)",
        (f"{MONTHS}::test_growth_and_season",),
    ),
    Mutant(
        "season: one month off",
        TIMELINE,
        "index = (first_month - 1 + np.arange(horizon)) % 12",
        "index = (first_month + np.arange(horizon)) % 12",
        (f"{MONTHS}::test_growth_and_season",),
    ),
    Mutant(
        "a day's volume taken 30 times a month",
        TIMELINE,
        "DAYS_PER_MONTH = 365 / 12",
        "DAYS_PER_MONTH = 30.0",
        (f"{ARITHMETIC}::test_1000_interactions_a_day_from_50_to_20",),
    ),
    Mutant(
        "a cost begins one month late",
        CASH,
        "((t >= first) &",
        "((t > first) &",
        (f"{MONTHS}::test_a_stream_of_cash_by_month",),
    ),
    Mutant(
        "a cost's own growth ignored",
        CASH,
        "factor = window if growth is None else growth if window.all() else window * growth",
        "factor = window",
        (f"{MONTHS}::test_a_stream_of_cash_by_month",),
    ),
    Mutant(
        "realisation ignored: saved minutes counted as saved money",
        WORLD,
        "plan.value_paths if plan.realisation_path is None else (*plan.value_paths, plan.realisation_path)",
        "plan.value_paths",
        (f"{ARITHMETIC}::test_after_is_the_contracts_formula",),
    ),
    Mutant(
        "after ignored: the same contacts deflected and handled faster",
        UNITS,
        "left = before.treated - taken.treated_total",
        "left = before.treated",
        ("test_fast_paths.py::test_a_month_tells_all_months_of_a_model_without_memory",),
    ),
    Mutant(
        "after ignored in what one month brings: only what control takes is gone",
        UNITS,
        "taken = whole.treated_total - none.treated_total",
        "taken = 0 * whole.treated_total",
        (f"{ARITHMETIC}::test_after_is_the_contracts_formula",),
    ),
    Mutant(
        "what an outcome takes from the next one does not ramp with it",
        UNITS,
        "(-taken, term[1] * share)",
        "(-taken, term[1])",
        (f"{ARITHMETIC}::test_after_is_the_contracts_formula",),
    ),
    Mutant(
        "a price per success paid at the control's rate",
        "models/_rate.py",
        "served=exposure.treated * adopted * (c + kept * gap)",
        "served=exposure.treated * adopted * c",
        (f"{ARITHMETIC}::test_after_is_the_contracts_formula",),
    ),
    Mutant(
        "a funnel's last stage: the extra visitors forgotten",
        "models/_rate.py",
        "gained = (exposure.treated - exposure.control) * c + lifted",
        "gained = lifted",
        (f"{ARITHMETIC}::test_a_funnel_counts_the_difference_of_whole_chains",),
    ),
    Mutant(
        "pooled levels by the pilot's crude mix, not by the rollout's volume",
        WORLD,
        "np.where(whole > 0, volume / np.where(whole > 0, whole, 1.0), self.mix(name)[None, :])",
        "self.mix(name)[None, :]",
        (f"{ARITHMETIC}::test_segments_volumes_season_and_derived_volumes",),
    ),
)
