"""Tokens to text, wherever the borders of the tokens lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from textxfer.engine.stops import StopBuffer
from textxfer.engine.text import TextDecoder

LETTERS = "aé🐈你\n>\ufffd"


def byte_letters() -> dict[int, str]:
    """How a byte-level BPE writes each byte (Radford et al. 2019)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    return {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(rest)}


LETTER = byte_letters()


def crossing_tokenizer() -> Tokenizer:
    """All bytes, and every run of 2 to 5 bytes of some texts: tokens that begin and end within characters."""
    tokens = {letter: byte for byte, letter in LETTER.items()}
    for sample in ("aé🐈你a>", "🐈🐈\n>", "你你é\ufffda"):
        data = sample.encode()
        for size in range(2, 6):
            for start in range(len(data) - size + 1):
                tokens.setdefault("".join(LETTER[b] for b in data[start : start + size]), len(tokens))
    tokenizer = Tokenizer(models.BPE(vocab=tokens, merges=[]))
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


CROSSING = crossing_tokenizer()
BYTE = {letter: byte for byte, letter in LETTER.items()}
BY_BYTES = {bytes(BYTE[letter] for letter in token): i for token, i in CROSSING.get_vocab().items()}
ANY_TOKEN = st.sampled_from(sorted(BY_BYTES.values()))


@st.composite
def tokenised(draw: st.DrawFn) -> tuple[str, list[int]]:
    """A text and one of the ways to write it in tokens."""
    text = draw(st.text(LETTERS, max_size=12))
    data, ids = text.encode(), []
    while data:
        sizes = [n for n in range(1, 6) if data[:n] in BY_BYTES and n <= len(data)]
        size = draw(st.sampled_from(sizes))
        ids.append(BY_BYTES[data[:size]])
        data = data[size:]
    return text, ids


def without_tail(text: str) -> str:
    """Without the unfinished character at its end."""
    return text.rstrip("\ufffd")


def test_an_emoji_comes_with_its_last_byte() -> None:
    decoder = TextDecoder(CROSSING)
    ids = [BY_BYTES[bytes([b])] for b in "a🐈b".encode()]
    assert [decoder.push(i) for i in ids] == ["a", "", "", "", "🐈", "b"]


def test_bytes_that_are_no_character_show_as_replacements() -> None:
    decoder = TextDecoder(CROSSING)
    ids = [BY_BYTES[bytes([b])] for b in b"\x80a\xf0\x9fb"]
    assert [decoder.push(i) for i in ids] == ["", "\ufffda", "", "", "\ufffdb"]


@given(tokenised())
def test_any_split_of_any_text_gives_the_text(case: tuple[str, list[int]]) -> None:
    text, ids = case
    decoder = TextDecoder(CROSSING)
    assert "".join(decoder.push(i) for i in ids) == without_tail(text)


@given(st.lists(ANY_TOKEN, max_size=20), st.lists(ANY_TOKEN, max_size=1))
def test_any_tokens_give_the_decoding_of_the_whole(ids: list[int], context: list[int]) -> None:
    decoder = TextDecoder(CROSSING, context=context)
    assert "".join(decoder.push(i) for i in ids) == without_tail(CROSSING.decode(ids))


@given(tokenised(), st.lists(st.text(LETTERS, min_size=1, max_size=3), max_size=3))
def test_with_stops_the_events_join_to_the_text_before_the_first(case: tuple[str, list[int]], stops: list[str]) -> None:
    text, ids = case
    text = without_tail(text)
    decoder, buffer, out, stopped = TextDecoder(CROSSING), StopBuffer(stops), "", False
    for token in ids:
        piece, stopped = buffer.push(decoder.push(token))
        out += piece
        if stopped:
            break
    found = [(text.find(s) + len(s), text.find(s)) for s in stops if s in text]
    assert out + buffer.rest() == (text[: min(found)[1]] if found else text)
    assert stopped == bool(found)


def test_a_space_at_the_start_of_the_continuation_is_kept() -> None:
    tokenizer = Tokenizer(models.WordLevel({"▁You": 0, "▁go": 1, "▁on": 2, "?": 3}, unk_token="?"))
    tokenizer.decoder = decoders.Metaspace()
    alone, after = TextDecoder(tokenizer), TextDecoder(tokenizer, context=[0])
    assert [alone.push(i) for i in (1, 2)] == ["go", " on"]
    assert [after.push(i) for i in (1, 2)] == [" go", " on"]


@pytest.mark.parametrize("text", ["é🐈", "🐈🐈你", "a🐈 b"])
def test_byte_fallback_tokens_give_whole_characters(text: str) -> None:
    names = {f"<0x{b:02X}>": b for b in range(256)} | {"a": 256, "▁b": 257}
    tokenizer = Tokenizer(models.BPE(vocab=names, merges=[], byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    ids: list[int] = []
    for letter in text.replace(" b", "▁"):
        ids += {"a": [256], "▁": [257]}.get(letter, list(letter.encode()))
    decoder = TextDecoder(tokenizer)
    pieces = [decoder.push(i) for i in ids]
    assert "".join(pieces) == text
    assert all("\ufffd" not in piece for piece in pieces)
