"""Sound to learn from, and its frames as an autoencoder encodes them."""
