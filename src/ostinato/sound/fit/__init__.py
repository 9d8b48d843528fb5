"""Training of the autoencoder and of the score creator."""
