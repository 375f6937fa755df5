"""Money: discounting, rates of return, payback and the metrics of an investment.

Every function takes arrays whose rows are joint states of the world and whose last axis is the
month, month 0 (the investment, undiscounted) first. Inflow is positive.
"""
