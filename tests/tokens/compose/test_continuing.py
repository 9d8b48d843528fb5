"""A song that goes on, as a model of events hears it."""

import numpy as np
import pytest
import torch
from making import write_corpus

from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.core.params import TokenCompose
from ostinato.scores.midi import read_midi
from ostinato.scores.score import NOTE, Metre, Part, Score, Tempo, tidy
from ostinato.tokens.compose.compose import write_pieces
from ostinato.tokens.compose.continuing import continue_score
from ostinato.tokens.data import events
from ostinato.tokens.data.streams import Streams
from ostinato.tokens.model import NextToken

BAND = [Part("Keys", 0), Part("Bass", 33), Part("Drums", 0, drums=True)]
BEAT, BAR = 480, 1920


def song(seed, parts=BAND, metre=(4, 4), beats=14):
    """A note of each part on each beat: with 14 beats, the last bar is not full."""
    rng = np.random.default_rng(seed)
    rows = [
        (beat * BEAT, BEAT, int(rng.integers(40, 80)), int(rng.integers(40, 90)), part)
        for beat in range(beats)
        for part in range(len(parts))
    ]
    return Score(tidy(np.array(rows, NOTE)), parts, [Metre(0, *metre)], [Tempo(0, 100.0)])


@pytest.fixture(
    scope="module", params=[("remi", 0), ("remi", 120), ("tsd", 0)], ids="{0[0]} {0[1]}".format
)
def trained(request, tmp_path_factory):
    """A model that has learned what follows what, and no more."""
    tokenizer, bpe = request.param
    folder = tmp_path_factory.mktemp(tokenizer)
    splits = ["train"] * 6 + ["valid", "test"]
    songs = {f"{i}": (split, song(i)) for i, split in enumerate(splits)}
    (out := folder / "streams").mkdir()
    settings = events.Settings("all", tokenizer, 4, 0, bpe, [0, 0])
    events.build(out, write_corpus(folder / "corpus", songs), settings, None)
    streams = Streams(out)
    torch.manual_seed(1)
    reader = {"input": "embedding", "embedding": 32, "hidden": 64, "layers": 1, "dropout": 0.0}
    reader |= {"network": "transformer", "window": 64}
    found = NextToken(reader | {"data": streams.config})
    optimizer = torch.optim.Adam(found.parameters(), 0.01)
    tokens = torch.from_numpy(streams["train"][:].astype(np.int64))
    for step in range(80):
        window = tokens[None, step * 37 % (len(tokens) - 65) :][:, :65]
        logits, _ = found.logits(window[:, :-1], found.initial(1))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits[0], window[0, 1:]).backward()
        optimizer.step()
    return found.eval(), streams


@pytest.fixture
def model(trained):
    return trained[0]


def test_what_is_there_stays_and_the_rest_follows_in_whole_bars(model):
    given = song(7)
    longer = continue_score(model, given, 3, 1.0, 1)
    begin = 4 * BAR
    before = longer.notes[longer.notes["onset"] < begin]
    np.testing.assert_array_equal(before, given.notes)
    new = longer.notes[longer.notes["onset"] >= begin]
    assert len(new)
    assert (new["onset"] + new["length"]).max() <= begin + 3 * BAR
    assert set(new["part"].tolist()) <= {0, 1, 2}
    assert (longer.parts, longer.metres, longer.tempi) == (given.parts, given.metres, given.tempi)
    again = continue_score(model, given, 3, 1.0, 1)
    np.testing.assert_array_equal(again.notes, longer.notes)


def test_an_instrument_that_was_not_learned_is_played_as_one_that_was(model):
    parts = [Part("Organ", 19), Part("Drums", 0, drums=True)]
    longer = continue_score(model, song(7, parts), 2, 1.0, 1)
    assert {0, 1} == set(longer.notes["part"].tolist())
    assert longer.parts == parts
    assert (longer.notes["onset"][longer.notes["part"] == 0] >= 4 * BAR).any()


def test_a_metre_that_was_not_learned_is_refused(model):
    with pytest.raises(UserError, match=r"no bars of 5/4, only of 4/4"):
        continue_score(model, song(7, metre=(5, 4)), 2, 1.0, 1)


@pytest.mark.parametrize("start", ["window", "beginning"])
def test_pieces_say_which_song_they_begin_as_and_until_when(trained, tmp_path, start):
    model, streams = trained
    values = {"pieces": 2, "tokens": 150, "start": start, "prompt": "", "temperature": 0.5}
    settings = TokenCompose(**values, top_k=0, top_p=1.0)
    write_pieces(tmp_path, model, streams, settings, 1)
    rows = files.read_table(tmp_path / "pieces.csv")
    assert [row["piece"] for row in rows] == ["piece-01", "piece-02"]
    if start == "beginning":
        assert [(row["begins_as"], row["given"]) for row in rows] == [("", "0")] * 2
        return
    assert [row["begins_as"] for row in rows] == ["7", "6"]  # the test song, that for validation
    written = read_midi(tmp_path / "piece-01.mid", pickup=False).notes
    whole = song(7).notes
    given = int(rows[0]["given"])
    assert given > BEAT
    now, then = (
        {(int(note["onset"]), int(note["pitch"])) for note in notes if note["onset"] < given - 1}
        for notes in (written, whole)
    )
    assert then <= now
