"""Music and text as sequences of classes."""

BOUNDARY = 0
"""The class that stands before, between and after pieces."""
