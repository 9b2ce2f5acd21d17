from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from textxfer.corpus.clean import count_words
from textxfer.corpus.read import Rejected
from textxfer.corpus.render import render
from textxfer.corpus.split import Split, split
from textxfer.errors import CorpusError
from textxfer.story import Source, Story

Graph = Callable[..., Story]
Ways = Callable[..., dict[str, list[str]]]


@pytest.fixture
def maze(graph: Graph, random_ways: Ways) -> Story:
    return graph(random_ways(80, 60, seed=4), id="maze", words=30)


def held_passages(found: Split, story: Story) -> set[str]:
    return {id.removeprefix(f"{story.id}#") for id in found.held_out if id.startswith(f"{story.id}#")}


def runs(text: str, length: int = 8) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}


def test_training_never_sees_what_is_held_out(maze: Story) -> None:
    found = split([maze])
    held = held_passages(found, maze)
    assert found.method == "passages"
    assert held.isdisjoint(id for walk in found.train for id in walk.path)
    trained = set().union(*(runs(render(walk)) for walk in found.train))
    for id in held:
        assert trained & runs(maze.passages[id].text) == set()
    actions = {turn.action for walk in found.train for turn in walk.turns}
    assert actions.isdisjoint(choice.text for _, choice in maze.edges() if choice.to in held)


def test_each_held_out_passage_is_scored_once_after_context_that_was_trained_on(maze: Story) -> None:
    found = split([maze])
    trained = {id for walk in found.train for id in walk.path}
    scored = [walk.path[n] for walk in found.validation for n, turn in enumerate(walk.turns) if turn.scored]
    assert Counter(scored) == Counter(held_passages(found, maze))
    for walk in found.validation:
        assert [turn.scored for turn in walk.turns] == [False] * (len(walk.turns) - 1) + [True]
        assert set(walk.path[:-1]) <= trained


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.2])
def test_about_the_fraction_is_held_out_and_little_is_lost(maze: Story, fraction: float) -> None:
    found = split([maze], fraction=fraction)
    assert found.passages_held_out == round(80 * fraction)  # all are of one length here
    assert found.passages_lost <= 1
    assert found.passages == 80 == found.passages_trained + found.passages_held_out + found.passages_lost
    endings = held_passages(found, maze) & set(maze.endings())
    assert len(endings) / found.passages_held_out <= len(maze.endings()) / 80 + 1 / found.passages_held_out


def test_a_passage_far_longer_than_the_fraction_stays_in_training(graph: Graph) -> None:
    story = graph({"hall": [f"room{n}" for n in range(20)]} | {f"room{n}": [] for n in range(20)})
    long = replace(story.passages["room7"], text=" ".join(f"w{i}" for i in range(300)))
    story = replace(story, passages={**story.passages, "room7": long})
    for seed in range(40):
        assert "made#room7" not in split([story], seed=seed).held_out


def test_held_out_passages_lie_early_and_late(maze: Story) -> None:
    from textxfer.corpus.walk import walk_to

    found = split([maze], fraction=0.2)
    depth = {id: len(walk_to(maze, id).path) for id in maze.passages}
    middle = sorted(depth.values())[40]
    deep = sum(depth[id] > middle for id in held_passages(found, maze))
    assert 4 <= deep <= found.passages_held_out - 4


def test_what_only_held_out_passages_lead_to_is_dropped_with_its_reason(graph: Graph) -> None:
    # every way leads through one of ten halls, each with one cellar: halls cannot go without theirs
    halls = [f"hall{n}" for n in range(10)]
    ways = {"start": halls} | {h: [f"cellar of {h}"] for h in halls} | {f"cellar of {h}": [] for h in halls}
    story = graph(ways, words=40)
    found = split([story], fraction=0.3)
    held = held_passages(found, story)
    lost = {f"cellar of {h}" for h in halls if h in held} - held
    assert lost  # endings are not held out out of proportion, so some halls are
    assert found.dropped == [
        Rejected(f"made#{id}", "can only be reached through held-out passages") for id in sorted(lost)
    ]
    assert found.passages_lost == len(lost) <= len(held)


def test_the_seed_decides(maze: Story) -> None:
    assert split([maze], seed=1) == split([maze], seed=1)
    assert split([maze], seed=1).held_out != split([maze], seed=2).held_out


def test_near_duplicates_are_on_one_side(graph: Graph) -> None:
    # twelve rooms off a hall, each with a twin in the other story that says the same but for one word
    ways = {"hall": [f"room{n}" for n in range(12)]} | {f"room{n}": [] for n in range(12)}
    one = graph(ways, id="one", words=80)
    passages = {id: replace(p, text=p.text.rsplit(" ", 1)[0] + " other") for id, p in one.passages.items()}
    passages["hall"] = replace(passages["hall"], text="A hall.")
    other = Story("other", Source(), "hall", passages)
    found = split([one, other], fraction=0.2)
    assert held_passages(found, one) == held_passages(found, other) != set()


def test_a_single_small_story_holds_out_one_passage(graph: Graph) -> None:
    found = split([graph({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}, words=80)])
    assert found.passages_held_out == 1
    assert found.passages_lost == 0


