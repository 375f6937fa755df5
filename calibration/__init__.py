"""Simulation-based calibration of every outcome model and design, from table to posterior and money."""
