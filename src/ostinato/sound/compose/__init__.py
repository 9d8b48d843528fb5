"""Continuing a recording."""
