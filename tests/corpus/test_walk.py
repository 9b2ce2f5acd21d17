from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import linprog

from textxfer.corpus.walk import covering_walks, walk_to
from textxfer.errors import CorpusError
from textxfer.story import Choice, Passage, Playthrough, Source, Story, Turn

Graph = Callable[..., Story]
Ways = Callable[..., dict[str, list[str]]]


def taken(walks: list[Playthrough], *, scored: bool = True) -> Counter[tuple[str, str | None, str]]:
    """How often each choice is taken in turns that are scored, or in those that are not."""
    return Counter(
        (walk.path[n - 1], turn.action, walk.path[n])
        for walk in walks
        for n, turn in enumerate(walk.turns)
        if n and turn.scored is scored
    )


def choices(story: Story, without: frozenset[str] = frozenset()) -> Counter[tuple[str, str | None, str]]:
    reach = story.reachable(without)
    return Counter((at, c.text, c.to) for at, c in story.edges() if at in reach and c.to not in without)


def test_a_walk_is_what_a_player_types_and_reads() -> None:
    passages = {
        "gate": Passage("gate", "A gate.", (Choice("*Open\n the gate*", "yard"),)),
        "yard": Passage("yard", "Cobbles."),
    }
    story = Story("s", Source(), "gate", passages)
    assert covering_walks(story, seed=0) == [
        Playthrough("s", ("gate", "yard"), (Turn(None, "A gate."), Turn("Open the gate", "Cobbles.")), True)
    ]


def test_a_plain_text_is_one_turn() -> None:
    story = Story.linear("s", "Once.")
    assert covering_walks(story, seed=0) == [Playthrough("s", ("start",), (Turn(None, "Once."),), True)]


def test_later_passes_are_context(graph: Graph) -> None:
    story = graph({"a": ["b"], "b": ["c", "d"], "c": [], "d": []})
    walks = covering_walks(story, seed=0)
    assert [[turn.scored for turn in walk.turns] for walk in walks] == [
        [True, True, True],
        [False, False, True],
    ]
    assert sorted(walk.path for walk in walks) == [("a", "b", "c"), ("a", "b", "d")]


@pytest.mark.parametrize("back", [0.0, 0.4])
@pytest.mark.parametrize("seed", range(6))
def test_every_choice_is_scored_exactly_once(graph: Graph, random_ways: Ways, seed: int, back: float) -> None:
    story = graph(random_ways(40, 30, seed=seed, back=back))
    walks = covering_walks(story, seed=seed)
    assert taken(walks) == Counter(dict.fromkeys(choices(story), 1))
    assert [walk.turns[0].scored for walk in walks] == [True] + [False] * (len(walks) - 1)
    for walk in walks:
        assert walk.turns[-1].scored  # no context that nothing follows
        assert walk.path[0] == story.start
        assert walk.ends == (not story.passages[walk.path[-1]].choices)
        assert [turn.text for turn in walk.turns] == [story.passages[id].text for id in walk.path]


def test_what_is_left_out_is_never_entered(graph: Graph, random_ways: Ways) -> None:
    story = graph(random_ways(60, 40, seed=1))
    without = frozenset({"p7", "p20", "p33"})
    walks = covering_walks(story, seed=0, without=without)
    assert without.isdisjoint(id for walk in walks for id in walk.path)
    assert taken(walks) == Counter(dict.fromkeys(choices(story, without), 1))


def test_a_passage_whose_ways_on_are_left_out_is_no_ending(graph: Graph) -> None:
    story = graph({"a": ["b"], "b": ["c"], "c": []})
    [walk] = covering_walks(story, seed=0, without=frozenset({"c"}))
    assert (walk.path, walk.ends) == (("a", "b"), False)
    with pytest.raises(CorpusError, match="The start of the story 'made' is left out"):
        covering_walks(story, seed=0, without=frozenset({"a"}))


def test_loops_end(graph: Graph) -> None:
    story = graph({"a": ["b", "a"], "b": ["a", "b"]})
    [walk] = covering_walks(story, seed=3)
    assert len(walk.turns) == 5
    assert not walk.ends


def test_a_new_walk_begins_where_that_is_the_shorter_way(graph: Graph) -> None:
    # three doors into one cave, and a long way out of it: nobody goes round it twice for a door
    ways = {
        "a": ["x", "y", "z"],
        "y": ["x"],
        "z": ["x"],
        "x": ["r1"],
        "r1": ["r2"],
        "r2": ["r3"],
        "r3": ["a"],
    }
    walks = covering_walks(graph(ways), seed=0)
    assert len(walks) == 2
    assert walks[1].path[0] == "a" and len(walks[1].path) <= 3


def test_the_seed_decides(graph: Graph, random_ways: Ways) -> None:
    story = graph(random_ways(40, 30, seed=0))
    assert covering_walks(story, seed=1) == covering_walks(story, seed=1)
    assert covering_walks(story, seed=1) != covering_walks(story, seed=2)


def fewest_turns(story: Story) -> float:
    """A bound from below: the least flow from the start that takes every choice, openings included."""
    edges, ids = list(story.edges()), list(story.passages)
    net = np.zeros((len(ids), len(edges)))  # what leaves a passage less what comes to it
    for column, (at, choice) in enumerate(edges):
        net[ids.index(at), column] += 1
        net[ids.index(choice.to), column] -= 1
    start = ids.index(story.start)
    elsewhere = np.delete(net, start, axis=0)
    # a turn for each choice taken, and one for each walk that leaves the start
    solved = linprog(1 + net[start], A_ub=elsewhere, b_ub=np.zeros(len(ids) - 1), bounds=(1, None))
    return float(solved.fun)


@pytest.mark.parametrize(("passages", "extra", "back"), [(20, 10, 0.0), (100, 80, 0.0), (100, 80, 0.3)])
def test_walks_are_not_much_longer_than_they_must_be(
    graph: Graph, random_ways: Ways, passages: int, extra: int, back: float
) -> None:
    for seed in range(4):
        story = graph(random_ways(passages, extra, seed=seed, back=back))
        turns = sum(len(walk.turns) for walk in covering_walks(story, seed=seed))
        assert turns <= 1.25 * fewest_turns(story)


def test_the_way_to_a_passage_is_the_shortest_open_one(graph: Graph) -> None:
    story = graph({"a": ["b", "c"], "b": ["e"], "c": ["d"], "d": ["e"], "e": []})
    way = walk_to(story, "e")
    assert (way.path, [t.scored for t in way.turns], way.ends) == (
        ("a", "b", "e"),
        [False, False, True],
        True,
    )
    around = walk_to(story, "e", without=frozenset({"b", "e"}))
    assert (around.path, around.turns[1].action) == (("a", "c", "d", "e"), "Go 1 to c")
    assert walk_to(story, "a").turns == (Turn(None, story.passages["a"].text, True),)
    with pytest.raises(CorpusError, match="In the story 'made' no open way leads from the start to 'e'"):
        walk_to(story, "e", without=frozenset({"b", "d"}))
