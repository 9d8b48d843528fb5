"""Ostinato: learns to write music from a person's own scores, in reproducible stages."""
