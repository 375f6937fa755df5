"""Room of sim: commands."""
