"""Memories, which turn the past into features: one file each, found by name."""
