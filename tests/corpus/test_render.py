from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textxfer.corpus.render import (
    Piece,
    action_piece,
    escape,
    parse,
    pieces,
    pieces_of,
    render,
    render_turns,
    unescape,
)
from textxfer.story import Playthrough, Turn

GATE = Playthrough(
    "gate",
    ("gate", "yard"),
    (Turn(None, "You stand at the gate."), Turn("Open the gate", "The hinge complains.")),
)


def test_a_playthrough_is_its_first_passage_then_action_and_prose() -> None:
    assert render(GATE) == "You stand at the gate.\n> Open the gate\nThe hinge complains."


def test_pieces_name_their_turn_and_their_kind() -> None:
    assert pieces(GATE) == [
        Piece("You stand at the gate.", 0, "prose"),
        Piece("\n> Open the gate\n", 1, "action"),
        Piece("The hinge complains.", 1, "prose"),
    ]


def test_a_later_turn_without_an_action_begins_a_paragraph() -> None:
    turns = [Turn(None, "One."), Turn(None, "Two."), Turn("go", ""), Turn(None, "Three.")]
    assert render_turns(turns) == "One.\n\nTwo.\n> go\n\n\nThree."
    assert parse(render_turns(turns)) == [Turn(None, "One.\n\nTwo."), Turn("go", "Three.")]


@pytest.mark.parametrize(
    ("action", "piece"),
    [("Open the gate", "\n> Open the gate\n"), (" say\t\nhello ", "\n> say hello\n"), ("", "\n> \n")],
)
def test_an_action_is_one_line(action: str, piece: str) -> None:
    assert action_piece(action) == piece


def test_prose_that_looks_like_an_action_is_escaped() -> None:
    prose = "> quoted\n\\> escaped\nfive > four\n\\n"
    assert escape(prose) == "\\> quoted\n\\\\> escaped\nfive > four\n\\n"
    assert unescape(escape(prose)) == prose


def test_a_story_cut_at_a_turn_begins_with_its_action() -> None:
    assert parse("\n> look\nNothing.") == [Turn("look", "Nothing.")]
    assert parse("> look\nNothing.") == [Turn("look", "Nothing.")]
    assert parse("") == []


TEXT = st.text(st.sampled_from("a>\\ \n\té") | st.characters(codec="utf-8"), max_size=30)
TURNS = st.lists(st.builds(Turn, action=TEXT, text=TEXT), max_size=5)


@given(opening=TEXT.filter(str.strip), later=TURNS)
def test_parse_gives_the_turns_back(opening: str, later: list[Turn]) -> None:
    turns = [Turn(None, opening), *later]
    normal = [Turn(t.action and " ".join(t.action.split()), t.text.strip()) for t in turns]
    assert parse(render_turns(turns)) == normal


@given(TURNS)
def test_the_pieces_joined_are_the_text(turns: list[Turn]) -> None:
    assert "".join(piece.text for piece in pieces_of(turns)) == render_turns(turns)
    assert all(p.text.startswith("\n> ") == (p.kind == "action") for p in pieces_of(turns))
