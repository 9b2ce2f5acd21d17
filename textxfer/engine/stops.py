"""Stop strings that may lie across token borders."""

from __future__ import annotations

from collections.abc import Sequence


class StopBuffer:
    """Holds back text that could be the beginning of a stop string.

    The text ends at the stop string that is complete first, wherever the
    borders of the pieces lie; of several complete at the same character, at the
    one that begins first.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""

    def push(self, piece: str) -> tuple[str, bool]:
        """The text that is settled now, and whether a stop string was found after it."""
        text = self._held + piece
        found = [(start + len(stop), start) for stop in self._stops if (start := text.find(stop)) >= 0]
        if found:
            self._held = ""
            return text[: min(found)[1]], True
        kept = len(text) - self._begun(text)
        self._held = text[kept:]
        return text[:kept], False

    def rest(self) -> str:
        """What is held back, for when nothing more comes; the buffer is empty afterwards."""
        held, self._held = self._held, ""
        return held

    def _begun(self, text: str) -> int:
        """Characters of the longest end of ``text`` that begins a stop string."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for length in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-length:]) for stop in self._stops):
                return length
        return 0
