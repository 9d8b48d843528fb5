from ostinato.tokens.data import tunes

TUNE = """
T:The Hare in the Corn
C:anon.
B:a book
M:6/8   % as printed
L:1/8
N:played twice
Q:120
K:G
"G"GBd "D7"A2 c | !trill!B3 G3 :|\\
% a remark
[P:B] [K:D] d2 f   a3 |
N bars 3 and 4 are marked
K:A
A:| a3 |]
w:words
"""


def test_of_a_tune_only_what_sounds_is_kept():
    head, music = "M:6/8\nL:1/8\nK:G\n", "GBd A2 c | B3 G3 :|\n[K:D] d2 f a3 |\nK:A\nA:| a3 |]\n"
    assert tunes.clean(TUNE) == head + music


def test_what_stands_before_the_first_tune_holds_for_all():
    book = "M:6/8\nL:1/16\n\nX:1\nK:G\nGBd|\n\nX:2\nM:4/4\nK:C\nceg|\n"
    expected = [(1, "M:6/8\nL:1/16\nK:G\nGBd|\n"), (2, "M:4/4\nL:1/16\nK:C\nceg|\n")]
    assert tunes.read_book(book) == expected


def test_without_key_or_music_or_with_voices_there_is_no_tune():
    assert tunes.clean("\nM:4/4\nCDEF|\n") == ""
    assert tunes.clean("\nM:4/4\nK:C\n% nothing\n") == ""
    assert tunes.clean("\nK:C\nV:1\nCDEF|\nV:2\nC4|\n") == ""


def test_versions_of_a_tune_have_the_same_incipit():
    one, other = "M:2/4\nK:D\nA|d2 f>d|e/c/A B2|", "M:C|\nK:D\na | D2 F2 D2 | [K:G] ecAB A|"
    assert tunes.incipit(one) == "ADFDECAB"
    assert tunes.incipit(one)[:4] == tunes.incipit(other)[:4]


def test_the_built_in_tunes_are_there():
    found = tunes.built_in()
    assert len(found) > 4000
    assert all(tune.endswith("\n") and "\nK:" in f"\n{tune}" for _, tune in found)
    assert not any(mark in tune for _, tune in found for mark in ("T:", "N:", "%", '"', "bars"))
    assert {source.split("/")[0] for source, _ in found} == set(tunes.COLLECTIONS)
