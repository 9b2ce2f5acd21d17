"""Judging a model on the fixed evaluation set of a run, or on other text."""

from __future__ import annotations

from pathlib import Path

from textxfer.config import RunConfig
from textxfer.corpus.tokens import TokenSet
from textxfer.errors import ModelError
from textxfer.evaluation.perplexity import Score, score
from textxfer.models.load import Base, load_served
from textxfer.runs import Run
from textxfer.tokenizer import fingerprint
from textxfer.training.batches import evaluation_blocks
from textxfer.training.loss import PackedLM


def evaluate_run(run: Run) -> dict[str, float | int]:
    """``{bits_per_byte, perplexity, tokens}`` on the set that training was judged by.

    Raises ModelError while the run is unfinished.
    """
    return score_base(load_served(run.model), run).to_json()


def score_base(base: Base, run: Run) -> Score:
    """Any model with the run's tokenizer on the run's evaluation set. Raises ModelError."""
    config = RunConfig.model_validate(run.config)
    tokens = TokenSet.load(run.path / "data" / "validation")
    if fingerprint(base.tokenizer) != tokens.manifest["tokenizer_sha256"]:
        raise ModelError(f"{base.name} has another tokenizer than {run.path}, so it cannot be judged on its tokens.")
    blocks = evaluation_blocks(tokens, config.data.eval_tokens)
    return score(PackedLM(base.model), tokens, blocks, pad=base.end_of_text)


def score_text(base: Base, corpus: Path, *, scratch: Path) -> Score:
    """All the text of ``corpus``, nothing held out; tokens are written to ``scratch``. Raises CorpusError."""
    from textxfer.corpus import tokens as token_files
    from textxfer.corpus.read import read
    from textxfer.corpus.walk import covering_walks

    walks = [walk for story in read(corpus).stories for walk in covering_walks(story, seed=0)]
    made = token_files.write(
        walks, base.tokenizer, scratch, context=min(base.context, 1024), end_of_text=base.end_of_text
    )
    return score(PackedLM(base.model), made, range(len(made.blocks)), pad=base.end_of_text)
