"""textxfer play: the adventure in a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def play(
    run: Annotated[str, typer.Argument(help="A run's folder, a model folder, starter, or a hub name.")] = "starter",
    seed: Annotated[int | None, typer.Option(help="Seed of the first turn; the next ones follow from it.")] = None,
    data: Annotated[Path | None, typer.Option(help="Where the stories are kept: a .db file or a folder.")] = None,
) -> None:
    """Play in the terminal. /help tells how; stories are saved as you go."""
    from serve.terminal import run_terminal

    run_terminal(run, seed, data)
