"""What is trained on and what is held out, so that neither side tells the other's secrets."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from textxfer.corpus.clean import count_words
from textxfer.corpus.holdout import choose_passages
from textxfer.corpus.read import Rejected
from textxfer.corpus.walk import covering_walks, walk_to
from textxfer.errors import CorpusError, unknown
from textxfer.story import Playthrough, Story, Turn

__all__ = ["Split", "split"]

FEWEST_WORDS = 300  # in a corpus that is to be split
FEWEST_STORIES = 20  # from here on whole stories are held out
FEWEST_LINEAR_WORDS = 100  # in a plain text whose tail is to be held out
CONTEXT = 8_000  # characters of a plain text that lead up to its held-out tail


@dataclass(frozen=True, slots=True)
class Split:
    """Playthroughs of both sides, what was dropped on the way, and the figures.

    method: "named" or "stories" (whole stories are held out), "passages"
    (passages of branching stories, the tails of plain texts). held_out: ids of
    stories, or ``story#passage``, or ``story#tail``. The counts are passages in
    all, those that are trained on, held out, and lost because they can only be
    reached through held-out ones; a plain text counts on both sides when its
    tail is held out.
    """

    train: list[Playthrough]
    validation: list[Playthrough]
    dropped: list[Rejected]
    held_out: tuple[str, ...]
    method: str
    passages: int
    passages_trained: int
    passages_held_out: int
    passages_lost: int


@dataclass(slots=True)
class _Sides:
    """A Split in the making."""

    train: list[Playthrough] = field(default_factory=list)
    validation: list[Playthrough] = field(default_factory=list)
    dropped: list[Rejected] = field(default_factory=list)
    held_out: list[str] = field(default_factory=list)
    trained: int = 0
    held: int = 0
    lost: int = 0


def split(stories: Sequence[Story], *, fraction: float = 0.1, seed: int = 0, holdout: Sequence[str] = ()) -> Split:
    """Holds out about ``fraction`` of the words, the same ones for the same seed.

    holdout: parts of ids, titles or authors (case aside); the stories that
    match are held out whole. Without it whole stories are held out where there
    are at least 20; else, in each story, passages chosen so that training keeps
    its way through the rest, or the tail of a plain text.

    Training never enters a held-out passage. Passages that are near-duplicates
    of each other are on one side. A held-out passage is validated once, at the
    end of the shortest way there through passages that are trained on; those
    are its context and are not scored.

    Raises CorpusError when ``fraction`` is not in (0, 0.5], a pattern of
    ``holdout`` matches nothing or all patterns everything, or the corpus is too small.
    """
    if not 0 < fraction <= 0.5:
        raise CorpusError(f"The fraction to hold out is {fraction}; it must lie above 0 and at most at 0.5.")
    words = sum(map(_words, stories))
    if words < FEWEST_WORDS:
        raise CorpusError(
            f"The corpus has {words} words; at least {FEWEST_WORDS} are needed to train on some and hold out others."
        )
    if holdout:
        method, sides = "named", _whole(stories, _named(stories, holdout), seed)
    elif len(stories) >= FEWEST_STORIES:
        method, sides = "stories", _whole(stories, _drawn(stories, fraction, seed), seed)
    else:
        method, sides = "passages", _parts(stories, fraction, seed)
    return Split(
        train=sides.train,
        validation=sides.validation,
        dropped=sides.dropped,
        held_out=tuple(sides.held_out),
        method=method,
        passages=sum(len(story.reachable()) for story in stories),
        passages_trained=sides.trained,
        passages_held_out=sides.held,
        passages_lost=sides.lost,
    )


def _words(story: Story) -> int:
    return sum(count_words(story.passages[id].text) for id in story.reachable())


def _named(stories: Sequence[Story], patterns: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for pattern in patterns:
        part = pattern.strip().casefold()
        matches = {
            s.id
            for s in stories
            if part and any(part in name.casefold() for name in (s.id, s.source.title, s.source.author))
        }
        if not matches:
            raise CorpusError(unknown("story to hold out", pattern, (s.id for s in stories)))
        found |= matches
    if len(found) == len(stories):
        raise CorpusError(
            f"The stories to hold out ({', '.join(patterns)}) are all {len(stories)} there are; "
            f"leave at least one to train on."
        )
    return found


def _drawn(stories: Sequence[Story], fraction: float, seed: int) -> set[str]:
    """Ids of stories with together about ``fraction`` of the words, and never much more."""
    words = {story.id: _words(story) for story in stories}
    wanted = fraction * sum(words.values())
    order = sorted(words)
    random.Random(seed).shuffle(order)
    found: set[str] = set()
    for id in order:
        if sum(words[i] for i in found) + words[id] <= 1.1 * wanted:
            found.add(id)
    return found or {min(order, key=lambda id: words[id])}


def _whole(stories: Sequence[Story], held: set[str], seed: int) -> _Sides:
    sides = _Sides(held_out=sorted(held))
    for story in stories:
        walks, passages = covering_walks(story, seed=seed), len(story.reachable())
        if story.id in held:
            sides.validation += walks
            sides.held += passages
        else:
            sides.train += walks
            sides.trained += passages
    return sides


def _parts(stories: Sequence[Story], fraction: float, seed: int) -> _Sides:
    sides = _Sides()
    held = choose_passages([s for s in stories if not s.is_linear], fraction=fraction, seed=seed)
    for story in stories:
        if story.is_linear:
            _hold_out_tail(story, fraction, sides)
        else:
            _hold_out_passages(story, held[story.id], seed, sides)
    if not sides.validation:
        raise CorpusError(
            f"Nothing can be held out of the {len(stories)} stories that came: a branching story needs a "
            f"passage that is not its only way on, a plain text {FEWEST_LINEAR_WORDS} words; add stories."
        )
    return sides


def _hold_out_passages(story: Story, held: frozenset[str], seed: int, sides: _Sides) -> None:
    trained = story.reachable(held)
    lost = story.reachable() - trained - held
    sides.train += covering_walks(story, seed=seed, without=held)
    sides.validation += [walk_to(story, id, without=held) for id in sorted(held)]
    sides.held_out += [f"{story.id}#{id}" for id in sorted(held)]
    sides.trained += len(trained)
    sides.held += len(held)
    sides.lost += len(lost)
    sides.dropped += [
        Rejected(f"{story.id}#{id}", "can only be reached through held-out passages") for id in sorted(lost)
    ]


def _hold_out_tail(story: Story, fraction: float, sides: _Sides) -> None:
    text = story.passages[story.start].text
    path = (story.start,)
    sides.trained += 1
    if count_words(text) < FEWEST_LINEAR_WORDS:
        sides.train.append(Playthrough(story.id, path, (Turn(None, text),)))
        return
    cut = _cut(text, fraction)
    head, tail = text[:cut].rstrip(), text[cut:].lstrip()
    context = head[-CONTEXT:]
    if len(context) < len(head):
        context = context.split(maxsplit=1)[-1]  # not from within a word
    sides.train.append(Playthrough(story.id, path, (Turn(None, head),), ends=False))
    sides.validation.append(Playthrough(story.id, path, (Turn(None, context, False), Turn(None, tail))))
    sides.held_out.append(f"{story.id}#tail")
    sides.held += 1


def _cut(text: str, fraction: float) -> int:
    """Where the tail begins: between paragraphs, else sentences, else words, near the fraction."""
    wanted = len(text) * (1 - fraction)
    low, high = len(text) * (1 - 2 * fraction), len(text) * (1 - fraction / 2)
    for boundary in (r"\n\n+", r"(?<=[.!?])[\"'”’)]*\s+", r"\s+"):
        places: Iterable[int] = (match.end() for match in re.finditer(boundary, text))
        near = [place for place in places if low <= place <= high]
        if near:
            return min(near, key=lambda place: abs(place - wanted))
    return round(wanted)  # one word as long as a book
