"""Music and text as sequences of classes."""
