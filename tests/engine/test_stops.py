"""Stop strings across token borders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textxfer.engine.stops import StopBuffer


def cut(text: str, stops: list[str]) -> str:
    """The text before the stop string that is complete first."""
    found = [(text.find(s) + len(s), text.find(s)) for s in stops if s in text]
    return text[: min(found)[1]] if found else text


def run(pieces: list[str], stops: list[str]) -> tuple[list[str], bool]:
    """What comes out for each piece, then for the end; and whether a stop was found."""
    buffer, out = StopBuffer(stops), []
    for piece in pieces:
        text, stopped = buffer.push(piece)
        out.append(text)
        if stopped:
            return out, True
    return [*out, buffer.rest()], False


@pytest.mark.parametrize(
    ("pieces", "stops", "out", "stopped"),
    [
        (["a", "b", "c"], [], ["a", "b", "c", ""], False),
        (["He left.", "\n", ">", " go"], ["\n>"], ["He left.", "", ""], True),
        (["He left.", "\n", "Then", " on"], ["\n>"], ["He left.", "", "\nThen", " on", ""], False),
        (["He left.", "\n"], ["\n>"], ["He left.", "", "\n"], False),  # held back, settled by the end
        (["one STOP two STOP"], ["STOP"], ["one "], True),
        (["aab"], ["aab"], [""], True),
        (["a", "a", "a", "b"], ["aab"], ["", "", "a", ""], True),  # the beginning begins again
        (["xabz"], ["xabz", "ab"], ["x"], True),  # "ab" is complete first, even in one piece
        (["xab"], ["xab", "ab"], [""], True),  # complete together: the one that begins first
    ],
)
def test_text_ends_before_the_stop_string(pieces: list[str], stops: list[str], out: list[str], stopped: bool) -> None:
    assert run(pieces, stops) == (out, stopped)


@given(
    st.lists(st.text("ab\n>", max_size=4), max_size=12),
    st.lists(st.text("ab\n>", min_size=1, max_size=4), max_size=3),
)
def test_any_split_gives_the_text_cut_at_the_first_stop(pieces: list[str], stops: list[str]) -> None:
    out, stopped = run(pieces, stops)
    whole = "".join(pieces)
    assert "".join(out) == cut(whole, stops)
    assert stopped == any(stop in whole for stop in stops)


@given(
    st.lists(st.text("ab>", max_size=3), max_size=8),
    st.lists(st.text("ab>", min_size=1, max_size=4), max_size=3),
)
def test_no_more_is_held_than_could_begin_a_stop(pieces: list[str], stops: list[str]) -> None:
    buffer, seen, given_out = StopBuffer(stops), "", ""
    for piece in pieces:
        text, stopped = buffer.push(piece)
        if stopped:
            return
        seen, given_out = seen + piece, given_out + text
        held = seen[len(given_out) :]
        begun = [n for s in stops for n in range(1, len(s)) if seen.endswith(s[:n])]
        assert len(held) == max(begun, default=0)
