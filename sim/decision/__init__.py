"""Decisions: value of information, sensitivity and goal-seek, from arrays and callables alone.

The first axis of every array is the sample. `nb`, the net benefit [currency], is (sample,) for one
strategy and (sample, decision) for several; "do not invest" is a decision like any other, which pays
the hurdle in every sample. Nothing here knows a config or runs a simulation.
"""
