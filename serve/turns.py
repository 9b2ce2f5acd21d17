"""Where a turn happens: a player's move goes in, prose comes out, and it is saved.

    game = Game(world, store)
    async with game.play(story_id, "do", "open the gate") as playing:
        async for text in playing:
            print(text, end="")
    playing.turn                # the saved turn; its text is tidied

The page, the story dialect and the terminal game all play through here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from serve.prompt import STOP, Beat, Line, Mode, action, build
from serve.store import Store, StoryRow, TurnRow
from serve.tidy import is_whole, whole_sentences
from serve.worlds import World
from textxfer.corpus.render import unescape
from textxfer.engine.request import FinishEvent, FinishReason, GenerateRequest, Sampling
from textxfer.errors import EngineError, TextxferError

if TYPE_CHECKING:
    from textxfer.engine.engine import AsyncStream


class CannotPlay(TextxferError):
    """A move that this story cannot take now."""


class EmptyMove(TextxferError):
    """A move without the words it needs."""


class ModelFailed(EngineError):
    """The model broke off; what it had written is kept."""


class Game:
    """Stories of one world. One turn at a time is made in a story."""

    def __init__(self, world: World, store: Store) -> None:
        self.world = world
        self.store = store
        self._making: dict[str, Playing | None] = {}  # the turns in the making; None: about to begin

    async def new_story(self, title: str = "", opening: str | None = None, memory: str = "") -> StoryRow:
        """opening: None takes the world's, "" begins with an empty page."""
        story = StoryRow(title=title.strip(), world=self.world.name, memory=memory.strip())
        return await self.store.add_story(story, self.world.opening if opening is None else opening.strip())

    def busy(self, story_id: str) -> bool:
        return story_id in self._making

    def stop(self, story_id: str) -> bool:
        """Ends the turn that is being made, after its next token. False: there is none."""
        playing = self._making.get(story_id)
        if playing is not None:
            playing.stop()
        return playing is not None

    async def drain(self) -> None:
        """Ends all turns and waits until they are saved."""
        while self._making:
            for story_id in self._making:
                self.stop(story_id)
            await asyncio.sleep(0.02)

    @asynccontextmanager
    async def play(
        self, story_id: str, mode: Mode, typed: str = "", sampling: Sampling | None = None
    ) -> AsyncIterator[Playing]:
        """One turn; iterate over what it gives. Leaving the block saves what there is.

        Raises NotFound, EmptyMove; CannotPlay while another turn of the story is
        being made; QueueFull, EngineError.
        """
        written = action(mode, typed) if mode in ("do", "say") else typed.strip() if mode == "story" else ""
        if mode != "continue" and not written:
            raise EmptyMove(f"The text of a {mode!r} turn is empty; write something, or continue.")
        async with self._claim(story_id) as story:
            beats = await self.store.path(story)
            async with self._turn(story, beats, Line(mode, written), sampling) as playing:
                yield playing

    @asynccontextmanager
    async def retry(self, story_id: str, sampling: Sampling | None = None) -> AsyncIterator[Playing]:
        """The last move again: a sibling of the last turn. Raises as ``play`` does."""
        async with self._claim(story_id) as story:
            *beats, last = await self.store.path(story)
            if not beats:
                raise CannotPlay("There is nothing to retry: the story has only its opening.")
            async with self._turn(story, beats, Line(last.mode, last.input), sampling) as playing:
                yield playing

    async def undo(self, story_id: str) -> StoryRow:
        """Raises NotFound, CannotPlay."""
        async with self._claim(story_id) as story:
            path = await self.store.path(story)
            if len(path) < 2:
                raise CannotPlay("There is nothing to undo: this is the opening.")
            return await self.store.change_story(story_id, head=path[-2].id)

    async def redo(self, story_id: str) -> StoryRow:
        """Back to the newest turn that follows the head. Raises NotFound, CannotPlay."""
        async with self._claim(story_id) as story:
            following = await self.store.children(story)
            if not following:
                raise CannotPlay("There is nothing to redo.")
            return await self.store.change_story(story_id, head=following[-1].id)

    async def edit(self, story_id: str, turn_id: str, text: str) -> TurnRow:
        """Sets the prose of a turn. Raises NotFound, CannotPlay."""
        async with self._claim(story_id):
            turn = await self.store.turn(story_id, turn_id)
            text = text.strip()
            if turn.mode in ("story", "continue"):
                text = turn.text[: len(turn.text) - len(turn.text.lstrip())] + text  # the space that joins it
            return await self.store.edit_turn(story_id, turn_id, text)

    async def delete(self, story_id: str) -> None:
        """Raises NotFound, CannotPlay."""
        async with self._claim(story_id):
            await self.store.delete_story(story_id)

    @asynccontextmanager
    async def _claim(self, story_id: str) -> AsyncIterator[StoryRow]:
        """The story, which nobody else changes meanwhile."""
        if self.busy(story_id):
            raise CannotPlay("This story is being continued just now; wait, or stop it first.")
        self._making[story_id] = None
        try:
            yield await self.store.story(story_id)
        finally:
            del self._making[story_id]

    @asynccontextmanager
    async def _turn(
        self, story: StoryRow, beats: list[TurnRow], move: Line, sampling: Sampling | None
    ) -> AsyncIterator[Playing]:
        playing = self._making[story.id] = Playing(self, story, beats, move, sampling or self.world.sampling)
        try:
            yield playing
        finally:
            # A client that went away cancels this task; what it got is saved all the same.
            with anyio.CancelScope(shield=True):
                await playing.close()


