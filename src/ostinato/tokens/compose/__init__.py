"""Pieces that a token model writes."""
