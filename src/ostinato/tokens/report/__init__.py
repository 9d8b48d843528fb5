"""Metrics of token models, beside those of n-grams and other baselines."""
