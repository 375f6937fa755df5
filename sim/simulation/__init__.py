"""Room of sim: simulation."""
