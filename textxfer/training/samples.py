"""Samples while a model trains: always the same prompts and seeds, so that they compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tokenizers import Tokenizer

from textxfer.config import SampleConfig
from textxfer.corpus.split import Split
from textxfer.engine import Engine, GenerateRequest, Sampling
from textxfer.models.attention import PACKED
from textxfer.story import Story


def draw_samples(model: Any, tokenizer: Tokenizer, config: SampleConfig) -> list[dict[str, str]]:
    """``[{"prompt", "text"}]`` from the model as it is now. The global random state is left alone."""
    with _serving(model):
        engine = Engine(model, tokenizer, name="training")
        try:
            drawn = []
            for prompt in config.prompts or ():
                room = engine.context - config.tokens - 1
                ids = tuple(engine.encode(prompt)[-max(room, 1) :])
                sampling = Sampling(max_tokens=config.tokens, seed=config.seed)
                text, _ = engine.complete(GenerateRequest(ids, sampling))
                drawn.append({"prompt": prompt, "text": text})
        finally:
            engine.close()
    return drawn


@contextmanager
def _serving(model: Any) -> Iterator[None]:
    """Eval mode and attention that knows caches; put back afterwards."""
    training = model.training
    model.eval()
    model.set_attn_implementation("sdpa")
    try:
        yield
    finally:
        model.set_attn_implementation(PACKED)
        model.train(training)


def opening_of(stories: Sequence[Story], parts: Split) -> str:
    """The first passage of the first branching story: a place to begin to play. Empty where there is none."""
    held_out = set(parts.held_out)
    for story in stories:
        if not story.is_linear and story.id not in held_out:
            return story.passages[story.start].text
    return ""
