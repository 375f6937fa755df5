"""Parses the forms in which a config may give a number that is not fitted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from sim.config.text import address, brief
from sim.records.quantity import (
    BySegment,
    Certain,
    Limits,
    Named,
    Pert,
    Quantity,
    Range,
    Samples,
    Scalar,
    Shape,
)

SHARE = Limits(0.0, 1.0, hint="a share is a fraction: 20 % is written 0.20")
POSITIVE = Limits(0.0, open_low=True)
NON_NEGATIVE = Limits(0.0)
RATE = Limits(-1.0, 1.0, open_low=True, hint="a rate is a fraction per year: 10 % is written 0.10")
CHANGE = Limits(-1.0, open_low=True, hint="a relative change is a fraction: +20 % is written 0.20")

_SHAPES: tuple[Shape, ...] = ("normal", "lognormal", "logit-normal")
_DISTS = ("normal", "lognormal", "gamma", "beta")
_FORMS: tuple[tuple[set[str], set[str]], ...] = (
    ({"low", "high"}, {"shape", "confidence"}),
    ({"low", "mode", "high"}, set()),
    ({"dist", "mean", "sd"}, set()),
    ({"samples", "column"}, set()),
    ({"by"}, set()),
)
KEYS = frozenset().union(*(required | optional for required, optional in _FORMS))
_ALLOWED = (
    "a number, { low, high }, { low, mode, high }, { dist, mean, sd }, { samples, column } "
    "or { by = { segment = … } }"
)


def looks_like_quantity(raw: object) -> bool:
    """Whether a raw TOML value is written as a quantity rather than as a table of settings."""
    return _is_number(raw) or (isinstance(raw, dict) and bool(raw) and raw.keys() <= KEYS)


def _is_number(raw: object) -> bool:
    return isinstance(raw, int | float) and not isinstance(raw, bool)


def _fail(found: str, allowed: str = _ALLOWED, remedy: str = "", *path: str) -> PydanticCustomError:
    context = {"found": found, "allowed": allowed, "remedy": remedy, "path": list(path)}
    return PydanticCustomError("quantity", "{found}", context)


def _number(raw: object, name: str, limits: Limits | None) -> float:
    if not _is_number(raw):
        raise _fail(f"{name} is {_shown(raw)}", "a number" if name != "the value" else _ALLOWED)
    try:
        value = float(raw)  # type: ignore[arg-type]  # _is_number has seen to it
    except OverflowError:
        raise _fail(f"{name} has more than 308 digits", "a finite number") from None
    if not math.isfinite(value):
        raise _fail(f"{name} is {raw}", "a finite number")
    if limits is not None and not limits.holds(value):
        raise _fail(f"{name} is {raw}", str(limits), limits.hint)
    return value


def _shown(raw: object) -> str:
    return f"the text {brief(raw)}" if isinstance(raw, str) else brief(raw)


def parse(raw: object, limits: Limits) -> Quantity:
    """Return the quantity that a raw TOML value states, or raise what is wrong with it."""
    if isinstance(raw, Certain | Range | Pert | Named | Samples | BySegment):
        return raw
    if isinstance(raw, dict) and "by" in raw:
        if raw.keys() != {"by"} or not isinstance(raw["by"], dict) or not raw["by"]:
            raise _fail("`by` stands beside other keys or is empty", "{ by = { DE = 1, FR = 2 } }")
        by = {}
        for segment, part in raw["by"].items():
            try:
                by[str(segment)] = _scalar(part, limits)
            except PydanticCustomError as error:
                context = dict(error.context or {})
                raise _fail(context["found"], context["allowed"], context["remedy"], "by", segment) from None
        return BySegment(by)
    return _scalar(raw, limits)


def as_written(quantity: Quantity) -> Any:
    """Return a quantity in the form that a config states it, with what was implied spelt out."""
    match quantity:
        case None:
            return None
        case Certain(value):
            return value
        case BySegment(by):
            return {"by": {segment: as_written(scalar) for segment, scalar in by.items()}}
        case _:
            return {key: value for key, value in asdict(quantity).items() if key != "limits"}


def _scalar(raw: object, limits: Limits) -> Scalar:
    if not isinstance(raw, dict):
        return Certain(_number(raw, "the value", limits))
    if not any(required <= raw.keys() <= required | optional for required, optional in _FORMS):
        raise _fail(f"a table with the keys {', '.join(map(str, raw))}")
    if "by" in raw:
        raise _fail("`by` inside `by`", "one quantity for each segment")
    if "samples" in raw:
        if not all(isinstance(raw[key], str) for key in ("samples", "column")):
            raise _fail("samples or column is not a text", '{ samples = "draws.csv", column = "x" }')
        if told := address(raw["samples"]):
            raise _fail(f"{told} is an address, and nothing is fetched", "a table beside the config")
        return Samples(raw["samples"], raw["column"], limits)
    if "dist" in raw:
        return _named(raw, limits)
    low, high = _number(raw["low"], "low", limits), _number(raw["high"], "high", limits)
    if low >= high:
        raise _fail(
            f"low {raw['low']} is not below high {raw['high']}", "low < high", "a certain number has no range"
        )
    if "mode" in raw:
        mode = _number(raw["mode"], "mode", limits)
        if not low <= mode <= high:
            raise _fail(f"mode {raw['mode']} is outside low … high", "low ≤ mode ≤ high")
        return Pert(low, mode, high)
    return _range(raw, low, high, limits)


def _range(raw: dict[str, Any], low: float, high: float, limits: Limits) -> Range:
    shape = raw.get("shape", limits.shape)
    if shape not in _SHAPES:
        raise _fail(f"shape is {_shown(shape)}", ", ".join(_SHAPES))
    confidence = _number(raw.get("confidence", 0.9), "confidence", None)
    if not 0 < confidence < 1:
        raise _fail(f"confidence is {confidence:g}", "between 0 and 1, e.g. 0.9", "90 % is written 0.9")
    if shape == "lognormal" and low <= 0:
        remedy = "give a low above 0, or { low, mode, high }, whose ends are bounds"
        raise _fail(f"low is {raw['low']} in a lognormal range", "low > 0", remedy)
    if shape == "logit-normal" and not 0 < low < high < 1:
        remedy = "move the ends inside, or give { low, mode, high }, whose ends are bounds"
        raise _fail(
            f"the ends {raw['low']} and {raw['high']} of a share's range", "strictly inside 0 … 1", remedy
        )
    return Range(low, high, shape, confidence, limits)


def _named(raw: dict[str, Any], limits: Limits) -> Named:
    if raw["dist"] not in _DISTS:
        raise _fail(f"dist is {_shown(raw['dist'])}", ", ".join(_DISTS))
    mean, sd = _number(raw["mean"], "mean", limits), _number(raw["sd"], "sd", None)
    if sd <= 0:
        raise _fail(f"sd is {sd:g}", "a number above 0", "a certain number needs no distribution")
    if raw["dist"] in ("lognormal", "gamma") and mean <= 0:
        raise _fail(f"mean is {mean:g}", f"above 0 for {raw['dist']}")
    if raw["dist"] == "beta" and not (0 < mean < 1 and sd**2 < mean * (1 - mean)):
        raise _fail(f"mean {mean:g} with sd {sd:g}", "0 < mean < 1 and sd² < mean (1 − mean) for beta")
    return Named(raw["dist"], mean, sd, limits)


_NUMBER = {"type": "number"}
JSON_SCHEMA: dict[str, Any] = {
    "title": "Quantity",
    "description": "A certain number, or an uncertain one.",
    "anyOf": [
        _NUMBER,
        {
            "type": "object",
            "description": "90 % range (5 % and 95 % points), or with `mode` a PERT whose ends are bounds.",
            "properties": {
                "low": _NUMBER,
                "mode": _NUMBER,
                "high": _NUMBER,
                "shape": {"enum": list(_SHAPES)},
                "confidence": _NUMBER,
            },
            "required": ["low", "high"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"dist": {"enum": list(_DISTS)}, "mean": _NUMBER, "sd": _NUMBER},
            "required": ["dist", "mean", "sd"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"samples": {"type": "string"}, "column": {"type": "string"}},
            "required": ["samples", "column"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "description": "One quantity per segment.",
            "properties": {"by": {"type": "object"}},
            "required": ["by"],
            "additionalProperties": False,
        },
    ],
}


def field(limits: Limits) -> Any:
    """Return the pydantic type of a config key that takes a quantity within `limits`."""
    validate: Callable[[object], Quantity] = lambda raw: parse(raw, limits)  # noqa: E731
    written = PlainSerializer(as_written, return_type=Any)
    return Annotated[Any, PlainValidator(validate), written, WithJsonSchema(JSON_SCHEMA)]
