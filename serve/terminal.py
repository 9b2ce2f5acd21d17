"""The game in a terminal: lines in, prose out, over the same turns and store as the page."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import importlib
import io
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from serve.prompt import Mode
from serve.settings import database_file
from serve.store import Store, StoryRow, TurnRow
from serve.tidy import settled
from serve.turns import Game, Playing
from serve.worlds import World
from textxfer.corpus.render import unescape
from textxfer.engine.request import Sampling
from textxfer.errors import TextxferError, unknown

HELP = """\
What you write is what you do. In "quotes" it is what you say. An empty line goes on.
  /undo /redo         a turn back, a turn forth
  /retry              the last move again, with another outcome
  /edit TEXT          the last passage in your words
  /story TEXT         tell what happens; the story goes on from there
  /memory [TEXT]      what the story should never forget
  /save [NAME]        name this story (it is always saved)
  /stories            the stories that are kept here
  /load [NAME]        one of them, by its name or number; the one before this without
  /help /quit"""


CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")  # a model must not steer the terminal


class Wrapped:
    """Writes prose broken at the width of the terminal. A word comes whole, in one call."""

    def __init__(self, out: TextIO, width: int) -> None:
        self._out = out
        self._width = width
        self._column = 0

    def write(self, prose: str) -> None:
        prose = CONTROLS.sub("", prose)
        for piece in re.findall(r"\n| *[^ \n]+| +", prose):
            if piece == "\n":
                self._column = 0
            elif self._column + len(piece) > self._width and self._column and piece.strip():
                self._out.write("\n")
                piece = piece.lstrip(" ")
                self._column = len(piece)
            else:
                self._column += len(piece)
            self._out.write(piece)
        self._out.flush()


class Terminal:
    """One player at one terminal.

    seed: the first turn's; each further one takes the next. None draws them.
    """

    def __init__(self, game: Game, runner: asyncio.Runner, source: TextIO, out: TextIO, seed: int | None) -> None:
        self._game = game
        self._do = runner.run  # the loop runs only while something is done; a line is read without it
        self._source = source
        self._out = out
        self._seed = seed
        self._story: StoryRow
        self._commands: dict[str, Callable[[str], None]] = {
            "undo": self._undo,
            "redo": self._redo,
            "retry": self._retry,
            "edit": self._edit,
            "story": lambda text: self._play("story", text),
            "memory": self._memory,
            "save": self._save,
            "stories": self._stories,
            "load": self._load,
            "help": lambda _: self._say(HELP),
        }

    def play(self) -> None:
        """From the opening until /quit, the end of the input or Ctrl-C."""
        _, others = self._do(self._game.store.stories(1))
        self._story = self._do(self._game.new_story())
        self._prose()
        if others:
            self._say(f"({others} {'story is' if others == 1 else 'stories are'} kept here: /stories)")
        while (line := self._read()) is not None:
            try:
                if not self._obey(line):
                    return
            except TextxferError as error:
                self._say(str(error))
            except KeyboardInterrupt:
                self._say("(stopped)")

    def _read(self) -> str | None:
        """A line of the player's; None when there are no more."""
        try:
            if self._source is sys.stdin and sys.stdin.isatty():
                return input("\n> ").strip()
            line = self._source.readline()
        except (EOFError, KeyboardInterrupt):
            self._say("")
            return None
        if line:
            self._say(f"\n> {line.strip()}")
        return line.strip() if line else None

    def _obey(self, line: str) -> bool:
        """Does what a line says; False when it says to leave."""
        if not line.startswith("/"):
            said = len(line) > 1 and line[0] in '"“'
            self._play("say" if said else "do" if line else "continue", line)
            return True
        name, _, rest = line[1:].partition(" ")
        if name == "quit":
            return False
        command = self._commands.get(name)
        if command is None:
            names = [*self._commands, "quit"]
            near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
            hint = f"Did you mean /{near[0]}?" if near else "/help lists what there is."
            self._say(f"There is no /{name}. {hint}")
        else:
            command(rest.strip())
        return True

    def _play(self, mode: Mode, text: str) -> None:
        self._turn(self._game.play(self._story.id, mode, text, self._sampling()))

    def _retry(self, _: str) -> None:
        self._turn(self._game.retry(self._story.id, self._sampling()))

    def _turn(self, making: AbstractAsyncContextManager[Playing]) -> None:
        out = Wrapped(self._out, _width())

        async def run() -> None:
            text, printed = "", 0
            playing: Playing | None = None
            try:
                async with making as playing:
                    async for words in playing:
                        text += words
                        # What a cut at the end could take away is not printed yet.
                        sure = settled(unescape(text))
                        out.write(sure[printed:] if printed else sure.lstrip("\n"))
                        printed = max(printed, len(sure))
            finally:
                if playing is not None and playing.turn is not None:
                    whole = playing.turn.text or "(The story has no answer to this.)"
                    out.write((whole[printed:] if printed else whole.lstrip("\n")) + "\n")

        self._do(run())

    def _sampling(self) -> Sampling:
        chosen = replace(self._game.world.sampling, seed=self._seed)
        self._seed = None if self._seed is None else self._seed + 1
        return chosen

    def _undo(self, _: str) -> None:
        self._story = self._do(self._game.undo(self._story.id))
        self._prose()

    def _redo(self, _: str) -> None:
        self._story = self._do(self._game.redo(self._story.id))
        self._prose()

    def _edit(self, text: str) -> None:
        if not text:
            self._say("/edit takes the new words of the last passage.")
            return
        self._do(self._game.edit(self._story.id, self._path()[-1].id, text))
        self._prose()

    def _memory(self, text: str) -> None:
        story = self._do(self._game.store.story(self._story.id))
        if text:
            story = self._do(self._game.store.change_story(story.id, memory=text))
        self._say(f"Memory: {story.memory or '(nothing)'}")

    def _save(self, name: str) -> None:
        story = self._do(self._game.store.story(self._story.id))
        if name:
            story = self._do(self._game.store.change_story(story.id, title=name))
        self._say(f"Saved as {story.title or 'a story without a name yet'}.")

    def _stories(self, _: str) -> None:
        for number, story in enumerate(self._all(), start=1):
            here = "  (this one)" if story.id == self._story.id else ""
            self._say(f"{number:3}  {story.title or 'A new story'}{here}")

    def _load(self, name: str) -> None:
        kept = self._all()
        if not name:
            found = [story for story in kept if story.id != self._story.id][:1]
        elif name.isdigit() and 1 <= int(name) <= len(kept):
            found = [kept[int(name) - 1]]
        else:
            found = [story for story in kept if story.title.lower() == name.lower()]
        if not found:
            titles = [story.title for story in kept if story.title]
            self._say(unknown("story", name, titles) if name else "There is no other story.")
            return
        self._story = found[0]
        self._say(f"{self._story.title or 'A new story'}\n")
        self._prose(turns=3)

    def _all(self) -> list[StoryRow]:
        rows, _ = self._do(self._game.store.stories(limit=200))
        return list(rows)

    def _path(self) -> list[TurnRow]:
        async def path() -> list[TurnRow]:
            return await self._game.store.path(await self._game.store.story(self._story.id))

        return self._do(path())

    def _prose(self, turns: int = 1) -> None:
        """The last turns of the story."""
        for turn in self._path()[-turns:]:
            if turn.mode in ("do", "say"):
                self._say(f"> {turn.input}")
            own = turn.input if turn.mode == "story" else ""
            Wrapped(self._out, _width()).write((own + turn.text).lstrip("\n") + "\n")

    def _say(self, line: str) -> None:
        print(line, file=self._out, flush=True)


def _width() -> int:
    return min(shutil.get_terminal_size((80, 24)).columns, 100)


def run_terminal(model: str, seed: int | None, data: Path | None) -> None:
    """Loads a model and plays it on standard input and output. Raises ModelError, ServeError."""
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a byte that is no character ends no game
    with contextlib.suppress(ImportError):
        importlib.import_module("readline")  # arrows and history at the prompt
    with asyncio.Runner() as runner:
        store = runner.run(Store.open(database_file(model, data)))
        try:
            world = World.load(model)
            try:
                Terminal(Game(world, store), runner, sys.stdin, sys.stdout, seed).play()
            finally:
                world.engine.close()
        finally:
            runner.run(store.close())
