"""Training of the generator, and of the decoder with its velocities."""
