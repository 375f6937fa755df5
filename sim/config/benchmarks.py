"""Published effects: where they come from, how far to trust them, and as what prior they may serve."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any

from sim.config.published import (
    EXPERIMENT_DISCOUNT,
    VENDOR_DISCOUNT,
    Benchmark,
    from_counts,
    from_figure,
)
from sim.errors import Problem, ProblemsError

_ARTICLE = '"Calculate the ROI of a marketing automation platform", practitioner article (2022)'
_GUIDE = '"How to measure the ROI of AI in customer service", practitioner article'
_AI_WORK = (
    "Brynjolfsson, Li & Raymond (2025), Generative AI at Work, doi:10.1093/qje/qjae044; NBER 31161 (2023)"
)
_HILLSTROM = "Hillstrom (2008), MineThatData E-Mail Analytics and Data Mining Challenge"
_KARLAN = "Karlan & List (2007), Does Price Matter in Charitable Giving?, doi:10.1257/aer.97.5.1774"
_VENDOR = "one vendor's success story: selected, no control stated"
_CUSTOMERS = "64,000 customers of one retailer who had bought within a year, randomised; two weeks"
_EXPERIMENT = "large randomised experiment, for that retailer"
_AGENTS = "5,179 agents of one software company's technical support, staggered roll-out"
_FIELD = (
    "large field study with controls, for that kind of work; 34 % for novices, hardly any for the experienced"
)
_SHARE = "a share of respondents, not an effect size"
_WORKED = "a worked example made up for arithmetic, not a measurement"
_CONTROL, _MENS, _WOMENS = (122, 21_306), (267, 21_307), (189, 21_387)

BENCHMARKS: tuple[Benchmark, ...] = (
    Benchmark(
        "onsite-messages-conversion",
        "conversion +20 % with on-site messages (Zivame)",
        _ARTICLE,
        "one online retailer",
        "low",
        _VENDOR,
        "conversion",
        from_figure(0.20),
        VENDOR_DISCOUNT,
    ),
    Benchmark(
        "automation-revenue",
        "revenue +25 % with marketing automation (Speero)",
        _ARTICLE,
        "one seller of car parts and accessories",
        "low",
        _VENDOR,
        "revenue",
        from_figure(0.25),
        VENDOR_DISCOUNT,
    ),
    Benchmark(
        "automation-repeat-purchases",
        "repeat purchases +400 % with marketing automation (FirstCry)",
        _ARTICLE,
        "one online retailer",
        "low",
        _VENDOR,
        unusable="a fivefold rise over a base that is not told: no range would be honest",
    ),
    Benchmark(
        "personalisation-revenue",
        "e-commerce revenue +10 to +30 % from personalisation",
        _ARTICLE,
        "not told",
        "low",
        '"studies show", and no study is named',
        "revenue",
        from_figure(math.sqrt(1.10 * 1.30) - 1),  # the middle of the claimed figures, on the log scale
        VENDOR_DISCOUNT,
    ),
    Benchmark(
        "cart-recovery",
        "13 % of abandoned carts recovered (Arata)",
        _ARTICLE,
        "one online retailer",
        "low",
        _VENDOR,
        unusable="a level, not a change: how many would have come back anyway is not told",
    ),
    Benchmark(
        "cart-abandonment",
        "69 % of carts are abandoned on average",
        _ARTICLE,
        "online retail",
        "medium",
        "often measured, and stable across the years",
        unusable="a level, not a change: use it as a volume, share = 0.69",
    ),
    Benchmark(
        "lead-follow-up",
        "leads followed up within an hour are 60 times likelier to convert",
        _ARTICLE + ", after a Harvard Business Review study",
        "companies with sales leads",
        "low",
        "selection, not an experiment: promising leads are called first",
        unusable="a comparison of leads that differ in more than the hour, not the effect of calling sooner",
    ),
    Benchmark(
        "personalised-contact",
        "93 % of companies see conversion rise from personalised contact",
        _ARTICLE + ", after Econsultancy",
        "companies asked",
        "none",
        _SHARE,
        unusable=_SHARE,
    ),
    Benchmark(
        "personal-recommendation",
        "49 % of customers bought after a personal recommendation",
        _ARTICLE + ", after Econsultancy",
        "customers asked",
        "none",
        _SHARE,
        unusable=_SHARE,
    ),
    Benchmark(
        "example-cost-per-interaction",
        "cost per interaction 50 to 20",
        _GUIDE,
        "nobody",
        "none",
        _WORKED,
        unusable=_WORKED,
    ),
    Benchmark(
        "example-handle-time",
        "handle time 10 to 6 minutes",
        _GUIDE,
        "nobody",
        "none",
        _WORKED,
        unusable=_WORKED,
    ),
    Benchmark(
        "example-gain",
        "100,000 invested, 200,000 gained",
        _GUIDE,
        "nobody",
        "none",
        _WORKED,
        unusable=_WORKED,
    ),
    Benchmark(
        "ai-assistant-issues-per-hour",
        "issues resolved per hour +14 % with an AI assistant",
        _AI_WORK,
        _AGENTS,
        "high",
        _FIELD,
        "count",
        from_figure(0.14),
        EXPERIMENT_DISCOUNT,
    ),
    Benchmark(
        "ai-assistant-handle-time",
        "time per resolved issue -12 % with an AI assistant (issues resolved per hour +14 %)",
        _AI_WORK,
        _AGENTS,
        "high",
        _FIELD,
        "cost",
        from_figure(1 / 1.14 - 1),
        EXPERIMENT_DISCOUNT,
    ),
    Benchmark(
        "email-purchase-mens",
        "purchase rate 0.573 % to 1.253 % with an e-mail of men's goods",
        _HILLSTROM,
        _CUSTOMERS,
        "high",
        _EXPERIMENT,
        "conversion",
        from_counts(_CONTROL, _MENS),
        EXPERIMENT_DISCOUNT,
    ),
    Benchmark(
        "email-purchase-womens",
        "purchase rate 0.573 % to 0.884 % with an e-mail of women's goods",
        _HILLSTROM,
        _CUSTOMERS,
        "high",
        _EXPERIMENT,
        "conversion",
        from_counts(_CONTROL, _WOMENS),
        EXPERIMENT_DISCOUNT,
    ),
    Benchmark(
        "email-spend-mens",
        "spend per customer +0.77 (0.65 to 1.42) with an e-mail of men's goods",
        _HILLSTROM,
        _CUSTOMERS,
        "high",
        _EXPERIMENT,
        "revenue",
        from_figure(1.42 / 0.65 - 1),
        EXPERIMENT_DISCOUNT,
    ),
    Benchmark(
        "email-spend-womens",
        "spend per customer +0.42 (0.65 to 1.08) with an e-mail of women's goods",
        _HILLSTROM,
        _CUSTOMERS,
        "high",
        _EXPERIMENT,
        "revenue",
        from_figure(1.08 / 0.65 - 1),
        EXPERIMENT_DISCOUNT,
    ),
    Benchmark(
        "matching-gift-donations",
        "donation rate 1.786 % to 2.204 % with a matching offer in fundraising letters",
        _KARLAN,
        "50,083 earlier donors of one charity, randomised",
        "high",
        "large randomised experiment, for that charity",
        "conversion",
        from_counts((298, 16_687), (736, 33_396)),
        EXPERIMENT_DISCOUNT,
    ),
    Benchmark(
        "ai-resolution-price",
        "about 0.99 USD per AI resolution; a resolution may be an assumed one",
        "Intercom Fin price list, as reported",
        "one vendor's customers",
        "medium",
        "a price; check what counts as a resolution",
        unusable='a price, not an effect: use it as a cost, per = "OUTCOME.successes", amount = 0.99',
    ),
)


def effect_prior(raw: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Return ``{ benchmark, discount }`` as the table of an effect prior: low, high, source, discount.

    Parameters
    ----------
    raw : mapping
        The config's ``prior.effect`` with a ``benchmark``.
    model : str
        The outcome's model.

    Raises
    ------
    ProblemsError
        For an unknown benchmark, one that is no effect size or another model's, and keys beside it.
    """
    known = {benchmark.key: benchmark for benchmark in BENCHMARKS}
    usable = ", ".join(key for key, benchmark in known.items() if benchmark.model == model)
    allowed = f"for a {model} outcome: {usable}" if usable else f"none is for a {model} outcome"
    beside = [key for key in raw if key not in ("benchmark", "discount")]
    if beside:
        found = f"{', '.join(beside)} beside a benchmark"
        raise ProblemsError(Problem(found, "benchmark and discount", "state low and high, or the benchmark"))
    name = raw["benchmark"]
    if name not in known:
        near = difflib.get_close_matches(str(name), list(known), n=1)
        remedy = f'did you mean "{near[0]}"?' if near else "`sim benchmarks` lists them"
        raise ProblemsError(Problem(f'"{name}" is no benchmark', allowed, remedy))
    benchmark = known[name]
    if benchmark.range is None:
        raise ProblemsError(Problem(f'"{name}" is no prior: {benchmark.unusable}', allowed))
    if benchmark.model != model:
        found = f'"{name}" is an effect on a {benchmark.model} outcome'
        raise ProblemsError(Problem(found, allowed, "`sim benchmarks` lists them"))
    low, high = benchmark.range
    return {
        "low": low,
        "high": high,
        "source": benchmark.source,
        "discount": raw.get("discount", benchmark.discount),
    }