class Playing:
    """A turn in the making. Iterate for its text; then ``turn`` and ``finish`` are set.

    turn stays None when the work was stopped before there was any text. Raises
    QueueFull and EngineError when made; ModelFailed while iterating when
    the model breaks off: what came before is saved.
    """

    def __init__(self, game: Game, story: StoryRow, beats: Sequence[TurnRow], move: Line, sampling: Sampling) -> None:
        self._game = game
        self._story = story
        self._beats = beats
        self._move = move
        self._sampling = sampling
        self._gap = self._joint()
        self._written = ""  # the model's words
        self._stopped = False
        self._saved = False
        self.finish: FinishEvent | None = None
        self.turn: TurnRow | None = None
        self._stream = self._submit(sampling)

    async def __aiter__(self) -> AsyncIterator[str]:
        async for text in self._read():
            yield text
        if not self._written.strip() and self.reason in ("stop", "length") and not self._stopped:
            # Once more: with another seed and, where the model would only act, in a new paragraph.
            seed = self._sampling.seed
            self._gap = "\n\n" if self._move.mode in ("story", "continue") else ""
            self._stream = self._submit(replace(self._sampling, seed=None if seed is None else seed + 1))
            async for text in self._read():
                yield text
        await self._save()
        if self.finish is not None and self.reason == "error":
            raise ModelFailed(self.finish.error)

    @property
    def reason(self) -> FinishReason:
        """Why it ended; cancelled where it did not come to its end."""
        return self.finish.reason if self.finish else "cancelled"

    def stop(self) -> None:
        """The text ends with the next token; the iteration goes on to its end."""
        self._stopped = True
        self._stream.cancel()

    async def close(self) -> None:
        """Stops the engine's side and saves what there is; done twice it does nothing."""
        await self._stream.aclose()
        await self._save()

    def _joint(self) -> str:
        """What stands between the last words and the model's: nothing in the middle of a sentence.

        After a whole sentence the model of a game would rather act than go on;
        at the beginning of a paragraph it writes prose.
        """
        if self._move.mode != "continue":
            return ""
        before = next((words for beat in reversed(self._beats) if (words := beat.text or beat.input)), "")
        return "\n\n" if is_whole(before) else ""

    def _submit(self, sampling: Sampling) -> AsyncStream:
        world, move = self._game.world, self._move
        beats: list[Beat] = [*self._beats, Line(move.mode, move.input, self._gap)]
        prompt = build(world.encode, world.engine.context, sampling.max_tokens, self._story.memory, beats)
        return world.engine.stream(GenerateRequest(prompt.ids, sampling, stop=(STOP,)))

    async def _read(self) -> AsyncIterator[str]:
        """The model's words as they come, from the first that is not blank."""
        joined = self._move.mode in ("story", "continue") and not self._gap
        begun, acted = "", False
        async for event in self._stream:
            begun += event.text
            if isinstance(event, FinishEvent):
                self.finish = replace(event, reason="stop") if acted else event
            if acted or not begun.strip():
                continue
            if not self._written and not joined:
                begun = begun.lstrip()
                if begun.startswith(">"):  # it acts for the player at once: no prose
                    self._stream.cancel()
                    acted = True
                    continue
            yield begun if self._written else self._gap + begun
            self._written += begun
            begun = ""

    async def _save(self) -> None:
        if self._saved:
            return
        self._saved = True
        words = unescape(self._written)
        words = whole_sentences(words) if self.reason == "length" else words.rstrip()
        if not words and self.reason not in ("stop", "length"):
            return
        turn = TurnRow(
            story=self._story.id,
            parent=self._beats[-1].id if self._beats else None,
            mode=self._move.mode,
            input=self._move.input,
            text=self._gap + words if words else "",
            finish=self.reason,
            tokens=self.finish.completion_tokens if self.finish else 0,
            seed=self.finish.seed if self.finish else None,
            model=self._game.world.name,
        )
        self.turn = await self._game.store.add_turn(turn)
