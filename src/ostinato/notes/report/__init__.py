"""Figures and plots of models and of pieces beside real music."""
