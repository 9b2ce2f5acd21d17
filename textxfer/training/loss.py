"""The loss of packed batches: summed over tokens, divided once by whoever asks."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from textxfer.corpus.tokens import IGNORED
from textxfer.models import attention
from textxfer.training.batches import Batch

# Rows of logits at once. On a CPU a chunk that stays in the cache takes 40 % less time
# than all at once; a GPU wants enough work for each kernel.
CPU_CHUNK, GPU_CHUNK = 512, 4096
KEPT_BYTES = 1 << 29  # logits that may be kept for the backward pass; more are computed again


class PackedLM(nn.Module):
    """Calls a causal language model on a Batch and gives the summed loss.

    The head runs on scored positions alone, a chunk at a time, so the full
    (B·T, V) logits never exist at once.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        attention.register()
        model.set_attn_implementation(attention.PACKED)
        self.model = model

    def trunk(self) -> Any:
        plain = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
        return plain.base_model

    def hidden(self, batch: Batch) -> torch.Tensor:
        """Last hidden states, (B, T, d), each document seen by itself."""
        mask = None
        if batch.input_ids.device.type != "cpu" and any(len(row) > 1 for row in batch.documents):
            mask = attention.document_mask(batch.documents, batch.input_ids.device)
        out = self.trunk()(
            input_ids=batch.input_ids,
            position_ids=batch.position_ids,
            use_cache=False,
            documents=batch.documents,
            packed_mask=mask,
        )
        states: torch.Tensor = out.last_hidden_state
        return states

    def forward(self, batch: Batch) -> torch.Tensor:
        """Summed negative log-likelihood in nats of the batch's scored tokens, a float32 scalar."""
        # the token at position t is predicted from position t − 1 of its document
        states = self.hidden(batch)[:, :-1]
        labels = batch.labels[:, 1:]
        where = labels != IGNORED
        return self.nll(states[where], labels[where])

    def nll(self, states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """states (N, d), targets (N,) → summed nats."""
        head = self.model.get_output_embeddings()

        def one(chunk: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
            return cross_entropy(head(chunk).float(), wanted, reduction="sum")

        size = CPU_CHUNK if states.device.type == "cpu" else GPU_CHUNK
        again = torch.is_grad_enabled() and 4 * len(targets) * head.weight.shape[0] > KEPT_BYTES
        total = torch.zeros((), device=states.device)
        for at in range(0, len(targets), size):
            part, wanted = states[at : at + size], targets[at : at + size]
            total = total + (checkpoint(one, part, wanted, use_reentrant=False) if again else one(part, wanted))
        return total
