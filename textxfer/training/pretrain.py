"""A small GPT-2 from nothing: a vocabulary, random weights, and the same loop as any run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from textxfer.config import make_config
from textxfer.corpus.render import render
from textxfer.errors import ConfigError
from textxfer.runs import Run
from textxfer.story import Playthrough
from textxfer.training import prepare
from textxfer.training.journal import Watch
from textxfer.training.train import train_wanted

END_OF_TEXT = "<|endoftext|>"

#: what suits a small model and a few million tokens; ``--set`` changes any of it
SETTINGS: dict[str, Any] = {
    "method": {"name": "full"},
    "optim": {"name": "muon", "lr": 3e-3, "weight_decay": 0.1, "dropout": 0.0, "tokens_per_step": 4096},
    "schedule": {"name": "cosine", "epochs": 2.0, "warmup": 0.02, "final": 0.0},
    "eval": {"patience": 1000},
}


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a GPT-2: 12·layers·width² + (vocabulary + context)·width parameters, nearly."""

    vocabulary: int = 8192
    layers: int = 5
    width: int = 256
    heads: int = 4
    context: int = 1024

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ConfigError(f"The width {self.width} cannot be shared by {self.heads} heads; take a multiple.")
        if self.vocabulary < 300:
            raise ConfigError(f"A byte-level vocabulary has at least 300 tokens, got {self.vocabulary}.")


def pretrain(
    corpus: str | Path,
    out: str | Path,
    *,
    shape: Shape | None = None,
    settings: Mapping[str, Any] | None = None,
    overrides: Iterable[str] = (),
    quiet: bool = False,
) -> Run:
    """Make a GPT-2 of ``shape`` and train it on ``corpus``; repeating the call goes on.

    The vocabulary is learnt from the training side alone. Raises ConfigError,
    CorpusError, TrainingError.
    """
    folder, watch = Path(out), Watch(quiet=quiet)
    base = folder / "base"
    values = {**SETTINGS, **(settings or {}), "corpus": str(corpus), "base": str(base)}
    wanted = make_config(values, overrides)
    if (folder / "run.yaml").is_file():
        return Run(train_wanted(wanted, folder, watch))
    reading, parts = prepare.read_corpus(wanted, watch.reading)
    prepare.new_folder(folder)
    watch.note(f"Learning a vocabulary of {(shape or Shape()).vocabulary} from {len(parts.train)} playthroughs …")
    make_base(parts.train, shape or Shape(), base, seed=wanted.seed)
    return Run(train_wanted(wanted, folder, watch, corpus=(reading, parts)))


def learn_vocabulary(walks: Iterable[Playthrough], size: int) -> Tokenizer:
    """A byte-level BPE as GPT-2's (Radford et al. 2019): end of text first, then 256 bytes, then merges."""
    from tokenizers import decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )

    def texts() -> Iterator[str]:
        for walk in walks:
            yield from render(walk).split("\n\n")

    tokenizer.train_from_iterator(texts(), trainer)
    return tokenizer


def make_base(walks: Iterable[Playthrough], shape: Shape, folder: Path, *, seed: int) -> None:
    """A model folder of random weights with its tokenizer."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    tokenizer = learn_vocabulary(walks, shape.vocabulary)
    end = tokenizer.token_to_id(END_OF_TEXT)
    config = GPT2Config(
        vocab_size=tokenizer.get_vocab_size(),
        n_positions=shape.context,
        n_embd=shape.width,
        n_layer=shape.layers,
        n_head=shape.heads,
        bos_token_id=end,
        eos_token_id=end,
    )
    torch.manual_seed(seed)
    model = GPT2LMHeadModel(config)
    model.save_pretrained(folder)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END_OF_TEXT, bos_token=END_OF_TEXT, model_max_length=shape.context
    )
    fast.save_pretrained(folder)
