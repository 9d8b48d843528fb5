"""Base classes of memories, samplers and decoders, and what several of them have in common."""
