from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textxfer.corpus.clean import clean, clean_line, count_words, drop_reason, straighten
from textxfer.story import Story


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a \t b\u00a0c  \n\n\n\n d ", "a b c\n\nd"),
        ("“Don’t—” she said… é", "“Don’t—” she said… é"),
        ("soft\u00adhyphen zero\u200bwidth \ufeffmark", "softhyphen zerowidth mark"),
        ("a\u200db می\u200cخواهم", "ab می\u200cخواهم"),
        ("The Mona Lisa doesnâ€™t", "The Mona Lisa doesn’t"),
        ("salt &amp; water", "salt & water"),
        ("ＡＢ", "ＡＢ"),
        ("one\r\ntwo\u2028three\x01", "one\ntwo\nthree"),
    ],
)
def test_clean(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@given(st.text(st.sampled_from(" \t\n\r\u00a0\u200bab")))
def test_cleaned_white_space_stays_as_it_is(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert "\n\n\n" not in once and "  " not in once


def test_clean_line_is_one_line() -> None:
    assert clean_line(" The\n\nGate\u00ad ") == "The Gate"


def test_straighten() -> None:
    assert straighten("“‘Don’t,’ she said—”") == "\"'Don't,' she said—\""


@pytest.mark.parametrize(("text", "words"), [("It isn't half-past 5, no.", 5), ("昔々 a", 3), ("— … !", 0)])
def test_count_words(text: str, words: int) -> None:
    assert count_words(text) == words


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("word " * 19, "too short: 19 words, at least 20 are needed"),
        ("", "too short: 0 words, at least 20 are needed"),
        ("word " * 20, None),
        ("<<set $key to 1>> " * 10, "mostly markup: 36% of its characters are brackets and the like"),
        (
            "The <em>gate</em> stood open all that long and windless day in the year of the tide, they say.",
            None,
        ),
    ],
)
def test_what_is_dropped_and_why(text: str, reason: str | None) -> None:
    assert drop_reason(Story.linear("s", text)) == reason
