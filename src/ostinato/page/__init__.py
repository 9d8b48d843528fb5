"""The page: what runs made, to see, to hear and to compare."""
