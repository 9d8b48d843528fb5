"""Sound that goes on from a recording."""
