"""Training of each kind of model."""
