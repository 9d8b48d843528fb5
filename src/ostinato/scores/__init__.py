"""Files to scores and back: MIDI, music notation, corpora, sound and pictures."""
