"""Reading and writing scores: MIDI, music notation, corpora, sound and pictures."""
