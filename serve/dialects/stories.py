"""The story dialect: stories as things that are kept, and turns that are made in them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from time import perf_counter
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel

from serve.access import Ready
from serve.dialects import Dialect, dialects
from serve.refusals import Refused, refusal
from serve.store import StoryRow, TurnRow
from serve.turns import Game, Playing
from serve.worlds import SamplingFields
from textxfer.engine.request import Sampling
from textxfer.errors import TextxferError

router = APIRouter(prefix="/stories", tags=["stories"])


class NewStory(BaseModel):
    """opening: None takes the world's."""

    world: str | None = None
    title: str = ""
    opening: str | None = None
    memory: str = ""


class Change(BaseModel):
    """None leaves a field as it is."""

    title: str | None = None
    memory: str | None = None


class Again(BaseModel):
    """How a turn is drawn, and whether it comes as events (the default) or as JSON."""

    sampling: SamplingFields | None = None
    stream: bool | None = None


class Move(Again):
    """What the player does, says or writes; ``continue`` takes no text."""

    mode: Literal["do", "say", "story", "continue"]
    text: str = ""


class Edit(BaseModel):
    """The prose of a turn."""

    text: str


@router.post("", status_code=201)
async def begin(game: Ready, new: Annotated[NewStory | None, Body()] = None) -> dict[str, Any]:
    new = new or NewStory()
    if new.world not in (None, game.world.name):
        raise Refused(404, f"There is no world {new.world!r}; this server has {game.world.name!r}.", param="world")
    return await _whole(game, await game.new_story(new.title, new.opening, new.memory))


@router.get("")
async def shelf(
    game: Ready, limit: Annotated[int, Query(ge=1, le=200)] = 50, offset: Annotated[int, Query(ge=0)] = 0
) -> dict[str, Any]:
    rows, total = await game.store.stories(limit, offset)
    return {"stories": [_cover(game, row) for row in rows], "total": total, "limit": limit, "offset": offset}


@router.get("/{story_id}")
async def read(story_id: str, game: Ready) -> dict[str, Any]:
    return await _whole(game, await game.store.story(story_id))


@router.patch("/{story_id}")
async def change(story_id: str, changes: Change, game: Ready) -> dict[str, Any]:
    given = {name: text.strip() for name, text in changes.model_dump(exclude_none=True).items()}
    return await _whole(game, await game.store.change_story(story_id, **given))


@router.delete("/{story_id}", status_code=204)
async def forget(story_id: str, game: Ready) -> None:
    await game.delete(story_id)


@router.post("/{story_id}/undo")
async def undo(story_id: str, game: Ready) -> dict[str, Any]:
    return await _whole(game, await game.undo(story_id))


@router.post("/{story_id}/redo")
async def redo(story_id: str, game: Ready) -> dict[str, Any]:
    return await _whole(game, await game.redo(story_id))


@router.post("/{story_id}/stop")
async def stop(story_id: str, game: Ready) -> dict[str, bool]:
    """Ends the turn that is being made; its stream goes on to its done event."""
    return {"stopped": game.stop(story_id)}


@router.patch("/{story_id}/turns/{turn_id}")
async def edit(story_id: str, turn_id: str, edited: Edit, game: Ready) -> dict[str, Any]:
    return _turn(await game.edit(story_id, turn_id, edited.text))


# The turn is made in a dependency: it is refused before a stream has begun, and
# left, and so saved, after the last byte or when the client has gone.


async def a_move(story_id: str, move: Move, game: Ready, request: Request) -> AsyncIterator[Playing]:
    async with game.play(story_id, move.mode, move.text, _sampling(game, move, request)) as playing:
        yield playing


async def another(
    story_id: str, game: Ready, request: Request, again: Annotated[Again | None, Body()] = None
) -> AsyncIterator[Playing]:
    async with game.retry(story_id, _sampling(game, again or Again(), request)) as playing:
        yield playing


@router.post("/{story_id}/turns")
async def take_turn(playing: Annotated[Playing, Depends(a_move)], request: Request) -> dict[str, Any]:
    return await _at_once(playing, request)


@router.post("/{story_id}/turns/events", response_class=EventSourceResponse)
async def take_turn_streaming(playing: Annotated[Playing, Depends(a_move)]) -> AsyncIterator[ServerSentEvent]:
    async for event in _events(playing):
        yield event


@router.post("/{story_id}/retry")
async def retry(playing: Annotated[Playing, Depends(another)], request: Request) -> dict[str, Any]:
    return await _at_once(playing, request)


@router.post("/{story_id}/retry/events", response_class=EventSourceResponse)
async def retry_streaming(playing: Annotated[Playing, Depends(another)]) -> AsyncIterator[ServerSentEvent]:
    async for event in _events(playing):
        yield event


async def _events(playing: Playing) -> AsyncIterator[ServerSentEvent]:
    """token*, then done or error. The first byte does not wait for the model."""
    begun = perf_counter()
    yield ServerSentEvent(comment="begun")
    try:
        async for text in playing:
            yield ServerSentEvent(event="token", data={"text": text})
    except TextxferError as error:
        yield ServerSentEvent(event="error", data=refusal(error).body)
        return
    yield ServerSentEvent(event="done", data=_done(playing, begun))


async def _at_once(playing: Playing, request: Request) -> dict[str, Any]:
    begun = perf_counter()
    async for _ in playing:
        if await request.is_disconnected():
            playing.stop()
    return _done(playing, begun)


def _done(playing: Playing, begun: float) -> dict[str, Any]:
    finish = playing.finish
    assert finish is not None
    return {
        "turn": _turn(playing.turn) if playing.turn else None,
        "finish_reason": finish.reason,
        "seed": finish.seed,
        "usage": {"prompt_tokens": finish.prompt_tokens, "completion_tokens": finish.completion_tokens},
        "seconds": round(perf_counter() - begun, 3),
    }


def _sampling(game: Game, asked: Again, request: Request) -> Sampling:
    try:
        return game.world.sampling_with(asked.sampling, request.app.state.settings.max_tokens)
    except ValueError as error:
        raise Refused(400, str(error), param=f"sampling.{str(error).split()[0]}") from None


async def _whole(game: Game, story: StoryRow) -> dict[str, Any]:
    turns = await game.store.path(story)
    redoes = await game.store.children(story)
    return {
        **_cover(game, story),
        "memory": story.memory,
        "turns": [_turn(turn) for turn in turns],
        "can_undo": len(turns) > 1,
        "can_redo": bool(redoes),
    }


def _cover(game: Game, story: StoryRow) -> dict[str, Any]:
    return {
        "id": story.id,
        "title": story.title,
        "world": story.world,
        "head": story.head,
        "busy": game.busy(story.id),
        "created_at": story.created_at,
        "updated_at": story.updated_at,
    }


def _turn(turn: TurnRow) -> dict[str, Any]:
    return {
        "id": turn.id,
        "parent": turn.parent,
        "mode": turn.mode,
        "input": turn.input,
        "text": turn.text,
        "finish_reason": turn.finish or None,
        "tokens": turn.tokens,
        "seed": turn.seed,
        "model": turn.model or None,
        "created_at": turn.created_at,
    }


dialects.register("stories")(Dialect(router, {r"/stories/[^/]+/(turns|retry)": True}))
