import io
from pathlib import Path

import pretty_midi
import pytest

from ostinato.scores.midi import midi_bytes
from ostinato.scores.notation import chorale_files, read_abc, read_notation
from ostinato.scores.score import UnreadableScore

MEASURE = '<measure number="{n}">{attributes}{notes}{end}</measure>'
ATTRIBUTES = (
    "<attributes><divisions>2</divisions><time><beats>3</beats><beat-type>4</beat-type></time>"
    "</attributes>"
)
REPEAT = '<barline location="right"><repeat direction="backward"/></barline>'


def note(step: str, duration: int, extra: str = "") -> str:
    pitch = f"<pitch><step>{step}</step><octave>4</octave></pitch>"
    return f"<note>{pitch}<duration>{duration}</duration>{extra}</note>"


def musicxml(*measures: str) -> str:
    head = '<?xml version="1.0"?><score-partwise version="4.0"><work><work-title>Ländler'
    parts = '</work-title></work><part-list><score-part id="P1"><part-name>Geige</part-name>'
    body = f'</score-part></part-list><part id="P1">{"".join(measures)}</part>'
    return f"{head}{parts}{body}</score-partwise>"


def read(text: str, path: Path):
    path.write_text(text, encoding="utf-8")
    return read_notation(path)


def test_musicxml_pickup_ends_its_bar_and_ties_become_one_note(tmp_path):
    tie_start, tie_stop = '<tie type="start"/>', '<tie type="stop"/>'
    text = musicxml(
        MEASURE.format(n=0, attributes=ATTRIBUTES, notes=note("C", 2), end=""),
        MEASURE.format(n=1, attributes="", notes=note("D", 4) + note("E", 2, tie_start), end=""),
        MEASURE.format(n=2, attributes="", notes=note("E", 6, tie_stop), end=""),
    )
    [score] = read(text, tmp_path / "a.musicxml")
    assert score.title == "Ländler"
    assert score.metre == "3/4"
    assert score.parts[0].name == "Geige"
    expected = [(960, 480, 60), (1440, 960, 62), (2400, 1920, 64)]
    assert score.notes[["onset", "length", "pitch"]].tolist() == expected


def test_repeats_are_played_out_and_grace_notes_left_out(tmp_path):
    grace = "<note><grace/><pitch><step>B</step><octave>4</octave></pitch></note>"
    text = musicxml(
        MEASURE.format(n=1, attributes=ATTRIBUTES, notes=grace + note("C", 6), end=REPEAT)
    )
    [score] = read(text, tmp_path / "a.xml")
    assert score.notes[["onset", "pitch"]].tolist() == [(0, 60), (1440, 60)]
    assert score.metre == "3/4"


@pytest.mark.parametrize(
    ("bars", "heard"),
    [
        ("CD|EF:|GA|Bc:|", "CDEFCDEFGABcGABc"),
        ("CD|EF:|" + "GA|Bc:|" * 20, "CDEF" * 2 + "GABc" * 40),
        ("CD|1 EF:|2 GA:|Bc|de:|", "CDEFCDGABcdeBcde"),
        ("CD|EF:||:GA|Bc:|", "CDEFCDEFGABcGABc"),
        ("|:CD|EF|GA:|Bc|de|", "CDEFGA" * 2 + "Bcde"),
    ],
)
def test_a_repeat_without_a_beginning_begins_after_the_one_before(bars, heard):
    score = read_abc(f"X:1\nM:2/4\nL:1/4\nK:C\n{bars}\n")
    pitches = dict(zip("CDEFGABcde", (60, 62, 64, 65, 67, 69, 71, 72, 74, 76), strict=True))
    assert score.notes["pitch"].tolist() == [pitches[note] for note in heard]


def test_a_bar_of_a_length_that_midi_has_no_metre_for_stands_in_the_metre_before():
    score = read_abc("X:1\nM:2/4\nL:1/4\nK:C\nCD|EF|(3GABc/3|\nM:5/12\nCD|EF|\n")
    assert score.metre == "2/4"
    assert pretty_midi.PrettyMIDI(io.BytesIO(midi_bytes(score))).get_end_time() > 0


