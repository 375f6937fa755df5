"""Decisions: value of information, sensitivity and goal-seek, from arrays and callables alone."""
