"""OpenAI's dialect: models, completions, chat completions."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from serve.access import Ready
from serve.dialects import Dialect, dialects
from serve.dialects.openai_format import (
    Asked,
    Chat,
    ChatFormat,
    Completion,
    Format,
    Logged,
    Message,
    TextFormat,
)
from serve.prompt import STOP, Line, action, build
from serve.refusals import Refused, refusal
from serve.turns import Game, ModelFailed
from serve.worlds import World
from textxfer.engine.request import FinishEvent, GenerateRequest, Sampling
from textxfer.errors import TextxferError

if TYPE_CHECKING:
    from textxfer.engine.engine import AsyncStream

router = APIRouter(prefix="/v1", tags=["openai"])
STARTED = int(time.time())
MOST_CHOICES = 16


@router.get("/models")
async def models(game: Ready) -> dict[str, Any]:
    return {"object": "list", "data": [_model(game)]}


@router.get("/models/{name:path}")
async def model(name: str, game: Ready) -> dict[str, Any]:
    _check_model(name, game)
    return _model(game)


@dataclass(frozen=True)
class Delta:
    """Some text of one choice; ``finish`` is set on its last."""

    index: int
    text: str
    logs: Sequence[Logged]
    finish: FinishEvent | None = None


class Answering:
    """The choices of one answer; the engine works on them side by side."""

    def __init__(self, form: Format, world: World, echoes: Sequence[str], logs: bool, usage: bool) -> None:
        self.form = form
        self.logs = logs
        self.usage = usage
        self.streams: list[AsyncStream] = []
        self._world = world
        self._echoes = echoes  # of each choice, the text that goes before it
        self._head = {
            "id": f"{form.prefix}{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": world.name,
        }

    async def deltas(self) -> AsyncIterator[Delta]:
        """Of one choice after the other. Raises ModelFailed."""
        for index, (echo, stream) in enumerate(zip(self._echoes, self.streams, strict=True)):
            if echo:
                yield Delta(index, echo, [])
            held: list[Logged] = []  # tokens whose text is not settled yet
            offset = len(echo)
            async for event in stream:
                if isinstance(event, FinishEvent):
                    if event.reason not in ("stop", "length"):
                        raise ModelFailed(event.error or "The server stopped before the answer was whole.")
                    # Tokens that a stop string took away again are not told.
                    told = held if event.text or event.reason == "length" else []
                    yield Delta(index, event.text, told, event)
                    continue
                if self.logs:
                    word = self._world.engine.decode([event.id])
                    held.append(Logged(word, offset, event.logprob))
                    offset += len(word)
                if event.text:
                    yield Delta(index, event.text, held)
                    held = []

    async def whole(self, request: Request) -> dict[str, Any]:
        """The answer as one object. A client that has gone stops the work."""
        texts, logs = [""] * len(self.streams), [list[Logged]() for _ in self.streams]
        finished: list[FinishEvent] = []
        async for delta in self.deltas():
            texts[delta.index] += delta.text
            logs[delta.index] += delta.logs
            if delta.finish:
                finished.append(delta.finish)
            elif await request.is_disconnected():
                raise ModelFailed("The client has gone.")
        choices = [
            self.form.choice(index, text, logs[index] if self.logs else None, finish.reason)
            for index, (text, finish) in enumerate(zip(texts, finished, strict=True))
        ]
        return {**self._head, "object": self.form.whole, "choices": choices, "usage": _usage(finished)}

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        """The answer as chunks. The first byte does not wait for the model."""
        finished: list[FinishEvent] = []
        begun: set[int] = set()
        yield ServerSentEvent(comment="begun")
        try:
            async for delta in self.deltas():
                first = self.form.first(delta.index)
                if first and delta.index not in begun:
                    yield self._chunk(first)
                begun.add(delta.index)
                if delta.text or delta.logs:
                    logs = delta.logs if self.logs else None
                    yield self._chunk(self.form.delta(delta.index, delta.text, logs, None))
                if delta.finish:
                    finished.append(delta.finish)
                    yield self._chunk(self.form.delta(delta.index, "", None, delta.finish.reason))
        except TextxferError as error:
            yield ServerSentEvent(data=refusal(error).body)
            return
        if self.usage:
            yield self._chunk(None, _usage(finished))
        yield ServerSentEvent(raw_data="[DONE]")

    def _chunk(self, choice: dict[str, Any] | None, usage: dict[str, int] | None = None) -> ServerSentEvent:
        data = {**self._head, "object": self.form.part, "choices": [choice] if choice else []}
        return ServerSentEvent(data={**data, "usage": usage} if self.usage else data)


@asynccontextmanager
async def _answering(
    game: Game,
    form: Format,
    asked: Asked,
    sampling: Sampling,
    prompts: Sequence[tuple[str, tuple[int, ...]]],
    stop: tuple[str, ...],
    logs: bool,
) -> AsyncIterator[Answering]:
    """Submits ``n`` choices for each prompt (what it echoes, its tokens); leaving the block ends them.

    Raises QueueFull, PromptTooLong and EngineError before a byte is sent.
    """
    copies = asked.n or 1
    if len(prompts) * copies > MOST_CHOICES:
        raise Refused(400, f"{len(prompts) * copies} choices are asked for; {MOST_CHOICES} are the most.", param="n")
    chosen = [prompt for prompt in prompts for _ in range(copies)]
    usage = bool(asked.stream_options and asked.stream_options.include_usage)
    answering = Answering(form, game.world, [echo for echo, _ in chosen], logs, usage)
    async with AsyncExitStack() as stack:
        for index, (_, ids) in enumerate(chosen):
            seed = None if sampling.seed is None else sampling.seed + index % copies
            stream = game.world.engine.stream(GenerateRequest(ids, replace(sampling, seed=seed), stop))
            stack.push_async_callback(stream.aclose)
            answering.streams.append(stream)
        yield answering


# Prompts are checked and submitted in dependencies: what is refused, is refused
# before a stream has begun, and a client that goes away ends the work.


async def a_completion(body: Completion, game: Ready, request: Request) -> AsyncIterator[Answering]:
    _check_model(body.model, game)
    if body.suffix:
        raise Refused(400, "suffix is not supported: the model only goes on from a text.", param="suffix")
    if body.best_of is not None and body.best_of > 1:
        raise Refused(400, "best_of above 1 is not supported; ask for n and choose.", param="best_of")
    if body.logprobs:
        raise Refused(400, "logprobs above 0 are not supported; 0 gives those of the tokens chosen.", param="logprobs")
    if body.logprobs is not None and body.echo:
        raise Refused(400, "logprobs are not given for a prompt; leave echo or logprobs out.", param="logprobs")
    prompts = [(text if body.echo else "", ids) for text, ids in _prompts(body, game.world)]
    sampling = _sampling(body, game, request)
    logs = body.logprobs is not None
    async with _answering(game, TextFormat(), body, sampling, prompts, _stops(body.stop), logs) as answering:
        yield answering


async def a_chat(body: Chat, game: Ready, request: Request) -> AsyncIterator[Answering]:
    _check_model(body.model, game)
    if body.top_logprobs:
        raise Refused(400, "top_logprobs above 0 are not supported.", param="top_logprobs")
    if body.max_completion_tokens is not None:
        body.max_tokens = body.max_completion_tokens
    sampling = _sampling(body, game, request)
    ids = chat_prompt(game.world, body.messages, sampling.max_tokens)
    stop = (*_stops(body.stop), STOP)
    logs = bool(body.logprobs)
    async with _answering(game, ChatFormat(), body, sampling, [("", ids)], stop, logs) as answering:
        yield answering


@router.post("/completions")
async def completions(answering: Annotated[Answering, Depends(a_completion)], request: Request) -> dict[str, Any]:
    return await answering.whole(request)


@router.post("/completions/events", response_class=EventSourceResponse, include_in_schema=False)
async def completions_streaming(
    answering: Annotated[Answering, Depends(a_completion)],
) -> AsyncIterator[ServerSentEvent]:
    async for event in answering.events():
        yield event


@router.post("/chat/completions")
async def chat(answering: Annotated[Answering, Depends(a_chat)], request: Request) -> dict[str, Any]:
    return await answering.whole(request)


@router.post("/chat/completions/events", response_class=EventSourceResponse, include_in_schema=False)
async def chat_streaming(answering: Annotated[Answering, Depends(a_chat)]) -> AsyncIterator[ServerSentEvent]:
    async for event in answering.events():
        yield event


def chat_prompt(world: World, messages: Sequence[Message], reserve: int) -> tuple[int, ...]:
    """A chat as a story: system -> memory, user -> the line of an action, assistant -> prose.

    What does not fit is cut from the left, by whole turns; memory stays.
    """
    memory: list[str] = []
    beats: list[Line] = []
    for number, message in enumerate(messages):
        text = _content(message, number).strip()
        if message.role == "user":
            beats.append(Line("do", action("do", text)))
        elif message.role == "assistant" and beats and beats[-1].mode == "do" and not beats[-1].text:
            beats[-1].text = text
        elif message.role == "assistant":
            beats.append(Line("story", "", text))
        else:
            memory.append(text)
    return build(world.encode, world.engine.context, reserve, "\n\n".join(memory), beats).ids


def _content(message: Message, number: int) -> str:
    if not isinstance(message.content, list):
        return message.content or ""
    for part in message.content:
        if part.type != "text" or part.text is None:
            raise Refused(
                400,
                f"A part of type {part.type!r} cannot be read; text can.",
                param=f"messages.{number}.content",
            )
    return "".join(part.text or "" for part in message.content)


def _prompts(body: Completion, world: World) -> list[tuple[str, tuple[int, ...]]]:
    """Each prompt as text (for echo) and as tokens. One that is too long is refused, not cut."""
    given = body.prompt
    if isinstance(given, str):
        return [(given, tuple(world.engine.encode(given)))]
    prompts: list[tuple[str, tuple[int, ...]]] = []
    ids: list[int] = []  # a bare list of ids is one prompt
    for prompt in given:
        if isinstance(prompt, str):
            prompts.append((prompt, tuple(world.engine.encode(prompt))))
        elif isinstance(prompt, int):
            ids.append(prompt)
        else:
            prompts.append((world.engine.decode(prompt) if body.echo else "", tuple(prompt)))
    return prompts or [(world.engine.decode(ids) if body.echo else "", tuple(ids))]


def _stops(stop: str | list[str] | None) -> tuple[str, ...]:
    stops = [stop] if isinstance(stop, str) else stop or []
    if len(stops) > 4 or "" in stops:
        raise Refused(400, f"stop holds {len(stops)} strings; 1 to 4 are allowed, none of them empty.", param="stop")
    return tuple(stops)


def _sampling(body: Asked, game: Game, request: Request) -> Sampling:
    try:
        return game.world.sampling_with(body, request.app.state.settings.max_tokens)
    except ValueError as error:
        raise Refused(400, str(error), param=str(error).split()[0]) from None


def _check_model(name: str | None, game: Game) -> None:
    if name not in (None, "", game.world.name):
        message = f"The model {name!r} does not exist; this server has {game.world.name!r}."
        raise Refused(404, message, param="model", code="model_not_found")


def _model(game: Game) -> dict[str, Any]:
    return {"id": game.world.name, "object": "model", "created": STARTED, "owned_by": "textxfer"}


def _usage(finished: Sequence[FinishEvent]) -> dict[str, int]:
    prompt = sum(finish.prompt_tokens for finish in finished)
    completion = sum(finish.completion_tokens for finish in finished)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


dialects.register("openai")(Dialect(router, {r"/v1/(chat/)?completions": False}))
