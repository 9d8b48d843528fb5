"""Transforms that an autoencoder is made of."""
