"""Room of sim: config."""
