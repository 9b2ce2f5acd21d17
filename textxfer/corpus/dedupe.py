"""Near-duplicates by MinHash (Broder 1997) and locality-sensitive hashing."""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["near_duplicates"]

SHINGLE = 5  # words
PERMUTATIONS = 128
SEED = 1
CHUNK = 50_000  # shingles hashed at a time: 50,000 x 128 x 8 bytes = 51 MB


def near_duplicates(texts: Sequence[str], threshold: float = 0.8) -> list[list[int]]:
    """Indices of ``texts`` in clusters of near-duplicates, each index in exactly one cluster.

    Two texts are near-duplicates when the Jaccard similarity of their sets of
    5-word shingles (case and punctuation aside) is at least ``threshold``, in
    (0, 1]; clusters are the connected components. Texts under 5 words are so
    only when their words are equal. Candidates come from MinHash LSH and each
    is checked exactly, so there are no false pairs and, rarely, a missed one.
    Clusters and their members are in the order of the texts.
    """
    from datasketch import MinHash, MinHashLSH

    parent = list(range(len(texts)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    def join(a: int, b: int) -> None:
        low, high = sorted((root(a), root(b)))
        parent[high] = low

    # The index proposes pairs somewhat below the threshold, so that few at it are missed.
    lsh = MinHashLSH(threshold=0.75 * threshold, num_perm=PERMUTATIONS, weights=(0.3, 0.7))
    empty = MinHash(num_perm=PERMUTATIONS, seed=SEED, hashfunc=int)  # the shingles are hashes already
    exact: dict[tuple[str, ...], int] = {}
    shingles: dict[int, NDArray[np.uint32]] = {}
    for index, text in enumerate(texts):
        words = re.findall(r"\w+", text.casefold())
        if len(words) < SHINGLE:
            join(exact.setdefault(tuple(words), index), index)
            continue
        hashes = _shingles(words)
        sketch = empty.copy()
        for begin in range(0, len(hashes), CHUNK):
            sketch.update_batch(hashes[begin : begin + CHUNK])
        for other in lsh.query(sketch):
            if root(other) != root(index) and _jaccard(hashes, shingles[other]) >= threshold:
                join(other, index)
        lsh.insert(index, sketch)
        shingles[index] = hashes
    clusters: defaultdict[int, list[int]] = defaultdict(list)
    for index in range(len(texts)):
        clusters[root(index)].append(index)
    return list(clusters.values())


def _shingles(words: list[str]) -> NDArray[np.uint32]:
    """Sorted distinct 32-bit hashes of the runs of 5 words."""
    import numpy as np

    runs = (" ".join(words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1))
    return np.unique(np.fromiter((zlib.crc32(run.encode()) for run in runs), dtype=np.uint32))


def _jaccard(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> float:
    import numpy as np

    common = len(np.intersect1d(a, b, assume_unique=True))
    return common / (len(a) + len(b) - common)
