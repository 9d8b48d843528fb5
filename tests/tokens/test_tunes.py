from ostinato.tokens import tunes

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
[K:D] d2 f   a3 |]
W:words
"""


def test_of_a_tune_only_what_sounds_is_kept():
    assert tunes.clean(TUNE) == "M:6/8\nL:1/8\nK:G\nGBd A2 c | B3 G3 :|\nd2 f a3 |]\n"


def test_without_key_or_music_there_is_no_tune():
    assert tunes.clean("\nM:4/4\nCDEF|\n") == ""
    assert tunes.clean("\nM:4/4\nK:C\n% nothing\n") == ""


def test_the_built_in_tunes_are_there():
    found = tunes.built_in()
    assert len(found) > 4000
    assert all(tune.endswith("\n") and "\nK:" in f"\n{tune}" for tune in found)
    assert not any(field in tune for tune in found for field in ("T:", "N:", "%", '"'))
    assert {source.split("/")[0] for source in found.values()} == set(tunes.COLLECTIONS)
