"""Measures what the project promises about time and memory, beside the tools that others would use."""
