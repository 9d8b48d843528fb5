"""The base classes of autoencoders and score creators, and their components."""
