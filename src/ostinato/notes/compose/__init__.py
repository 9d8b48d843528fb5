"""New pieces from trained models."""
