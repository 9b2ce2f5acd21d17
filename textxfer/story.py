"""What a story is: a graph of passages, and one way through it.

Standard library only: scrapers, readers, trainers and servers all pass these
around, and none of them should have to import anything heavy to do so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Choice", "Passage", "Playthrough", "Source", "Story", "Turn"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a story came from, and under which terms."""

    url: str = ""
    title: str = ""
    author: str = ""
    licence: str = "unknown"
    fetched_at: str = ""  # ISO 8601, UTC
    sha256: str = ""  # of the bytes as they came


@dataclass(frozen=True, slots=True)
class Choice:
    """An action a reader can take, and the id of the passage it leads to."""

    text: str
    to: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of prose and the choices at its end; none: the story ends here."""

    id: str
    text: str
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class Story:
    """A graph of passages. A linear text is a story of one passage.

    Raises ValueError when ``start`` or the target of a choice names no passage.
    """

    id: str
    source: Source
    start: str
    passages: Mapping[str, Passage]
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.start not in self.passages:
            raise ValueError(f"story {self.id!r}: its start {self.start!r} names no passage")
        for passage in self.passages.values():
            for choice in passage.choices:
                if choice.to not in self.passages:
                    raise ValueError(
                        f"story {self.id!r}: the choice {choice.text!r} of {passage.id!r} leads to "
                        f"{choice.to!r}, which names no passage"
                    )

    @classmethod
    def linear(cls, id: str, text: str, source: Source | None = None) -> Story:
        """A story of one passage, ``text``."""
        return cls(id, source or Source(title=id), "start", {"start": Passage("start", text)})

    @property
    def is_linear(self) -> bool:
        """Whether it is a plain text: one passage, no choice."""
        return len(self.passages) == 1 and not self.passages[self.start].choices

    def edges(self) -> Iterator[tuple[str, Choice]]:
        """Every choice with the id of the passage that offers it."""
        for passage in self.passages.values():
            for choice in passage.choices:
                yield passage.id, choice

    def endings(self) -> list[str]:
        """Ids of the passages that offer no choice."""
        return [p.id for p in self.passages.values() if not p.choices]

    def reachable(self, without: frozenset[str] = frozenset()) -> set[str]:
        """Ids that a reader can reach from the start and never enter ``without``."""
        if self.start in without:
            return set()
        seen, queue = {self.start}, deque([self.start])
        while queue:
            for choice in self.passages[queue.popleft()].choices:
                if choice.to not in seen and choice.to not in without:
                    seen.add(choice.to)
                    queue.append(choice.to)
        return seen

    def to_json(self) -> dict[str, Any]:
        """As plain lists and dicts; ``Story.from_json`` reads it back."""
        source = {name: getattr(self.source, name) for name in Source.__slots__}
        return {
            "id": self.id,
            "source": source,
            "start": self.start,
            "tags": list(self.tags),
            "passages": [
                {
                    "id": p.id,
                    "text": p.text,
                    "choices": [{"text": c.text, "to": c.to} for c in p.choices],
                }
                for p in self.passages.values()
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Story:
        """Raises KeyError, TypeError or ValueError where ``data`` is no story."""
        passages = {
            str(p["id"]): Passage(
                str(p["id"]),
                str(p["text"]),
                tuple(Choice(str(c["text"]), str(c["to"])) for c in p.get("choices", ())),
            )
            for p in data["passages"]
        }
        given = data.get("source") or {}
        source = Source(**{k: str(v) for k, v in given.items() if k in Source.__slots__})
        tags = tuple(str(t) for t in data.get("tags", ()))
        return cls(str(data["id"]), source, str(data["start"]), passages, tags)


@dataclass(frozen=True, slots=True)
class Turn:
    """An action and the prose that answers it.

    ``action`` is None where prose goes on without one (an opening, a plain
    text). ``scored`` says whether the prose counts in the loss; where it does
    not, the turn is only context.
    """

    action: str | None
    text: str
    scored: bool = True


@dataclass(frozen=True, slots=True)
class Playthrough:
    """One way through a story: the ids of its passages and what was read.

    ``ends`` says whether the story is over after the last turn: only then is
    it followed by the end-of-text token.
    """

    story_id: str
    path: tuple[str, ...]
    turns: tuple[Turn, ...] = field(default=())
    ends: bool = True
