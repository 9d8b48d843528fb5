"""Music as sets of keys, step by step."""
