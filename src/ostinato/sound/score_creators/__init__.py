"""Score creators, which read forty frames and draw the five that follow; one module each."""
