"""``textxfer corpus``: what a file or folder of stories holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from textxfer.corpus.read import Rejected

app = typer.Typer(help="Look at a corpus: its figures, and a walk through it.", no_args_is_help=True)

StoriesPath = Annotated[Path, typer.Argument(help="A story file, or a folder of them.", metavar="PATH")]


@app.command()
def stats(
    path: StoriesPath,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
    tokenizer: Annotated[
        Path | None, typer.Option(help="A tokenizer.json to count tokens with; the starter's if not given.")
    ] = None,
) -> None:
    """How many stories, passages, choices, words and tokens; what was left out, and why."""
    import json

    from textxfer.corpus import card
    from textxfer.corpus.read import read

    reading = read(path)
    chosen = tokenizer or card.STARTER_TOKENIZER
    if as_json:
        typer.echo(json.dumps(card.stats(reading, tokenizer=chosen), ensure_ascii=False))
        return
    _print_tables(card.rows(reading, tokenizer=chosen), reading.rejected)


def _print_tables(rows: list[dict[str, Any]], rejected: list[Rejected]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    figures = ("passages", "choices", "endings", "words", "tokens")
    table = Table("story", "author", "licence", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in figures:
        table.add_column(name, justify="right", no_wrap=True)
    table.show_footer = len(rows) > 1
    table.columns[0].footer = f"{len(rows)} stories"
    for column, name in zip(table.columns[3:], figures, strict=True):
        column.footer = f"{sum(row[name] for row in rows):,}"
    for row in rows:
        # Text: a story's title is never read as markup
        label = Text.assemble(row["title"], "\n" if row["title"] else "", (row["id"], "dim"))
        told = [label, Text(row["author"]), Text(row["licence"])]
        table.add_row(*told, *(f"{row[name]:,}" for name in figures))
    console.print(table)
    if rejected:
        left_out = Table("left out", "why")
        for item in rejected:
            left_out.add_row(Text(item.name), Text(item.reason))
        console.print(left_out)


@app.command()
def show(
    path: StoriesPath,
    story: Annotated[str, typer.Option(help="The story's id; the first story if not given.")] = "",
    seed: Annotated[int, typer.Option(help="Another seed, another walk.")] = 0,
) -> None:
    """A walk through a story, as it is trained on."""
    from textxfer.corpus.read import read
    from textxfer.corpus.render import render
    from textxfer.corpus.walk import covering_walks
    from textxfer.errors import CorpusError, unknown

    stories = {s.id: s for s in read(path).stories}
    id = story or next(iter(stories))
    if id not in stories:
        raise CorpusError(unknown("story", id, stories))
    typer.echo(render(covering_walks(stories[id], seed=seed)[0]))
