"""Metrics and plots of models, and of composed pieces beside real music."""
