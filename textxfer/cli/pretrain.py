from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def pretrain(
    corpus: Annotated[Path, typer.Argument(help="A file or folder of text")],
    out: Annotated[Path, typer.Option(help="The run's folder")],
    vocabulary: Annotated[int, typer.Option(help="Tokens of the byte-level BPE")] = 8192,
    layers: Annotated[int, typer.Option(help="Blocks")] = 5,
    width: Annotated[int, typer.Option(help="Hidden size")] = 256,
    heads: Annotated[int, typer.Option(help="Attention heads")] = 4,
    context: Annotated[int, typer.Option(help="Tokens it sees at once")] = 1024,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any setting, e.g. schedule.epochs=3")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="End with one line of JSON")] = False,
) -> None:
    """Make a small GPT-2 from nothing: its vocabulary, random weights, and the same loop."""
    from textxfer.cli.output import print_result
    from textxfer.training.pretrain import Shape
    from textxfer.training.pretrain import pretrain as run_pretraining

    shape = Shape(vocabulary, layers, width, heads, context)
    print_result(run_pretraining(corpus, out, shape=shape, overrides=set_ or ()), as_json=json_)
