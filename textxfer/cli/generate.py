"""``textxfer generate``: continue a text."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from textxfer.engine.request import FinishEvent, GenerateRequest, Sampling
from textxfer.errors import ConfigError, EngineError

_DEFAULT = Sampling()


def generate(
    run: Annotated[
        str, typer.Argument(help="A run's folder, a model's folder, 'starter', or a hub name such as gpt2.")
    ],
    prompt: Annotated[str, typer.Option(help="The text to continue.")],
    tokens: Annotated[int, typer.Option(help="At most so many tokens.")] = _DEFAULT.max_tokens,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same text.")] = None,
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest token.")] = _DEFAULT.temperature,
    top_k: Annotated[int, typer.Option(help="Keep the k likeliest tokens; 0 keeps all.")] = _DEFAULT.top_k,
    top_p: Annotated[
        float, typer.Option(help="Keep the likeliest tokens that hold this probability.")
    ] = _DEFAULT.top_p,
    min_p: Annotated[
        float, typer.Option(help="Keep tokens of this share of the likeliest's probability.")
    ] = _DEFAULT.min_p,
    repetition_penalty: Annotated[float, typer.Option(help="1 does nothing.")] = _DEFAULT.repetition_penalty,
    stop: Annotated[list[str] | None, typer.Option(help="End before this string; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="End with one line of JSON.")] = False,
) -> None:
    """Continue a text, printed as it comes."""
    try:
        sampling = Sampling(
            max_tokens=tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            repetition_penalty=repetition_penalty,
            seed=seed,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None
    from textxfer.engine.engine import Engine

    engine = Engine.load(run)
    text, finish = "", None
    try:
        request = GenerateRequest(tuple(engine.encode(prompt)), sampling, stop=tuple(stop or ()))
        for event in engine.stream_sync(request):
            text += event.text
            if isinstance(event, FinishEvent):
                finish = event
            typer.echo(event.text, nl=False)
    finally:
        engine.close()
    assert finish is not None
    typer.echo()
    if finish.reason == "error":
        raise EngineError(f"The model failed after {finish.completion_tokens} tokens: {finish.error}")
    if as_json:
        answer = {
            "run": run,
            "prompt": prompt,
            "text": text,
            "finish": finish.reason,
            "prompt_tokens": finish.prompt_tokens,
            "completion_tokens": finish.completion_tokens,
            "seed": finish.seed,
        }
        typer.echo(json.dumps(answer))
