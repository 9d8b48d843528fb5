"""Decoders, which turn 12 pitch classes into 88 keys: one file each, found by name."""
