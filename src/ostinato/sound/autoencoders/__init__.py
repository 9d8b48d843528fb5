"""Autoencoders, which turn a quarter of a second of sound into 512 numbers; one module each."""
