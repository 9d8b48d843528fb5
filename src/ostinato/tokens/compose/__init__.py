"""Writing pieces with a token model."""
