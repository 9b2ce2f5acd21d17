"""What the model sees: memory, then as much of the story's end as fits.

A story is a list of beats; each is rendered as ``corpus.render`` renders the
turns of a training text, so the model meets at play what it met in training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, Protocol

from textxfer.corpus.render import action_piece, escape

Mode = Literal["opening", "do", "say", "story", "continue"]
STOP = "\n>"  # the model is about to act for the player
KEPT = 0.6  # of the room for the story, when it is full


class Beat(Protocol):
    """A turn as the prompt sees it; the rows of the store are such."""

    mode: str
    input: str
    text: str


@dataclass
class Line:
    """A beat that is not stored: of a chat, or the move being made."""

    mode: str
    input: str = ""
    text: str = ""


@dataclass(frozen=True)
class Prompt:
    """ids: what the model sees. dropped: how many beats at the story's beginning it does not."""

    ids: tuple[int, ...]
    dropped: int


def action(mode: Mode, typed: str) -> str:
    """The action's line: what was typed in one line, as training texts write it.

    do   open the gate  ->  Open the gate
    say  who is there?  ->  Say "who is there?"
    """
    line = " ".join(typed.split())
    if mode == "say":
        if len(line) > 1 and line[0] in '"“' and line[-1] in '"”':
            line = line[1:-1].strip()
        return f'Say "{line}"' if line else ""
    line = line.lstrip("> ")
    return line[:1].upper() + line[1:]


def beat_text(beat: Beat, first: bool) -> str:
    """The text of one beat, with what sets it apart from the one before it."""
    match beat.mode:
        case "do" | "say":
            return action_piece(beat.input) + escape(beat.text)
        case "continue":  # its text begins with what joins it to the beat before
            return escape(beat.text.lstrip() if first else beat.text)
        case _:  # the opening, or what the player wrote and the model went on with: a paragraph of its own
            prose = escape(beat.input + beat.text)
            return prose if first or not prose else "\n\n" + prose


def build(
    encode: Callable[[str], Sequence[int]], context: int, reserve: int, memory: str, beats: Sequence[Beat]
) -> Prompt:
    """The prompt after which the model goes on from the last of ``beats``.

    context: tokens the model sees. reserve: of them, those kept free for what it
    writes; at most half. Memory is kept, up to half of what is left. The story
    is cut at its beginning, by whole beats: when it is full, down to 60 % of its
    room (GPT-2's positions are absolute, so each cut costs a new reading of
    everything; this makes them rare). Where it is cut depends on the beats
    alone, so a longer story begins at the same place as before, or at a later cut.
    """
    room = context - min(reserve, context // 2)
    start = tuple(_memory_ids(encode, memory)[: room // 2])
    room -= len(start)
    units = [_ids(encode, beat_text(beat, first=i == 0)) for i, beat in enumerate(beats)]
    first = _first_kept([len(unit) for unit in units], room)
    story = [token for unit in units[first:] for token in unit]
    return Prompt(start + tuple(story[-room:]), first)


def _first_kept(lengths: Sequence[int], room: int) -> int:
    """The index of the first unit that is kept; the last one always is."""
    ends = [0, *accumulate(lengths)]
    first = 0
    for last in range(len(lengths)):
        if ends[last + 1] - ends[first] > room:
            while first < last and ends[last + 1] - ends[first] > KEPT * room:
                first += 1
    return first


def _memory_ids(encode: Callable[[str], Sequence[int]], memory: str) -> list[int]:
    memory = escape(memory.strip())
    return _ids(encode, memory + "\n\n") if memory else []


def _ids(encode: Callable[[str], Sequence[int]], text: str) -> list[int]:
    """Tokens of a piece that other text follows.

    GPT-2 splits "\\n\\nThe" into "\\n", "\\n", "The", but makes one token of a
    "\\n\\n" at the end of what it is given; so line ends there go in one by one.
    """
    body = text.rstrip("\n")
    return [*encode(body), *list(encode("\n")) * (len(text) - len(body))] if text else []
