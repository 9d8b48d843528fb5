"""Samplers, which draw a set of notes from features: one file each, found by name."""
