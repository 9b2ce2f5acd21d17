from __future__ import annotations

import pytest

from serve.tidy import is_whole, settled, whole_sentences


@pytest.mark.parametrize(
    ("prose", "kept"),
    [
        ("You go in. It is dark. You hear a", "You go in. It is dark."),
        ("It costs 3.5 gold and", "It costs 3.5 gold and"),  # a number is no sentence end, so all of it stays
        ("You ask. It costs 3.5 gold and", "You ask."),
        ("You ask. It costs 3.", "You ask."),  # 3.5 perhaps
        ("It was the year 1850. Then", "It was the year 1850."),
        ('"Stop!" he said, and', '"Stop!" he said, and'),
        ('He stops. "Who is there?" You', 'He stops. "Who is there?"'),
        ("You meet Mr. Pask and", "You meet Mr. Pask and"),
        ("You go on. You meet Mr. Pask", "You go on."),
        ("It was J. Pask", "It was J. Pask"),
        ("Is it so? “Yes.” The", "Is it so? “Yes.”"),
        ("One.\n\nTwo is", "One."),
        ("  no end at all ", "  no end at all"),
        ("", ""),
    ],
)
def test_prose_is_cut_at_its_last_sentence_end(prose: str, kept: str) -> None:
    assert whole_sentences(prose) == kept


@pytest.mark.parametrize(
    ("prose", "sure"),
    [("You go in. It", "You go in."), ("You go in.", ""), ("It costs 3. It", "It costs 3."), ("You", ""), ("", "")],
)
def test_what_is_settled_is_kept_whatever_follows(prose: str, sure: str) -> None:
    assert settled(prose) == sure


def test_a_settled_beginning_never_changes() -> None:
    text = 'He said "Stop!" he said. Mr. Pask pays 3.5 gold. "No," says J. Pask. And so on'
    for end in range(len(text) + 1):
        assert whole_sentences(text).startswith(settled(text[:end]))


def test_whole_says_whether_a_sentence_has_ended() -> None:
    assert [is_whole(p) for p in ("You go in. ", 'He says, "Go."', "You go", "Mr.", "")] == [
        True,
        True,
        False,
        False,
        False,
    ]
