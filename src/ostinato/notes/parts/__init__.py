"""What several memories, samplers and decoders have in common."""
