"""Blocks become batches, in an order that is a function of the seed alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from textxfer.corpus.tokens import IGNORED, TokenSet


@dataclass(frozen=True, slots=True)
class Batch:
    """A few blocks side by side, on one device.

    input_ids, labels, position_ids: (B, T) int64. Positions restart at each
    document. A label is the token to predict *at* that position from the one
    before it, −100 where nothing is scored. documents: for each row the
    lengths of its documents, which sum to T (padding is one of its own).
    """

    input_ids: torch.Tensor
    labels: torch.Tensor
    position_ids: torch.Tensor
    documents: tuple[tuple[int, ...], ...]
    scored_bytes: int

    @property
    def scored(self) -> int:
        return int((self.labels != IGNORED).sum())

    def to(self, device: torch.device) -> Batch:
        ids, labels, positions = (
            t.to(device, non_blocking=True) for t in (self.input_ids, self.labels, self.position_ids)
        )
        return Batch(ids, labels, positions, self.documents, self.scored_bytes)


def collate(rows: Sequence[dict[str, Any]], pad: int) -> Batch:
    """Blocks of a TokenSet → one Batch, padded to the longest."""
    width = max(len(row["input_ids"]) for row in rows)
    ids = torch.full((len(rows), width), pad)
    labels = torch.full((len(rows), width), IGNORED)
    positions = torch.zeros((len(rows), width), dtype=torch.long)
    documents: list[tuple[int, ...]] = []
    for i, row in enumerate(rows):
        used = len(row["input_ids"])
        ids[i, :used] = torch.as_tensor(row["input_ids"])
        pairs = row["scored"]
        for start, end in zip(pairs[::2], pairs[1::2], strict=True):
            labels[i, start:end] = ids[i, start:end]
        lengths = list(row["documents"]) + ([width - used] if used < width else [])
        positions[i] = torch.cat([torch.arange(n) for n in lengths])
        documents.append(tuple(lengths))
    return Batch(ids, labels, positions, tuple(documents), sum(row["scored_bytes"] for row in rows))


def order(blocks: int, seed: int, epoch: int) -> list[int]:
    """The blocks of one epoch, shuffled."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return torch.randperm(blocks, generator=generator).tolist()


def step_blocks(blocks: int, per_step: int, seed: int, step: int) -> list[int]:
    """Indices of the ``per_step`` blocks of step ``step`` (from 0).

    Epochs follow each other without a gap, so a step may hold the end of one
    and the start of the next.
    """
    first = step * per_step
    chosen: list[int] = []
    while len(chosen) < per_step:
        epoch, offset = divmod(first + len(chosen), blocks)
        chosen += order(blocks, seed, epoch)[offset : offset + per_step - len(chosen)]
    return chosen


def micro_batches(rows: Sequence[dict[str, Any]], size: int, pad: int) -> Iterator[Batch]:
    """Blocks, ``size`` at once."""
    for at in range(0, len(rows), size):
        yield collate(rows[at : at + size], pad)


def scored_tokens(pairs: Sequence[int]) -> int:
    """Scored positions of a block, from its flat pairs [start, end)."""
    return sum(pairs[1::2]) - sum(pairs[::2])


def evaluation_blocks(tokens: TokenSet, limit: int) -> list[int]:
    """A fixed choice of blocks with at most ``limit`` scored tokens, spread evenly.

    At least one block is taken, also where it alone holds more.
    """
    counts = [scored_tokens(pairs) for pairs in tokens.blocks["scored"]]
    total = sum(counts)
    if total <= limit:
        return list(range(len(counts)))
    share = max(int(len(counts) * limit / total), 1)
    chosen: list[int] = []
    used = 0
    for k in range(share):
        index = k * len(counts) // share
        if chosen and used + counts[index] > limit:
            continue
        chosen.append(index)
        used += counts[index]
    return chosen
