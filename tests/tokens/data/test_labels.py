import pytest

from ostinato.tokens.data.labels import labelling, labels_of


@pytest.mark.parametrize("labels", ["one", "several"])
def test_only_pieces_that_are_classified_have_labels(labels):
    assert labelling("classify", labels) == labels
    assert labelling("next", labels) is None


@pytest.mark.parametrize(
    ("source", "several"),
    [("a/b/c.mid", ("a", "b")), ("a/b/c.abc#7", ("a", "b")), ("c.abc#7", ("c",)), ("c.mid", ())],
)
def test_labels_are_folders_or_the_name_of_a_book(source, several):
    assert labels_of(source, "several") == several
    assert labels_of(source, "one") == several[:1]
    assert labels_of(source, None) == ()
