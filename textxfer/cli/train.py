from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    corpus: Annotated[Path, typer.Argument(help="A file or folder of stories: .twee .txt .md .jsonl")],
    base: Annotated[
        str | None, typer.Option(help="gpt2, any other hub name, a model folder, or starter  [default: gpt2]")
    ] = None,
    method: Annotated[str | None, typer.Option(help="full or lora  [default: lora]")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimizer steps  [default: four passes over the text]")] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder  [default: runs/<corpus name>]")] = None,
    config: Annotated[Path | None, typer.Option(help="A YAML file of settings; options win over it")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any setting, e.g. optim.lr=5e-4")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="End with one line of JSON")] = False,
) -> None:
    """Fine-tune a model on stories. The same command goes on after a stop."""
    from textxfer.cli.output import print_result
    from textxfer.config import read_config
    from textxfer.training.train import train as run_training

    settings = read_config(config) if config else {}
    run = run_training(
        corpus,
        base or settings.pop("base", "gpt2"),
        method or settings.pop("method", "lora"),
        out=out,
        steps=steps,
        settings=settings,
        overrides=set_ or (),
    )
    print_result(run, as_json=json_)
