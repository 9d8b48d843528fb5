"""Write the figures in results/ and a picture of a piece into the README and the docs.

python bench/readme.py
"""

import shutil
from pathlib import Path

from PIL import Image
from published import ESTIMATE, ESTIMATES, TOKENS

from ostinato.core import files
from ostinato.tokens.report.temperature import NGRAM_LENGTHS

PICTURE = Path("results/compose/piece-01.png")
RESULTS = Path("results")
IMPROVISED = RESULTS / "improvise"
COLOURS = 48
LIKELIHOOD = RESULTS / "likelihood"
FEATURES = {
    "four_keys": "steps at which exactly four keys sound",
    "fewer_than_three": "steps at which fewer than three sound",
    "note_length": "mean length of a note, steps",
    "dissonance": "sounding steps with a second, seventh or tritone",
    "top_by_step": "moves of the highest voice by 2 semitones or less",
    "top_leaps": "moves by more than a fifth",
    "parallels": "parallel fifths and octaves of the outer voices",
    "struck": "steps at which a key is struck",
    "scale_consistency": "notes in the scale that most of them are in",
    "groove_consistency": "consecutive bars with the same rhythm, by steps",
}
CONTINUED = {
    "onset_rate": ("onsets a second", ".1f"),
    "centroid": ("spectral centroid, Hz", ".0f"),
    "level": ("level against the ten seconds before, dB", "+.1f"),
    "chroma_distance": ("distance of chroma from these", ".3f"),
    "mfcc_distance": ("distance of timbre (MFCC) from these", ".2f"),
    "notes_a_second": ("notes a second", ".1f"),
    "voices": ("notes that sound together", ".1f"),
    "chords": ("of three or more pitch classes, those that are triads or seventh chords", ".0%"),
}
BASELINES = {
    "pca_512": "PCA-512",
    "dct_512": "DCT-512",
    "repeat_last": "repeat the last frame",
    "ridge": "ridge regression",
    "ridge_with_errors": "ridge regression and one of its errors",
    "truth": "what really followed",
}


def table(report: dict) -> str:
    """Format the report as Markdown tables."""
    sets = report["sets"]
    lines = ["| mean (standard deviation) | composed | validation songs | test songs |"]
    lines.append("|---|---|---|---|")
    for name, title in FEATURES.items():
        lines.append(row(title, [one["features"][name] for one in sets]))
    for kind, title in (
        ("self_similarity", "self-similarity at {}"),
        ("structure", "structure, {}"),
    ):
        for number in sets[0][kind]:
            bars = f"{number} bar{'s' * (number != '1')}"
            lines.append(row(title.format(bars), [one[kind][number] for one in sets]))
    lines.append(row("onsets that are repeated", [one["repetition"] for one in sets]))
    for name, title in (
        ("like_songs", "pieces that end on a chord that ends songs"),
        ("on_tonic", "and have the tonic in the bass"),
    ):
        lines.append(row(title, [[one["ends"][name]] for one in sets]))
    copies = " | ".join(str(one["longest_copy"]["max"]) for one in sets)
    lines.append(f"| longest copy of a training song, steps | {copies} |")
    lines += ["", "| beside test songs | composed | validation songs |", "|---|---|---|"]
    lines.append(row("balanced accuracy of a classifier", [one["told_apart"] for one in sets[:2]]))
    for name in sets[0]["overlap"]:
        cells = (f"{area:.2f}, {nats:.2f}" for area, nats in (s["overlap"][name] for s in sets[:2]))
        lines.append(f"| {name.replace('_', ' ')}: overlap area, KL | {' | '.join(cells)} |")
    found = report["prediction"]
    if found["nll"] is None:
        least = "" if found["exact"] else "at least "
        likelihood = f"log-probability of the notes {least}{found['log_prob']:.3f}"
    else:
        likelihood = f"exact negative log-likelihood of the notes {found['nll']:.3f}"
    lines += [
        "",
        f"On the test songs: {likelihood} nats a step; one draw a step, given the true past, has "
        f"precision {found['precision']:.2f}, recall {found['recall']:.2f}, F1 {found['f1']:.2f}.",
    ]
    if "octave_accuracy" in found:
        lines[-1] += (
            f" The decoder finds all keys of {found['octave_accuracy']:.0%} of the sounding "
            "pitch classes."
        )
    return "\n".join(lines)


def row(title: str, values: list[list[float] | None]) -> str:
    """Format a line of a table: means with their standard deviations, where there are any."""
    cells = []
    for value in values:
        mean, *deviation = [f"{number:.2f}" for number in value or []] or [""]
        cells.append(mean + "".join(f" ({each})" for each in deviation))
    return f"| {title} | {' | '.join(cells)} |"


def sound_table(held_out: dict) -> str:
    """Format the figures of the autoencoder as Markdown."""
    names = {"snr": "SNR, dB", "log_mel_distance": "log-mel distance, dB"}
    names["border_ratio"] = "border ratio"
    lines = [f"| held-out sound, {held_out['seconds'] / 60:.0f} minutes | ", "|---|" + "---|" * 3]
    lines[0] += " | ".join(names.values()) + " |"
    for who in held_out["snr"]:
        figures = " | ".join(f"{held_out[name][who]:.2f}" for name in names)
        lines.append(f"| {BASELINES.get(who, f'`{who}`')} | {figures} |")
    return "\n".join(lines)


