"""Room of sim: finance."""
