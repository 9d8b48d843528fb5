from making_music import music

from ostinato.sound.report.likeness import told_apart

GIVEN = [music(2, seed) for seed in range(6)]
TRUE = [music(6, 10 + seed) for seed in range(6)]


def test_only_another_sound_is_told_apart():
    same = [music(6, 20 + seed) for seed in range(6)]
    brighter = [music(6, 20 + seed, harmonics=12) for seed in range(6)]
    assert told_apart(GIVEN, same, TRUE)[0] < 0.8
    assert told_apart(GIVEN, brighter, TRUE)[0] > 0.9


def test_few_pieces_are_not_divided():
    assert told_apart(GIVEN[:4], TRUE[:4], TRUE[:4]) is None
