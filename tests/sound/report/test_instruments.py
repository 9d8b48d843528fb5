import numpy as np
from making_music import music

from ostinato.scores.wav import RATE
from ostinato.sound.report import descriptors, instruments

DULL, BRIGHT = 73, 6


def test_instruments_are_named_in_pieces_that_were_not_learned():
    lessons = [music(5, seed, harmonics=n) for seed in range(4) for n in (2, 12)]
    classifier = instruments.learn(lessons, [DULL, BRIGHT] * 4)
    for program, harmonics in ((DULL, 2), (BRIGHT, 12)):
        sound = music(5, 9, harmonics=harmonics)
        named = instruments.name(classifier, sound, descriptors.floor_of(sound))
        assert named.tolist() == [program] * 5
    silent = np.pad(sound, ((0, 0), (0, 2 * RATE)))
    silent[:, 5 * RATE :] = 0
    last = instruments.name(classifier, silent, descriptors.floor_of(sound))[-1]
    assert last == instruments.SILENT
    short = sound[:, : RATE // 2]
    assert len(instruments.name(classifier, short, descriptors.floor_of(sound))) == 0
