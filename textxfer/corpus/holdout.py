"""Which passages of branching stories are held out, so that little is lost with them."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Sequence

from textxfer.corpus.clean import count_words
from textxfer.corpus.dedupe import near_duplicates
from textxfer.story import Story

__all__ = ["choose_passages"]

FEWEST_WORDS = 8  # in a passage that is worth predicting
OVERSHOOT = 1.25  # times the words wanted may be held out
# Rounds of the choice: how many words may be lost with a held-out word. First what costs nothing.
ROUNDS = (0.0, 0.5, 1.0, 2.0)

_Unit = list[tuple[str, str]]  # near-duplicate passages: (story id, passage id)


def choose_passages(stories: Sequence[Story], *, fraction: float, seed: int) -> dict[str, frozenset[str]]:
    """For each story's id the passages to hold out, about ``fraction`` of its words.

    Never a start; never a passage that cannot be reached through those that
    are left. Near-duplicates are held out together or not at all. Early and
    late passages come in turn, endings at most in proportion, and the words
    lost (only to be reached through held-out passages) are kept below the words
    held out. Where not one passage fits the fraction, the one that costs least
    is held out if that leaves three quarters of the words.
    """
    graphs = {story.id: _Graph(story) for story in stories}
    places = [(story.id, id) for story in stories for id in sorted(graphs[story.id].words)]
    texts = {story.id: {p.id: p.text for p in story.passages.values()} for story in stories}
    clusters = near_duplicates([texts[story][id] for story, id in places])
    units: dict[tuple[str, str], _Unit] = {}
    for cluster in clusters:
        unit = [places[index] for index in cluster]
        units.update(dict.fromkeys(unit, unit))
    draw = random.Random(seed)
    for graph in graphs.values():
        graph.choose(units, graphs, fraction, draw)
    return {id: frozenset(graph.held) for id, graph in graphs.items()}


class _Graph:
    """A story with what is held out of it so far."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.depth = _depths(story)  # over the passages that can be reached
        self.words = {id: count_words(story.passages[id].text) for id in self.depth}
        self.total = sum(self.words.values())
        self.endings = {id for id in self.depth if not story.passages[id].choices}
        self.held: set[str] = set()

    def cost(self, more: set[str]) -> int | None:
        """Words lost if ``more`` were held out, too; None where that cannot be."""
        held = self.held | more
        if self.story.start in held or any(self.words[id] < FEWEST_WORDS for id in more):
            return None
        open_ = self.story.reachable(frozenset(held))
        on_the_edge = {choice.to for id in open_ for choice in self.story.passages[id].choices}
        if not held <= on_the_edge:
            return None
        return self.total - self.size(open_ | held)

    def choose(
        self,
        units: dict[tuple[str, str], _Unit],
        graphs: dict[str, _Graph],
        fraction: float,
        draw: random.Random,
    ) -> None:
        wanted = fraction * self.total
        mean = self.total / max(1, len(self.words))
        share = len(self.endings) / len(self.words)
        most_endings = max(1, round(share * wanted / max(1.0, mean)))
        order = list(self._spread(draw))
        for rate in ROUNDS:
            for id in order:
                if self.size(self.held) >= 0.95 * wanted:
                    return
                unit = units[self.story.id, id]
                held = self.held | self.own(unit)
                fits = self.size(held) <= OVERSHOOT * wanted and len(held & self.endings) <= most_endings
                if id not in self.held and fits:
                    _hold_out(unit, graphs, rate)
        if not self.held:
            self._hold_out_the_cheapest(units, graphs)

    def _hold_out_the_cheapest(self, units: dict[tuple[str, str], _Unit], graphs: dict[str, _Graph]) -> None:
        prices = []
        for id in self.words:
            more = self.own(units[self.story.id, id])
            lost = self.cost(more)
            if lost is not None and lost + self.size(more) <= self.total / 4:
                prices.append((lost + self.size(more), id))
        for _, id in sorted(prices):
            if _hold_out(units[self.story.id, id], graphs, float("inf")):
                return

    def own(self, unit: _Unit) -> set[str]:
        """The unit's passages in this story."""
        return {passage for story, passage in unit if story == self.story.id}

    def size(self, passages: set[str]) -> int:
        """Words in them."""
        return sum(self.words[id] for id in passages)

    def _spread(self, draw: random.Random) -> Iterator[str]:
        """All passages in a drawn order that takes from four ranges of depth in turn."""
        by_depth = sorted(self.depth, key=lambda id: (self.depth[id], id))
        quarter = -(-len(by_depth) // 4)
        ranges = [by_depth[i : i + quarter] for i in range(0, len(by_depth), quarter)]
        for range_ in ranges:
            draw.shuffle(range_)
        for rank in range(quarter):
            draw.shuffle(ranges)  # or the last would come too late in a small story
            yield from (range_[rank] for range_ in ranges if rank < len(range_))


def _hold_out(unit: _Unit, graphs: dict[str, _Graph], rate: float) -> bool:
    """Holds the unit out of all its stories if no more than ``rate`` words a held-out word are lost."""
    touched = [graphs[id] for id in dict(unit)]
    for graph in touched:
        more = graph.own(unit)
        lost = graph.cost(more)
        if lost is None or lost > rate * graph.size(graph.held | more):
            return False
    for graph in touched:
        graph.held |= graph.own(unit)
    return True


def _depths(story: Story) -> dict[str, int]:
    """The fewest choices that lead to each passage that can be reached."""
    found, queue = {story.start: 0}, deque([story.start])
    while queue:
        here = queue.popleft()
        for choice in story.passages[here].choices:
            if choice.to not in found:
                found[choice.to] = found[here] + 1
                queue.append(choice.to)
    return found
