"""Music and text as sequences of classes."""

BOUNDARY = 0
"""The class that comes before the first piece, between pieces, and after the last piece."""