def continued_table(continued: dict, transcriber: dict) -> str:
    """Format how held-out pieces are continued, and how well their notes are found."""
    lines = ["| medians of ten seconds | as pieces go on | improvised |", "|---|---|---|"]
    for name, (title, form) in CONTINUED.items():
        values = " | ".join(f"{continued[name][who]:{form}}" for who in ("true", "made"))
        lines.append(f"| {title} | {values} |")
    lines += [
        "",
        f"The transcriber finds {100 * transcriber['onset_recall']:.0f} % of the notes of held-out "
        f"pieces, at most 50 ms early or late, and {100 * transcriber['onset_precision']:.0f} % of "
        f"those that it finds are there (F1 {transcriber['onset_f1']:.2f}).",
    ]
    return "\n".join(lines)


def token_tables(metrics: dict[str, dict]) -> str:
    """Format the figures of the token models, a dict for each vocabulary, as Markdown."""
    head = "| bits a token | model | n-grams | order | lower by | a note: model | n-grams |"
    lines = [head, "|---" * 7 + "|"]
    for name, found in metrics.items():
        own, ngram = found["model_bits"], found["ngram_bits"]
        notes = (found.get(f"{who}_bits_a_note") for who in ("model", "ngram"))
        a_note = " | ".join(f"{bits:.2f}" if bits else "" for bits in notes)
        lines.append(
            f"| `{name}` | {own:.3f} | {ngram:.3f} | {found['ngram_order']} "
            f"| {1 - own / ngram:.1%} | {a_note} |"
        )
    names = {
        "distinct": "different {}-grams, of all",
        "new": "{}-grams not seen in training",
        "longest_copy": "longest copy, tokens",
        "adds_up": "tunes whose bars add up",
    }
    for name, found in metrics.items():
        real, *written = found["temperatures"]
        columns = [f"temperature {t}" for t in written]
        lines += ["", f"| `{name}` | {' | '.join(columns)} | real |", "|---|" + "---|" * 4]
        for figure in found["temperatures"][real]:
            values = [found["temperatures"][which][figure] for which in [*written, real]]
            cells = (f"{v:d}" if figure == "longest_copy" else f"{v:.0%}" for v in values)
            gram = NGRAM_LENGTHS["tunes" if name == "letters" else name]
            lines.append(f"| {names[figure].format(gram)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def likelihood_table(runs: dict[str, dict]) -> str:
    """Format what bench/likelihood.py wrote, a dict for each collection, as Markdown."""
    columns = [
        "test NLL, nats a frame",
        "one model",
        "average of all",
        "models",
        "weights of one",
        "minutes of one",
        "frames a second",
        ESTIMATE,
    ]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for name, run in runs.items():
        chosen = run["models"][run["chosen"] - 1]
        cells = [
            name.replace("_", " "),
            f"{run['test']:.3f}",
            f"{run['test_average']:.3f}" if "test_average" in run else "",
            f"{len(run['models'])}",
            f"{run['weights']:,}",
            f"{chosen['minutes']:.0f}",
            f"{chosen['frames_per_second']:.0f}",
            f"{ESTIMATES[name]:.2f}" if name in ESTIMATES else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def tokens_table(runs: dict[str, dict]) -> str:
    """Format the likelihood of chorales of four parts, beside that of papers, as Markdown."""
    lines = ["| chorales in sixteenths, validation songs | nats a token |", "|---|---|"]
    rows = [(nats, name) for name, nats in TOKENS.items()]
    for run in runs.values():
        count = len(run["models"])
        name = "`tied`" if count == 1 else f"`tied`, average of {count} models"
        rows.append((run["tokens"]["valid"], f"{name}, {run['weights']:,} weights"))
    lines += [f"| {name} | {nats:.3f} |" for nats, name in sorted(rows, reverse=True)]
    return "\n".join(lines)


def replaced(text: str, mark: str, new: str) -> str:
    """Put something between two marks of a text."""
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    before, rest = text.split(begin)
    return f"{before}{begin}{new}{end}{rest.split(end)[1]}"


def read(path: str) -> dict:
    """Read a JSON file of results/."""
    return files.read_json(RESULTS / path)


def main() -> None:
    """Replace what stands between the marks in the texts, and the picture."""
    evaluated = read("evaluate.json")
    improvised = read("score_creator/metrics.json")["continued"], read("transcriber/metrics.json")
    runs = {path.stem: files.read_json(path) for path in sorted(LIKELIHOOD.glob("*.json"))}
    frames = {name: run for name, run in runs.items() if "test" in run and "tokens" not in run}
    sixteenths = {name: run for name, run in runs.items() if "tokens" in run}
    best = min(run["tokens"]["valid"] for run in sixteenths.values())
    found = {
        "README.md": {
            "nll": f"{evaluated['prediction']['nll']:.3f}",
            "told": f"{evaluated['music']['told_apart']:.2f}",
            "token": f"{best:.3f}",
        },
        "docs/quality.md": {
            "figures": f"\n{table(evaluated)}\n",
            "likelihood": f"\n{likelihood_table(frames)}\n",
            "sixteenths": f"\n{tokens_table(sixteenths)}\n",
        },
        "docs/sound.md": {
            "sound": f"\n{sound_table(read('autoencoder/metrics.json'))}\n",
            "continued": f"\n{continued_table(*improvised)}\n",
        },
        "docs/tokens.md": {"tokens": f"\n{token_tables(read('token_model/metrics.json'))}\n"},
    }
    for name, marks in found.items():
        text = Path(name).read_text(encoding="utf-8")
        for mark, new in marks.items():
            text = replaced(text, mark, new)
        files.write(Path(name), text.encode())
    shutil.copy(PICTURE, "docs/piece.png")
    [original] = IMPROVISED.glob("*-original.wav")
    picture = original.with_name(original.name.replace("-original.wav", ".png"))
    # A spectrogram has few colours.
    Image.open(picture).convert("RGB").quantize(COLOURS).save("docs/improvised.png", optimize=True)


if __name__ == "__main__":
    main()
