"""Metrics and pictures of sound, beside the original."""
