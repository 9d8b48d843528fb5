"""Code that knows nothing about music: files, seeds, parameters, training, models on disk."""
