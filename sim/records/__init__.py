"""Frozen nouns that pass between the rooms; they hold numbers and decide nothing."""
