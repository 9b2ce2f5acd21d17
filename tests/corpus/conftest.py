"""Made stories: every word is drawn, so that nothing repeats by chance."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from textxfer.story import Choice, Passage, Source, Story

StoryMaker = Callable[..., Story]


def _prose(draw: random.Random, words: int) -> str:
    return " ".join("".join(draw.choices("abcdefghijklmnop", k=6)) for _ in range(words))


@pytest.fixture
def graph() -> StoryMaker:
    """graph({"a": ["b", "c"], "b": [], "c": []}, words=30): a story that starts at the first key."""

    def make(ways: dict[str, Sequence[str]], *, id: str = "made", words: int = 30, seed: int = 0) -> Story:
        draw = random.Random(f"{id} {seed}")
        passages = {
            name: Passage(
                name,
                _prose(draw, words),
                tuple(Choice(f"Go {number} to {to}", to) for number, to in enumerate(targets)),
            )
            for name, targets in ways.items()
        }
        return Story(id, Source(title=id), next(iter(ways)), passages)

    return make


@pytest.fixture
def random_ways() -> Callable[..., dict[str, list[str]]]:
    """A connected graph of ``passages`` and ``extra`` more choices; a ``back`` share of those lead back."""

    def make(passages: int, extra: int, *, seed: int, back: float = 0.2) -> dict[str, list[str]]:
        draw = random.Random(seed)
        ways: dict[str, list[str]] = {f"p{i}": [] for i in range(passages)}
        for i in range(1, passages):
            ways[f"p{draw.randrange(max(0, i - 8), i)}"].append(f"p{i}")
        for _ in range(extra):
            low, high = sorted(draw.sample(range(passages), 2))
            high = min(high, low + 20)
            at, to = (high, low) if draw.random() < back else (low, high)
            ways[f"p{at}"].append(f"p{to}")
        return ways

    return make
