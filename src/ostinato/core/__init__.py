"""What all kinds of music share and what knows nothing of it: files, seeds, training, models."""
