from __future__ import annotations

import pytest

from serve.dialects.openai import chat_prompt
from serve.dialects.openai_format import Message
from serve.prompt import Line, Mode, action, build
from serve.worlds import World
from textxfer.corpus.render import render_turns
from textxfer.story import Turn


def letters(text: str) -> list[int]:
    """A tokenizer of one token a character, to count with."""
    return [ord(letter) for letter in text]


def seen(memory: str, beats: list[Line], context: int = 10_000, reserve: int = 0) -> str:
    return "".join(map(chr, build(letters, context, reserve, memory, beats).ids))


@pytest.mark.parametrize(
    ("mode", "typed", "line"),
    [
        ("do", "open the gate", "Open the gate"),
        ("do", "  Open \n the gate. ", "Open the gate."),
        ("do", "> open the gate", "Open the gate"),
        ("say", "who is there?", 'Say "who is there?"'),
        ("say", '"Who is there?"', 'Say "Who is there?"'),
        ("do", " ", ""),
        ("say", ' "" ', ""),
    ],
)
def test_actions_read_as_in_training(mode: Mode, typed: str, line: str) -> None:
    assert action(mode, typed) == line


def test_a_story_is_rendered_as_training_texts_are() -> None:
    opening = Line("opening", "", "You stand at the gate.")
    beats = [opening, Line("do", "Open the gate", "> is on it."), Line("do", "Go in")]
    turns = [Turn(None, "You stand at the gate."), Turn("Open the gate", "> is on it."), Turn("Go in", "")]
    assert seen("", beats) == render_turns(turns)


def test_what_the_player_writes_is_a_paragraph_that_goes_on() -> None:
    beats = [Line("opening", "", "A gate."), Line("story", "You knock and", " wait."), Line("continue", "", " Nobody")]
    assert seen("", beats) == "A gate.\n\nYou knock and wait. Nobody"


def test_memory_stands_before_the_story() -> None:
    assert seen("You are Ada.", [Line("opening", "", "A gate.")]) == "You are Ada.\n\nA gate."


def test_tokens_at_a_seam_are_those_of_the_whole_text(world: World) -> None:
    beats = [Line("opening", "", "A gate."), Line("story", "You knock.", ""), Line("continue", "", "\n\n")]
    ids = build(world.encode, 256, 0, "You are Ada.", beats).ids
    (end,) = world.encode("\n")
    assert len(world.encode("\n\n")) == 1  # but two where words follow, as in training
    assert world.encode("\n\nHe")[:2] == (end, end) == ids[-2:]


def story(turns: int) -> list[Line]:
    """An opening and turns of 100 characters each."""
    done = [Line("do", f"Step {n:04}", "x" * 87) for n in range(1, turns)]
    return [Line("opening", "", "o" * 100), *done]


def test_a_full_prompt_is_cut_by_whole_turns_down_to_sixty_percent() -> None:
    whole = build(letters, 1000, 0, "", story(10))
    full = build(letters, 1000, 0, "", story(11))
    assert (whole.dropped, len(whole.ids)) == (0, 1000)
    assert (full.dropped, len(full.ids)) == (5, 600)


def test_a_longer_story_is_cut_at_the_same_places() -> None:
    cuts = [build(letters, 1000, 0, "", story(n)).dropped for n in range(1, 24)]
    assert cuts == [0] * 10 + [5] * 5 + [10] * 5 + [15] * 3


def test_memory_and_the_reserve_take_their_room_from_the_story() -> None:
    prompt = build(letters, 1000, 80, "m" * 100, story(9))
    text = "".join(map(chr, prompt.ids))
    assert text.startswith("m" * 100 + "\n\n\n> Step 0005\n")
    assert (prompt.dropped, len(prompt.ids)) == (5, 102 + 400)


def test_memory_is_kept_up_to_half() -> None:
    assert len(build(letters, 1000, 0, "m" * 5000, story(30)).ids) <= 1000
    assert seen("m" * 5000, story(30), context=1000).count("m") == 500


def test_a_last_turn_that_is_too_long_keeps_its_end() -> None:
    beats = [Line("opening", "", "a" * 50), Line("story", "b" * 900 + "the end", "")]
    text = seen("", beats, context=100)
    assert len(text) == 100 and text.endswith("bthe end")


def test_a_chat_becomes_a_story(world: World) -> None:
    messages = [
        Message(role="system", content="You are Ada."),
        Message(role="assistant", content="A gate."),
        Message.model_validate({"role": "user", "content": [{"type": "text", "text": "open the gate"}]}),
        Message(role="assistant", content="It opens."),
        Message(role="user", content="Go in"),
    ]
    text = world.engine.decode(list(chat_prompt(world, messages, 16)))
    assert text == "You are Ada.\n\nA gate.\n> Open the gate\nIt opens.\n> Go in\n"
