"""Files to notes and back: scores, MIDI, music notation, corpora, datasets."""
