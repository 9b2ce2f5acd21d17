"""Playthroughs become packed blocks of tokens on disk.

A playthrough is one document where it fits the model's context. Where it does
not, it becomes several: each scored turn keeps its whole path up to the context
length (or the share of it that ``keep`` asks for).

Where a text is judged, what is repeated for its context alone is not scored, so
every scored piece counts once. In training it is scored again (``rescore``):
were it not, nearly every scored token would stand deep inside a block, and the
model would unlearn how a text begins; and the work is done anyway.

Documents are packed into blocks; a block's ``documents`` are the lengths of
what lies in it, one after another, and ``scored`` are flat pairs [start, end)
of positions whose token counts in the loss. The first token of a document has
nothing before it and is never scored.
"""

from __future__ import annotations

import bisect
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textxfer.corpus.render import pieces
from textxfer.errors import CorpusError
from textxfer.story import Playthrough
from textxfer.tokenizer import fingerprint, token_bytes

if TYPE_CHECKING:
    import datasets
    from tokenizers import Tokenizer

IGNORED = -100


@dataclass(slots=True)
class Document:
    """Tokens that may see each other: ids (n,), and which of them are scored (n,)."""

    ids: np.ndarray
    scored: np.ndarray
    scored_bytes: int = 0  # UTF-8 bytes of the scored tokens
    fresh: int = 0  # scored tokens that are not here as context


@dataclass(frozen=True, slots=True)
class TokenSet:
    """Blocks on disk: columns input_ids, documents, scored, scored_bytes."""

    blocks: datasets.Dataset
    manifest: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> TokenSet:
        """Raises CorpusError where the folder is not a whole token set."""
        import datasets

        manifest = folder / "manifest.json"
        if not manifest.is_file():
            raise CorpusError(f"{folder} holds no finished tokens (its manifest.json is missing).")
        return cls(datasets.Dataset.load_from_disk(str(folder)), json.loads(manifest.read_text()))


def _pieces(walk: Playthrough, tokenizer: Tokenizer) -> list[tuple[np.ndarray, int, bool]]:
    """Token ids of each piece with its turn and whether it is prose."""
    parts = pieces(walk)
    encoded = tokenizer.encode_batch_fast([p.text for p in parts], add_special_tokens=False)
    return [(np.asarray(e.ids, dtype=np.int32), p.turn, p.kind == "prose") for e, p in zip(encoded, parts, strict=True)]


def documents(
    walk: Playthrough,
    tokenizer: Tokenizer,
    *,
    context: int,
    end_of_text: int,
    prose_only: bool,
    lengths: np.ndarray,
    keep: float = 1.0,
    rescore: bool = False,
) -> Iterable[Document]:
    """The documents of one playthrough, each of at most ``context`` tokens.

    prose_only: score only prose and end of text, not the actions before it
    (validation: an action is what the player gives). lengths: UTF-8 bytes of
    each token, (V,). keep: share of a context that a continuation keeps of its
    path where the whole path does not fit. rescore: score the context, too.
    """
    turn_ids: list[list[np.ndarray]] = [[] for _ in walk.turns]
    turn_scored: list[list[np.ndarray]] = [[] for _ in walk.turns]
    for ids, turn, prose in _pieces(walk, tokenizer):
        counts = walk.turns[turn].scored and (prose or not prose_only)
        turn_ids[turn].append(ids)
        turn_scored[turn].append(np.full(len(ids), counts))
    if walk.ends and walk.turns:
        turn_ids[-1].append(np.asarray([end_of_text], dtype=np.int32))
        turn_scored[-1].append(np.asarray([walk.turns[-1].scored]))

    ids = np.concatenate([a for turn in turn_ids for a in turn]) if walk.turns else np.zeros(0, np.int32)
    scored = np.concatenate([a for turn in turn_scored for a in turn]) if walk.turns else np.zeros(0, bool)
    ends = np.cumsum([sum(len(a) for a in turn) for turn in turn_ids])
    starts = np.concatenate([[0], ends[:-1]])
    wanted = [bool(scored[a:b].any()) for a, b in zip(starts, ends, strict=True)]
    for start, first, end in windows(starts.tolist(), ends.tolist(), wanted, context, keep):
        fresh = scored[start:end].copy()
        fresh[: max(first - start, 1)] = False
        counted = np.ones(end - start, bool) if rescore else fresh
        counted[0] = False
        if fresh.any():
            size = int(lengths[ids[start:end][counted]].sum())
            yield Document(ids[start:end], counted, size, int(fresh.sum()))


