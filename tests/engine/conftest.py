"""A tiny GPT-2 and a tiny byte-level BPE, made here and saved as a user's would be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel

from textxfer.engine import Engine

PROSE = [
    "You open the gate. The hinge complains, and the garden lies before you.",
    "> Open the gate\nThe café is closed — “come back”, says a cat. 🐈🌊 Ελλάδα 你好",
    "The cat opens the gate and the garden complains before you come back.",
]


def make_tokenizer() -> Tokenizer:
    """300-odd tokens: 256 bytes, some merges, end-of-text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(PROSE, trainer)
    return tokenizer


def make_model(tokenizer: Tokenizer, *, n_positions: int = 64) -> Any:
    torch.manual_seed(0)
    end = tokenizer.token_to_id("<|endoftext|>")
    config = GPT2Config(
        vocab_size=tokenizer.get_vocab_size(),
        n_positions=n_positions,
        n_embd=32,
        n_layer=2,
        n_head=2,
        bos_token_id=end,
        eos_token_id=end,
        initializer_range=0.3,  # far from uniform, so that choices are clear
    )
    return GPT2LMHeadModel(config).eval()  # type: ignore[no-untyped-call]


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return make_tokenizer()


@pytest.fixture
def model(tokenizer: Tokenizer) -> Any:
    return make_model(tokenizer)


@pytest.fixture
def model_folder(model: Any, tokenizer: Tokenizer, tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def engine(model: Any, tokenizer: Tokenizer) -> Iterator[Engine]:
    made = Engine(model, tokenizer, name="tiny", device="cpu")
    yield made
    made.close()
