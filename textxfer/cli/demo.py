from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="The run's folder")] = Path("runs/demo"),
    corpus: Annotated[Path | None, typer.Option(help="Stories  [default: the example adventure]")] = None,
    seed: Annotated[int, typer.Option(help="Of the split, the order and the dropout")] = 0,
    steps: Annotated[int | None, typer.Option(help="Optimizer steps")] = None,
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Open the game when training is done")] = True,
    port: Annotated[int, typer.Option(help="Where the game is served")] = 8000,
    json_: Annotated[bool, typer.Option("--json", help="End with one line of JSON (and do not serve)")] = False,
) -> None:
    """The main job in a few minutes: train the starter on an adventure, show what changed, open the game."""
    from textxfer.cli.output import print_result, print_samples
    from textxfer.demo import run_demo

    if serve and not json_:
        from serve.server import listen

        listen("127.0.0.1", port).close()  # a port in use is told before the training, not after
    run = run_demo(out, corpus=corpus, seed=seed, steps=steps)
    if not json_:
        print_samples(run)
    print_result(run, as_json=json_)
    if serve and not json_:
        import webbrowser

        from serve.server import run_server
        from serve.settings import Settings

        run_server(Settings(model=str(run.path), port=port), ready=webbrowser.open)