# -- plain texts


def paragraphs(count: int, id: str = "book") -> Story:
    """Paragraphs of ten sentences of five words."""
    text = "\n\n".join(" ".join(f"{id}{n}w{i}" + "." * (i % 5 == 4) for i in range(50)) for n in range(count))
    return Story.linear(id, text)


def test_the_tail_of_a_plain_text_is_held_out_at_a_paragraph() -> None:
    book = paragraphs(40)
    found = split([book])
    [train], [validation] = found.train, found.validation
    text = book.passages["start"].text
    head, tail = train.turns[0].text, validation.turns[1].text
    assert f"{head}\n\n{tail}" == text
    assert tail.split()[0] == "book36w0"
    assert (train.ends, validation.ends) == (False, True)
    assert [(t.action, t.scored) for t in validation.turns] == [(None, False), (None, True)]
    context = validation.turns[0].text
    assert head.endswith(context) and 7900 < len(context) <= 8000 and context.startswith("book")
    assert found.held_out == ("book#tail",)


@pytest.mark.parametrize(
    ("text", "tail_begins"),
    [
        ("One two three four five six seven. " * 57, "One"),  # 399 words in one paragraph: between sentences
        ("word " * 400, "word"),  # no sentence either: between words
    ],
)
def test_a_text_without_paragraphs_is_cut_elsewhere(text: str, tail_begins: str) -> None:
    found = split([Story.linear("s", text)])
    tail = found.validation[0].turns[1].text
    assert tail.split()[0] == tail_begins
    assert 35 <= count_words(tail) <= 45


def test_a_short_text_among_others_is_trained_on_whole() -> None:
    short = paragraphs(1, "short")
    found = split([paragraphs(20), short])
    assert found.train[1].turns[0].text == short.passages["start"].text
    assert found.train[1].ends
    assert found.held_out == ("book#tail",)


# -- whole stories


def test_from_twenty_stories_on_whole_ones_are_held_out(graph: Graph, random_ways: Ways) -> None:
    stories = [graph(random_ways(10, 5, seed=n), id=f"s{n}") for n in range(20)]
    found = split(stories, fraction=0.2)
    assert found.method == "stories"
    assert len(found.held_out) == 4
    assert {walk.story_id for walk in found.validation} == set(found.held_out)
    assert {walk.story_id for walk in found.train} == {s.id for s in stories} - set(found.held_out)
    assert (found.passages, found.passages_trained, found.passages_held_out) == (200, 160, 40)
    openings = [walk for walk in found.validation if walk.turns[0].scored]
    assert {walk.story_id for walk in openings} == set(found.held_out)


def test_a_story_with_most_of_the_words_is_not_held_out() -> None:
    stories = [paragraphs(400, "long"), *(paragraphs(1, f"s{n}") for n in range(20))]
    for seed in range(10):
        assert "long" not in split(stories, seed=seed).held_out


def test_named_stories_are_held_out() -> None:
    stories = [paragraphs(5, "gate"), paragraphs(5, "tide"), paragraphs(5, "mule")]
    stories[1] = replace(stories[1], source=Source(title="The Owing TIDE", author="A. Pask"))
    for pattern in ("owing", "pask", "Tide"):
        found = split(stories, holdout=[pattern])
        assert (found.method, found.held_out) == ("named", ("tide",))
        assert [walk.story_id for walk in found.train] == ["gate", "mule"]
    assert split(stories, holdout=["tide", "gate"]).held_out == ("gate", "tide")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"holdout": ["gat"]}, None),
        ({"holdout": ["yard"]}, "There is no story to hold out 'yard'. Known: gate, tide."),
        (
            {"holdout": ["tidy"]},
            "There is no story to hold out 'tidy'. Did you mean 'tide'? Known: gate, tide.",
        ),
        ({"holdout": [" "]}, "There is no story to hold out ' '. Known: gate, tide."),
        (
            {"holdout": ["gate", "ti"]},
            "The stories to hold out (gate, ti) are all 2 there are; leave at least one to train on.",
        ),
        ({"fraction": 0.0}, "The fraction to hold out is 0.0; it must lie above 0 and at most at 0.5."),
        ({"fraction": 0.6}, "The fraction to hold out is 0.6; it must lie above 0 and at most at 0.5."),
    ],
)
def test_options_that_cannot_be_followed(options: dict[str, object], message: str | None) -> None:
    stories = [paragraphs(5, "gate"), paragraphs(5, "tide")]
    if message is None:
        assert split(stories, **options).held_out == ("gate",)  # type: ignore[arg-type]
        return
    with pytest.raises(CorpusError) as error:
        split(stories, **options)  # type: ignore[arg-type]
    assert str(error.value) == message


def test_a_corpus_too_small_to_split_says_so(graph: Graph) -> None:
    with pytest.raises(CorpusError) as error:
        split([paragraphs(5)])
    assert str(error.value) == (
        "The corpus has 250 words; at least 300 are needed to train on some and hold out others."
    )
    with pytest.raises(CorpusError, match="Nothing can be held out of the 1 stories that came"):
        split([graph({"a": ["b"], "b": ["a"]}, words=200)])
