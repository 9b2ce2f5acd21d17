"""Prose as people want to read it: whole sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator

# What ends a sentence: a mark, quotes or brackets that close it, then a space or
# the end. A small letter behind it says that the sentence goes on ('"Stop!" he said').
END = re.compile(r"[.!?…][\"'”’»)\]*_]*(?=\s+(?![a-z\s])|\s*$)")
TITLES = re.compile(r"(?:^|[\s\"'“‘(])(?:Mr|Mrs|Ms|Dr|St|Messrs|Mme|Mlle|Capt|Col|Gen|Lt|Sgt|Rev|[A-HJ-Z])\.$")
NUMBER = re.compile(r"\d\.$")


def whole_sentences(prose: str) -> str:
    """``prose`` up to its last sentence end; all of it where it has none.

    A full stop after a title (Mr.) or an initial ends nothing; neither does one
    behind a digit at the very end, for "3." may be on its way to "3.5".
    """
    prose = prose.rstrip()
    for end in _ends(prose):
        if end < len(prose) or not NUMBER.search(prose):
            return prose[:end]
    return prose


def settled(prose: str) -> str:
    """The beginning of ``prose`` that ``whole_sentences`` keeps whatever follows.

    A program that cannot take back what it printed prints this much.
    """
    prose = prose.rstrip()
    return next((prose[:end] for end in _ends(prose) if end < len(prose)), "")


def is_whole(prose: str) -> bool:
    """Whether ``prose`` ends where a sentence ends."""
    prose = prose.rstrip()
    return next(_ends(prose), -1) == len(prose)


def _ends(prose: str) -> Iterator[int]:
    """Where sentences end, the last first."""
    for match in reversed(list(END.finditer(prose))):
        if not TITLES.search(prose[: match.end()]):
            yield match.end()
