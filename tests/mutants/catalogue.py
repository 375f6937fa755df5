"""All planted bugs."""

from __future__ import annotations

from tests.mutants import decisions, effects, money, months

MUTANTS = (*money.MUTANTS, *months.MUTANTS, *effects.MUTANTS, *decisions.MUTANTS)
