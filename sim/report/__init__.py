"""Room of sim: report."""
