"""How well a model predicts text it has not been trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from textxfer.corpus.tokens import TokenSet
from textxfer.training.batches import micro_batches
from textxfer.training.loss import PackedLM


@dataclass(frozen=True, slots=True)
class Score:
    """Summed loss over scored text.

    nats: negative log-likelihood. tokens: scored tokens. bytes: UTF-8 bytes
    they stand for (end of text stands for none).
    """

    nats: float
    tokens: int
    bytes: int

    @property
    def bits_per_byte(self) -> float:
        """nats / ln 2 / bytes: comparable between tokenizers."""
        return self.nats / math.log(2) / self.bytes

    @property
    def perplexity(self) -> float:
        """exp(nats / tokens): comparable for one tokenizer only."""
        return math.exp(min(self.nats / self.tokens, 700.0))

    def to_json(self) -> dict[str, float | int]:
        return {"bits_per_byte": self.bits_per_byte, "perplexity": self.perplexity, "tokens": self.tokens}


@torch.inference_mode()
def score(module: PackedLM, tokens: TokenSet, blocks: Sequence[int], *, pad: int, batch: int = 4) -> Score:
    """Score the given blocks in float32, without dropout; the model's mode is put back."""
    device = next(module.parameters()).device
    was_training = module.training
    module.eval()
    nats, count, size = 0.0, 0, 0
    try:
        for made in micro_batches([tokens.blocks[i] for i in blocks], batch, pad):
            nats += float(module(made.to(device)).double())
            count += made.scored
            size += made.scored_bytes
    finally:
        module.train(was_training)
    return Score(nats, count, size)
