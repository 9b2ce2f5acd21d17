"""Attention that keeps the documents of a packed block apart.

transformers builds a dense (B, 1, T, T) mask for packed blocks and loses the
fused causal kernels with it. Here the lengths of the documents come with the
call instead: on a CPU each document is attended to by itself, elsewhere one
mask of block-diagonal triangles serves all layers of a step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

PACKED = "textxfer_packed"

Documents = tuple[tuple[int, ...], ...]


def document_mask(documents: Documents, device: torch.device) -> torch.Tensor:
    """(B, 1, T, T) bool: a position sees itself and what stands before it in its document."""
    ids = torch.stack([torch.repeat_interleave(torch.arange(len(row)), torch.tensor(row)) for row in documents]).to(
        device
    )
    same = ids[:, :, None] == ids[:, None, :]
    return same.tril().unsqueeze(1)


def packed_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    documents: Documents | None = None,
    packed_mask: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """query, key, value: (B, H, T, D) → (B, T, H, D). ``documents`` None: each row is one document."""
    grouped = query.shape[1] != key.shape[1]

    def attend(rows: slice, start: int, end: int) -> torch.Tensor:
        return scaled_dot_product_attention(
            query[rows, :, start:end],
            key[rows, :, start:end],
            value[rows, :, start:end],
            dropout_p=dropout,
            is_causal=True,
            scale=scaling,
            enable_gqa=grouped,
        )

    width = query.shape[2]
    if documents is None or all(len(row) == 1 for row in documents):
        out = attend(slice(None), 0, width)
    elif packed_mask is not None:
        out = scaled_dot_product_attention(
            query, key, value, packed_mask, dropout_p=dropout, scale=scaling, enable_gqa=grouped
        )
    else:
        rows = []
        for b, lengths in enumerate(documents):
            parts, at = [], 0
            for length in lengths:
                parts.append(attend(slice(b, b + 1), at, at + length))
                at += length
            rows.append(torch.cat(parts, dim=2))
        out = torch.cat(rows)
    return out.transpose(1, 2), None


def register() -> None:
    """Make ``attn_implementation=PACKED`` known to transformers; calling it twice does no harm."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(PACKED, packed_attention)
    AttentionMaskInterface.register(PACKED, lambda *args, **kwargs: None)
