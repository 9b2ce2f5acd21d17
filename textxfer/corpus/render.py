"""Playthrough <-> text: the one renderer of training and of serving.

The first passage, then for each turn the line ``> action`` and the prose that
answers it:

    You stand at the gate.          prose of turn 0     "You stand at the gate."

    > Open the gate                 action of turn 1    "\\n> Open the gate\\n"
    The hinge complains.            prose of turn 1     "The hinge complains."

A line of prose that looks like an action (``>`` after any number of
backslashes) gets one backslash more, so that ``parse`` gives the turns back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from textxfer.story import Playthrough, Turn

__all__ = [
    "Piece",
    "action_piece",
    "escape",
    "parse",
    "pieces",
    "pieces_of",
    "render",
    "render_turns",
    "unescape",
]

_LOOKS_LIKE_ACTION = re.compile(r"^(?=\\*>)", re.MULTILINE)
_ESCAPED = re.compile(r"^\\(?=\\*>)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of rendered text: the action or the prose of the turn numbered ``turn``."""

    text: str
    turn: int
    kind: Literal["action", "prose"]


def escape(prose: str) -> str:
    """Prose none of whose lines begins with ``>``."""
    return _LOOKS_LIKE_ACTION.sub(r"\\", prose)


def unescape(text: str) -> str:
    """The inverse of ``escape``."""
    return _ESCAPED.sub("", text)


def action_piece(action: str) -> str:
    """``"\\n> Open the gate\\n"``; white space within the action becomes single spaces."""
    return f"\n> {' '.join(action.split())}\n"


def pieces_of(turns: Sequence[Turn]) -> list[Piece]:
    """The turns' text piece by piece; joined, the pieces are ``render_turns(turns)``.

    Prose loses white space at both its ends; empty prose gives no piece. A turn
    without an action that follows other text begins a new paragraph.
    """
    found: list[Piece] = []
    for number, turn in enumerate(turns):
        prose = escape(turn.text.strip())
        if turn.action is not None:
            found.append(Piece(action_piece(turn.action), number, "action"))
        elif found and prose:
            prose = "\n\n" + prose
        if prose:
            found.append(Piece(prose, number, "prose"))
    return found


def pieces(playthrough: Playthrough) -> list[Piece]:
    """``pieces_of`` its turns."""
    return pieces_of(playthrough.turns)


def render_turns(turns: Sequence[Turn]) -> str:
    return "".join(piece.text for piece in pieces_of(turns))


def render(playthrough: Playthrough) -> str:
    return render_turns(playthrough.turns)


def parse(text: str) -> list[Turn]:
    """The turns of a rendered text; all come back scored.

    ``parse(render_turns(turns))`` gives the actions and the prose back with two
    exceptions, where the text holds no trace of the difference: a turn without
    an action is read as further paragraphs of the turn before it, and a turn
    without action and prose is gone.
    """
    turns: list[Turn] = []
    action: str | None = None
    lines: list[str] = []

    def close() -> None:
        prose = unescape("\n".join(lines).strip())
        if prose or action is not None:
            turns.append(Turn(action, prose))
        lines.clear()

    for line in text.split("\n"):
        if line.startswith(">"):
            close()
            action = line[1:].strip()
        else:
            lines.append(line)
    close()
    return turns
