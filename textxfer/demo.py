"""The demo: the built-in starter, tuned on the adventure that comes with the kit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import textxfer
from textxfer.errors import CorpusError
from textxfer.runs import Run

#: a few minutes on two cores; tried on seed 0 with an earlier starter
SETTINGS: dict[str, Any] = {
    "data": {"keep": 0.25},
    "optim": {"lr": 1e-3, "tokens_per_step": 2048},
    "eval": {"every_steps": 25},
    "sample": {"tokens": 80},
}
STEPS = 200


def examples() -> Path:
    """The folder of the example adventure. Raises CorpusError where only the package was installed."""
    for folder in (Path("examples"), Path(textxfer.__file__).resolve().parent.parent / "examples"):
        if list(folder.glob("*.twee")):
            return folder
    raise CorpusError(
        "The example adventure is not here: run textxfer demo in a clone of textxfer, or name --corpus FOLDER."
    )


def run_demo(out: str | Path, *, corpus: Path | None = None, seed: int = 0, steps: int | None = None) -> Run:
    """Tune the starter on the adventure in ``out``; a repeated call goes on or returns at once.

    seed: of the split, the order and the dropout. Raises what ``textxfer.train`` raises.
    """
    overrides = [f"seed={seed}", f"data.seed={seed}"]
    return textxfer.train(
        corpus or examples(), "starter", "full", out=out, steps=steps or STEPS, settings=SETTINGS, overrides=overrides
    )
