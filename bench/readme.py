"""Write the figures of results/evaluate.json and a picture of a piece into the README.

python bench/readme.py
"""

import json
import shutil
from pathlib import Path

PICTURE = Path("results/compose/piece-01.png")
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"


def table(report: dict) -> str:
    """Format the report as a Markdown table."""
    composed, real = report["compositions"], report["real"]
    rows = [
        (f"distance of {name.replace('_', ' ')}", composed["distance"][name], value)
        for name, value in real["distance"].items()
    ]
    rows.append(("share of silent steps", composed["silent_steps"], real["silent_steps"]))
    for which, name in (("max", "longest copy, steps"), ("mean", "mean over the pieces")):
        rows.append((name, composed["longest_copy"][which], real["longest_copy"][which]))
    for lag, value in real["self_similarity"].items():
        rows.append(
            (
                f"self-similarity at {lag} bar{'s' * (lag != '1')}",
                composed["self_similarity"][lag],
                value,
            )
        )
    lines = ["| | composed | real |", "|---|---|---|"]
    lines += [f"| {name} | {one:.2f} | {other:.2f} |" for name, one, other in rows]
    generator = report["generator"]
    lines += [
        "",
        f"On the test songs: loss {generator['loss']:.2f} nats a step; one draw a step given the "
        f"true past has precision {generator['precision']:.2f}, recall {generator['recall']:.2f}, "
        f"F1 {generator['f1']:.2f}. The decoder finds all keys of "
        f"{report['decoder']['octave_accuracy']:.0%} of the sounding pitch classes.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Replace what stands between the two marks in the README, and the picture."""
    readme = Path("README.md")
    before, rest = readme.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    report = json.loads(Path("results/evaluate.json").read_text(encoding="utf-8"))
    text = f"{before}{BEGIN}\n{table(report)}\n{END}{after}"
    readme.write_text(text, encoding="utf-8")
    Path("docs").mkdir(exist_ok=True)
    shutil.copy(PICTURE, "docs/piece.png")


if __name__ == "__main__":
    main()
