"""Music as frames of sound."""
