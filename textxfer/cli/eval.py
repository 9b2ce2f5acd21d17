from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    run: Annotated[Path, typer.Argument(help="A finished run's folder")],
    json_: Annotated[bool, typer.Option("--json", help="End with one line of JSON")] = False,
) -> None:
    """Judge a run on its held-out text."""
    import json

    import textxfer

    figures = textxfer.load(run).evaluate()
    if json_:
        print(json.dumps(figures))
    else:
        print(
            f"{figures['bits_per_byte']:.4f} bits per byte (lower is better) over {figures['tokens']:,} held-out tokens"
        )
        print(f"perplexity {figures['perplexity']:.2f}")