def windows(
    starts: Sequence[int], ends: Sequence[int], wanted: Sequence[bool], context: int, keep: float = 1.0
) -> list[tuple[int, int, int]]:
    """Cut a document of turns into windows (start, first, end) of at most ``context`` positions.

    A window shows [start, end) and scores from ``first``. It begins at the
    start of the document while that fits, else at the start of a turn that
    leaves ``keep`` of a context before ``first``, as far as the turn itself
    leaves the room. A turn longer than a context is cut where it must be.
    """
    result: list[tuple[int, int, int]] = []
    done = 0  # everything before this position has been dealt with
    i = 0
    while i < len(wanted):
        if not wanted[i] or ends[i] <= done:
            i += 1
            continue
        first = max(starts[i], done)
        start = 0 if ends[i] <= context else _window_start(starts, first, ends[i] - first, context, keep)
        end, j = min(ends[i], start + context), i + 1
        while end == ends[j - 1] and j < len(wanted) and ends[j] <= start + context:
            end, j = ends[j], j + 1
        result.append((start, first, end))
        done = end
    return result


def _window_start(starts: Sequence[int], first: int, length: int, context: int, keep: float) -> int:
    """Where to begin so that ``length`` positions from ``first`` see what stands before them."""
    if length >= context:  # such a turn fills windows by itself; each sees the last token of the one before
        return max(first - 1, 0)
    earliest = max(first + length - context, 0)
    wish = max(first - max(int(keep * context), 1), earliest)
    before = starts[bisect.bisect_right(starts, wish) - 1]
    if before >= earliest:
        return before
    after = bisect.bisect_left(starts, earliest)
    return starts[after] if after < len(starts) and starts[after] < first else earliest


def pack(lengths: Sequence[int], context: int) -> list[list[int]]:
    """Best-fit decreasing bin packing: indices of the documents of each block."""
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    blocks: list[list[int]] = []
    room: list[tuple[int, int]] = []  # (free positions, block), sorted
    for i in order:
        at = bisect.bisect_left(room, (lengths[i], -1))
        if at == len(room):
            blocks.append([i])
            free, block = context - lengths[i], len(blocks) - 1
        else:
            free, block = room.pop(at)
            blocks[block].append(i)
            free -= lengths[i]
        if free > 1:
            bisect.insort(room, (free, block))
    return blocks


def write(
    walks: Iterable[Playthrough],
    tokenizer: Tokenizer,
    folder: Path,
    *,
    context: int,
    end_of_text: int,
    prose_only: bool = False,
    keep: float = 1.0,
    rescore: bool = False,
) -> TokenSet:
    """Tokenise, cut, pack and store; the manifest is written last.

    ``prose_only``, ``keep`` and ``rescore`` as in ``documents``.

    Raises CorpusError when nothing is left to score.
    """
    import datasets

    lengths = token_bytes(tokenizer)
    docs: list[Document] = []
    for walk in walks:
        docs += documents(
            walk,
            tokenizer,
            context=context,
            end_of_text=end_of_text,
            prose_only=prose_only,
            lengths=lengths,
            keep=keep,
            rescore=rescore,
        )
    if not docs:
        raise CorpusError("The corpus leaves no text to learn from; give it more than a few words.")
    rows = [_block([docs[i] for i in block]) for block in pack([len(d.ids) for d in docs], context)]
    features = datasets.Features(
        {
            "input_ids": datasets.List(datasets.Value("int32")),
            "documents": datasets.List(datasets.Value("int32")),
            "scored": datasets.List(datasets.Value("int32")),
            "scored_bytes": datasets.Value("int64"),
        }
    )
    table = datasets.Dataset.from_list(rows, features=features)
    datasets.disable_progress_bars()
    table.save_to_disk(str(folder))
    digest = hashlib.sha256()
    for row in rows:
        digest.update(np.asarray(row["input_ids"], dtype="<i4").tobytes())
    positions = sum(len(d.ids) for d in docs)
    manifest = {
        "context": context,
        "blocks": len(rows),
        "documents": len(docs),
        "tokens": positions,
        "scored_tokens": sum(int(d.scored.sum()) for d in docs),
        "scored_bytes": sum(d.scored_bytes for d in docs),
        "fresh_tokens": sum(d.fresh for d in docs),
        "filled": round(positions / (len(rows) * context), 4),
        "tokenizer_sha256": fingerprint(tokenizer),
        "ids_sha256": digest.hexdigest(),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))
    return TokenSet(table, manifest)


def _block(docs: Sequence[Document]) -> dict[str, Any]:
    flags = np.concatenate([d.scored for d in docs]).astype(np.int8)
    turns = np.flatnonzero(np.diff(np.concatenate([[0], flags, [0]])))  # start, end, start, end, …
    return {
        "input_ids": np.concatenate([d.ids for d in docs]),
        "documents": [len(d.ids) for d in docs],
        "scored": turns,
        "scored_bytes": sum(d.scored_bytes for d in docs),
    }
