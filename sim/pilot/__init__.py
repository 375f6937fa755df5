"""Room of sim: pilot."""
