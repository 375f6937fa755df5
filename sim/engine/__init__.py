"""The verbs that the commands share, and the one place that knows their order."""
