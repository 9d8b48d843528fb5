"""Sound to learn from, and every piece as an autoencoder's frames."""
