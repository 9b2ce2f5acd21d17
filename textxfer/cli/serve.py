"""textxfer serve: a page to play on, and the dialects of game front ends."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    run: Annotated[str, typer.Argument(help="A run's folder, a model folder, starter, or a hub name.")] = "starter",
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 lets others in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    data: Annotated[Path | None, typer.Option(help="Where the stories are kept: a .db file or a folder.")] = None,
    api_key: Annotated[
        str | None, typer.Option(envvar="TEXTXFER_API_KEY", help="What clients must bring as bearer token.")
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens that a request can ask for at most.")] = 512,
    cors: Annotated[
        list[str] | None, typer.Option(help="An origin whose pages may call this server; repeatable.")
    ] = None,
) -> None:
    """Serve a model: a page at /, OpenAI's API at /v1, stories at /stories."""
    from serve.server import run_server
    from serve.settings import Settings

    run_server(
        Settings(
            model=run,
            host=host,
            port=port,
            data=data,
            api_key=api_key or None,
            max_tokens=max_tokens,
            cors=tuple(cors or ()),
        )
    )
