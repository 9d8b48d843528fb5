"""Training of the generator, of the decoder and of the velocity model."""
