"""Training of the token models."""
