"""Forecasts of what an investment in marketing automation or AI service will return."""
