"""Training the token models."""