def test_a_tune_book_gives_its_tunes(tmp_path):
    tune = "X:{n}\nT:Tune {n}\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|\n"
    scores = read(tune.format(n=1) + "\n" + tune.format(n=2), tmp_path / "book.abc")
    assert [score.title for score in scores] == ["Tune 1", "Tune 2"]
    assert [len(score.notes) for score in scores] == [8, 8]


def test_a_mistake_in_one_tune_does_not_cost_the_others(tmp_path):
    tunes = ["X:1\nM:4/4\nL:1/4\nK:C\n[CDEF|GABc|\n", "X:2\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|\n"]
    bad, good = read("\n".join(tunes), tmp_path / "book.abc")
    assert isinstance(bad, UnreadableScore)
    assert len(good.notes) == 8


def test_humdrum_is_read(tmp_path):
    text = "**kern\n*M4/4\n=1\n4c\n4d\n4e\n4f\n=2\n1g\n==\n*-\n"
    [score] = read(text, tmp_path / "a.krn")
    assert score.notes["pitch"].tolist() == [60, 62, 64, 65, 67]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "0 bytes"),
        ("<score-partwise>", "damaged MusicXML: no element found"),
        ("no music at all", "damaged MusicXML: syntax error"),
        ("<html></html>", "music21: "),
    ],
)
def test_what_is_no_music_says_why(tmp_path, text, reason):
    with pytest.raises(UnreadableScore, match=reason):
        [score] = read(text, tmp_path / "a.musicxml")
        raise score


def test_a_chorale_with_a_pickup_begins_on_its_last_beat():
    [path] = [p for p in chorale_files() if p.name == "bwv269.mxl"]
    [score] = read_notation(path)
    assert len(score.parts) == 4
    assert score.metre == "3/4"
    assert score.notes["onset"][0] == 2 * 480


CHROMATIC = "<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose>"


def test_a_transposing_instrument_sounds_at_its_pitch(tmp_path):
    attributes = ATTRIBUTES.replace("</attributes>", CHROMATIC + "</attributes>")
    text = musicxml(MEASURE.format(n=1, attributes=attributes, notes=note("D", 6), end=""))
    [score] = read(text, tmp_path / "clarinet.musicxml")
    assert score.notes["pitch"].tolist() == [60]


def test_unpitched_notes_are_drums(tmp_path):
    place = "<display-step>{}</display-step><display-octave>{}</display-octave>"
    strokes = "".join(
        f"<note><unpitched>{place.format(*at)}</unpitched><duration>3</duration></note>"
        for at in ("F4", "C5")
    )
    text = musicxml(MEASURE.format(n=1, attributes=ATTRIBUTES, notes=strokes, end=""))
    [score] = read(text, tmp_path / "drums.musicxml")
    assert score.notes["pitch"].tolist() == [36, 38]
    assert (score.parts[0].drums, len(score.pitched)) == (True, 0)


def test_a_score_by_bars_is_one_by_parts(tmp_path):
    part = '<part id="P1">{}{}</part>'
    bars = "".join(
        f'<measure number="{n}">{part.format(attributes, note(step, 6))}</measure>'
        for n, attributes, step in ((1, ATTRIBUTES, "C"), (2, "", "D"))
    )
    head = '<part-list><score-part id="P1"><part-name>x</part-name></score-part></part-list>'
    [score] = read(
        f'<score-timewise version="4.0">{head}{bars}</score-timewise>', tmp_path / "a.xml"
    )
    assert score.notes[["onset", "pitch"]].tolist() == [(0, 60), (1440, 62)]


def test_da_capo_al_fine(tmp_path):
    words = "<direction><direction-type><words>{}</words></direction-type></direction>"
    text = musicxml(
        MEASURE.format(n=1, attributes=ATTRIBUTES, notes=note("C", 6), end=words.format("Fine")),
        MEASURE.format(n=2, attributes="", notes=note("D", 6), end=words.format("D.C. al Fine")),
    )
    [score] = read(text, tmp_path / "a.xml")
    assert score.notes["pitch"].tolist() == [60, 62, 60]
