"""The command ``textxfer``: each command parses, calls one function of the library, prints."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import typer

import textxfer
from textxfer.cli.corpus_cmd import app as corpus
from textxfer.cli.demo import demo
from textxfer.cli.eval import evaluate
from textxfer.cli.generate import generate
from textxfer.cli.play import play
from textxfer.cli.pretrain import pretrain
from textxfer.cli.scrape import scrape
from textxfer.cli.serve import serve
from textxfer.cli.train import train
from textxfer.errors import TextxferError

app = typer.Typer(
    name="textxfer",
    help="Stories in, a playable world out: train GPT-2 on a shelf of stories, judge it, play it, serve it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS: dict[str, Callable[..., None]] = {
    "train": train,
    "generate": generate,
    "eval": evaluate,
    "play": play,
    "serve": serve,
    "demo": demo,
    "pretrain": pretrain,
    "scrape": scrape,
}
for name, command in COMMANDS.items():
    app.command(name)(command)
app.add_typer(corpus, name="corpus", help="Look at a corpus: figures, and a walk to read.")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"textxfer {textxfer.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Say which version this is."
    ),
) -> None:
    pass


def main() -> None:
    """Run the command line: 0 where it went well, 2 with one line where the input was at fault, 130 after Ctrl-C."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        app()
    except TextxferError as error:
        print(f"textxfer: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
