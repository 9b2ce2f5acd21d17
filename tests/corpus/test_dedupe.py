from __future__ import annotations

import random
import time

import pytest

from textxfer.corpus.dedupe import near_duplicates


def words(seed: int, count: int) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices("abcdefgh", k=6)) for _ in range(count)]


def test_near_duplicates_share_a_cluster() -> None:
    text = words(1, 200)
    changed = [*text[:100], "other", *text[101:]]  # 5 of 196 shingles differ: Jaccard 191/201
    half = [*text[:100], *words(2, 100)]
    texts = [" ".join(t) for t in (text, words(3, 200), changed, half)]
    assert near_duplicates(texts) == [[0, 2], [1], [3]]


def test_the_threshold_is_the_jaccard_similarity_of_the_shingles() -> None:
    text = words(1, 104)  # 100 shingles
    tail_changed = [*text[:94], *words(2, 10)]  # 90 in common of 110: 0.818
    pair = [" ".join(text), " ".join(tail_changed)]
    assert near_duplicates(pair, threshold=0.81) == [[0, 1]]
    assert near_duplicates(pair, threshold=0.83) == [[0], [1]]


def test_case_and_punctuation_do_not_count() -> None:
    assert near_duplicates(["You open the old gate.", "you open -- the OLD gate!"]) == [[0, 1]]


def test_short_texts_are_compared_exactly() -> None:
    assert near_duplicates(["You die.", "You live.", "you die", "", "…"]) == [[0, 2], [1], [3, 4]]


def test_clusters_are_connected_components() -> None:
    text = words(1, 104)
    chain = [text, [*text[8:], *words(2, 8)], [*text[16:], *words(2, 8), *words(3, 8)]]
    joined = [" ".join(t) for t in chain]  # each shares 92 of 108 shingles with the next, 84 of 116 over two
    assert near_duplicates(joined) == [[0, 1, 2]]
    assert near_duplicates([joined[0], joined[2]]) == [[0], [1]]


@pytest.mark.timeout(60)
def test_2000_passages_take_seconds() -> None:
    texts = [" ".join(words(seed, 80)) for seed in range(1900)]
    begin = time.perf_counter()
    clusters = near_duplicates(texts + texts[:100])
    assert time.perf_counter() - begin < 20
    assert clusters == [[i, i + 1900] if i < 100 else [i] for i in range(1900)]
