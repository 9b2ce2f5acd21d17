"""Does the demo learn the adventure, or would any text have done?

    python benchmarks/demo_gain.py --control BOOK.txt [--seeds 0,1,2] [--out runs/gain] [--json]

For each seed (of the split, the order and the dropout) the starter is tuned on
the adventure as `textxfer demo` does, and a control with the same settings on
as many words of BOOK. All three are judged on the adventure's held-out
passages. A fall of more than 30 % would be presumed a leak until explained.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import textxfer
from textxfer.corpus.read import read
from textxfer.demo import SETTINGS, STEPS, examples, run_demo
from textxfer.evaluation.judge import score_base
from textxfer.models.load import load_served


def words(path: Path) -> int:
    return sum(len(p.text.split()) for story in read(path).stories for p in story.passages.values())


def cut(book: Path, count: int, out: Path) -> Path:
    """The first ``count`` words of a book, whole paragraphs."""
    paragraphs, left = [], count
    for paragraph in book.read_text(encoding="utf-8").split("\n\n"):
        if left <= 0:
            break
        paragraphs.append(paragraph)
        left -= len(paragraph.split())
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n\n".join(paragraphs), encoding="utf-8")
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--control", type=Path, required=True)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--out", type=Path, default=Path("runs/gain"))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()

    other = cut(given.control, words(examples()), given.out / f"control-{given.control.stem}.txt")
    rows = []
    for seed in (int(s) for s in given.seeds.split(",")):
        run = run_demo(given.out / f"adventure-{seed}", seed=seed)
        settings = [f"seed={seed}", f"data.seed={seed}", "eval.patience=1000"]
        control = textxfer.train(
            other,
            "starter",
            "full",
            out=given.out / f"control-{seed}",
            steps=STEPS,
            settings=SETTINGS,
            overrides=settings,
        )
        figures = run.result["bits_per_byte"] if run.result else {}
        control_score = score_base(load_served(control.model), run).bits_per_byte
        row = {
            "seed": seed,
            "before": figures["before"],
            "control": control_score,
            "after": figures["after"],
            "change": figures["after"] / figures["before"] - 1,
            "change_to_control": figures["after"] / control_score - 1,
        }
        rows.append(row)
        print(
            f"seed {seed}: starter {row['before']:.4f}  control {row['control']:.4f}  adventure {row['after']:.4f}  "
            f"({row['change']:+.1%} to the starter, {row['change_to_control']:+.1%} to the control)"
        )
    median = statistics.median(row["change"] for row in rows)
    print(f"median change: {median:+.1%}")
    if min(row["change"] for row in rows) < -0.3:
        print("More than 30 % is presumed a leak until explained.")
    if given.json:
        print(json.dumps({"seeds": rows, "median_change": median}))


if __name__ == "__main__":
    main()
