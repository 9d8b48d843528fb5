"""Figures of the token models beside n-grams."""
