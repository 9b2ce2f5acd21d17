from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textxfer.corpus.read import read
from textxfer.corpus.render import render
from textxfer.corpus.tokens import TokenSet, documents, pack, windows, write
from textxfer.corpus.walk import covering_walks
from textxfer.errors import CorpusError
from textxfer.story import Playthrough, Turn
from textxfer.tokenizer import load_tokenizer, token_bytes


@pytest.fixture(scope="module")
def tokenizer(tiny_base: Path):
    return load_tokenizer(tiny_base / "tokenizer.json")


def docs_of(walk, tokenizer, **options):
    settings = {"context": 128, "end_of_text": 0, "prose_only": False} | options
    return list(documents(walk, tokenizer, lengths=token_bytes(tokenizer), **settings))


def test_a_short_playthrough_is_one_document_with_its_text_and_end_of_text(tokenizer):
    walk = Playthrough("s", ("a", "b"), (Turn(None, "You wait."), Turn("Go", "You see the lamp.")))
    (doc,) = docs_of(walk, tokenizer)
    assert tokenizer.decode(doc.ids[:-1].tolist()) == render(walk)
    assert doc.ids[-1] == 0
    assert doc.scored.tolist() == [False] + [True] * (len(doc.ids) - 1)  # nothing stands before the first token


def test_the_pieces_give_the_tokens_of_the_whole_text(tokenizer, corpus):
    for story in read(corpus).stories:
        for walk in covering_walks(story, seed=1):
            (doc,) = docs_of(walk, tokenizer, context=100_000, end_of_text=0)
            text = tokenizer.encode(render(walk)).ids
            assert doc.ids[: len(text)].tolist() == text


def test_end_of_text_typed_by_a_person_stays_text(tokenizer):
    walk = Playthrough("s", ("a",), (Turn(None, "You say <|endoftext|> aloud."),), ends=False)
    (doc,) = docs_of(walk, tokenizer)
    assert 0 not in doc.ids.tolist()


def test_bytes_are_those_of_the_scored_text(tokenizer):
    text = "You see the lamp – “é”."
    walk = Playthrough("s", ("a",), (Turn(None, text),))
    (doc,) = docs_of(walk, tokenizer)
    first = tokenizer.decode([int(doc.ids[0])])
    assert doc.scored_bytes == len(text.encode()) - len(first.encode())


def test_only_prose_counts_where_the_player_gives_the_action(tokenizer):
    walk = Playthrough("s", ("a", "b"), (Turn(None, "You wait.", False), Turn("Open the gate", "You see.")), ends=False)
    (doc,) = docs_of(walk, tokenizer, prose_only=True)
    assert tokenizer.decode(doc.ids[doc.scored].tolist()) == "You see."


def test_a_path_that_fits_is_kept_whole_and_a_longer_one_up_to_the_context():
    starts, ends = [0, 40, 80, 120, 160], [40, 80, 120, 160, 200]
    assert windows(starts, ends, [False, False, True, False, False], 128) == [(0, 80, 120)]
    # the fifth turn: 200 positions do not fit 128; whole turns before it do, from 80
    assert windows(starts, ends, [False] * 4 + [True], 128) == [(80, 160, 200)]
    assert windows(starts, ends, [True] * 5, 128) == [(0, 0, 120), (40, 120, 160), (80, 160, 200)]


def test_less_context_may_be_kept_for_speed():
    starts, ends = [0, 40, 80, 120, 160], [40, 80, 120, 160, 200]
    assert windows(starts, ends, [True] * 5, 128, keep=0.25) == [(0, 0, 120), (80, 120, 200)]


@given(
    st.lists(st.tuples(st.integers(1, 90), st.booleans()), min_size=1, max_size=30),
    st.integers(8, 64),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_every_scored_position_lies_in_one_window_with_something_before_it(turns, context, keep):
    ends = np.cumsum([n for n, _ in turns]).tolist()
    starts = [0, *ends[:-1]]
    seen: list[int] = []
    for start, first, end in windows(starts, ends, [w for _, w in turns], context, keep):
        assert end - start <= context
        assert start <= first < end
        assert start < first or first == 0
        seen += range(first, end)
    wanted = [p for (_, w), a, b in zip(turns, starts, ends, strict=True) if w for p in range(a, b)]
    assert [p for p in seen if p in set(wanted)] == wanted


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60))
def test_packing_keeps_every_document_and_the_limit(lengths):
    blocks = pack(lengths, 50)
    assert sorted(i for block in blocks for i in block) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in block) <= 50 for block in blocks)
    assert len(blocks) <= 2 * sum(lengths) // 50 + 1


def test_what_is_written_is_read_back(tokenizer, corpus, tmp_path):
    walks = covering_walks(read(corpus).stories[0], seed=0)
    made = write(walks, tokenizer, tmp_path / "t", context=128, end_of_text=0)
    again = TokenSet.load(tmp_path / "t")
    assert again.manifest == made.manifest
    assert sum(len(ids) for ids in again.blocks["input_ids"]) == made.manifest["tokens"]
    assert all(sum(d) == len(i) for d, i in zip(again.blocks["documents"], again.blocks["input_ids"], strict=True))
    assert sum(sum(s[1::2]) - sum(s[::2]) for s in again.blocks["scored"]) == made.manifest["scored_tokens"]


def test_a_folder_without_its_manifest_is_not_finished(tokenizer, corpus, tmp_path):
    write(covering_walks(read(corpus).stories[0], seed=0), tokenizer, tmp_path / "t", context=128, end_of_text=0)
    (tmp_path / "t" / "manifest.json").unlink()
    with pytest.raises(CorpusError, match="no finished tokens"):
        TokenSet.load(tmp_path / "t")


def test_in_training_context_is_scored_again_and_what_is_fresh_is_counted(tokenizer):
    walk = Playthrough("s", ("a", "b"), (Turn(None, "You wait.", False), Turn("Go", "You see the lamp.")))
    (doc,) = docs_of(walk, tokenizer, rescore=True)
    (judged,) = docs_of(walk, tokenizer)
    assert doc.scored.tolist() == [False] + [True] * (len(doc.ids) - 1)
    assert doc.fresh == judged.fresh == judged.scored.sum() < doc.scored.sum()


def test_nothing_to_score_is_an_error(tokenizer, tmp_path):
    unscored = Playthrough("s", ("a",), (Turn(None, "You wait.", scored=False),))
    with pytest.raises(CorpusError, match="leaves no text"):
        write([unscored], tokenizer, tmp_path / "t", context=128, end_of_text=0)
