"""Room of sim: inference."""
