"""From what a user asked for to what a run will do: every open setting decided, tokens on disk."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml

from textxfer.config import RunConfig, difference
from textxfer.corpus import tokens as token_files
from textxfer.corpus.read import Progress, Reading, read
from textxfer.corpus.split import Split, split
from textxfer.errors import ConfigChanged, ConfigError, TrainingError
from textxfer.methods.base import make_method, resolve_method
from textxfer.story import Story
from textxfer.training import schedule
from textxfer.training.aside import write_text
from textxfer.training.precision import choose_dtype

PROMPTS = ("You open the gate.", "You are lost, and it is getting dark.")


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def resolve_hardware(config: RunConfig, *, parameters: int, context: int) -> RunConfig:
    """Fill in what depends on the base and the machine. Raises ConfigError."""
    config = config.model_copy(deep=True)
    where = device()
    schedule.rate(config.schedule.name, 0, steps=1, warmup=0, final=1)  # is the name known?
    config.precision.dtype = choose_dtype(config.precision.dtype, where)  # type: ignore[assignment]
    if config.optim.name == "muon" and config.precision.dtype == "fp16":
        raise ConfigError("optim.name is muon, which does not train in fp16; use adamw, or precision.dtype=float32.")
    config.precision.threads = config.precision.threads or torch.get_num_threads()
    if config.data.context is not None and config.data.context > context:
        raise ConfigError(f"data.context is {config.data.context}; the base sees at most {context} tokens.")
    config.data.context = config.data.context or min(context, 1024)
    config.method = resolve_method(config.method)
    config.optim.lr = config.optim.lr or make_method(config.method).default_lr(parameters)
    on_cpu = where.type == "cpu"
    config.optim.tokens_per_step = config.optim.tokens_per_step or (4096 if on_cpu else 16384)
    small = parameters < 50_000_000
    room = (4096 if small else 1024) if on_cpu else (32768 if small else 8192)
    config.optim.micro_batch = config.optim.micro_batch or max(
        1, min(room, config.optim.tokens_per_step) // config.data.context
    )
    return config


def resolve_steps(config: RunConfig, tokens: Mapping[str, Any]) -> RunConfig:
    """Fill in what depends on the amount of text; ``tokens`` is the manifest of the training blocks.

    What is repeated as context is a pass over that text, too, so repeats
    shorten an epoch's count of blocks.
    """
    config = config.model_copy(deep=True)
    assert config.data.context and config.optim.tokens_per_step
    per_step = max(config.optim.tokens_per_step // config.data.context, 1)
    if config.schedule.steps is None:
        blocks = tokens["blocks"] * tokens["fresh_tokens"] / tokens["scored_tokens"]
        config.schedule.steps = max(round(config.schedule.epochs * blocks / per_step), 1)
    config.eval.every_steps = config.eval.every_steps or max(config.schedule.steps // 10, 1)
    config.checkpoint.every_steps = config.checkpoint.every_steps or config.eval.every_steps
    return config


def fingerprint(corpus: Path) -> str:
    """sha256 over the names and bytes of what the corpus holds."""
    digest = hashlib.sha256()
    files = [corpus] if corpus.is_file() else sorted(p for p in corpus.rglob("*") if p.is_file())
    for path in files:
        if any(part.startswith(("_", ".")) for part in path.relative_to(corpus).parts):
            continue
        with path.open("rb") as file:
            digest.update(f"{path.relative_to(corpus)}\0".encode())
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def check_unchanged(folder: Path, wanted: RunConfig) -> RunConfig:
    """The frozen settings of an existing run, if ``wanted`` asks for nothing else.

    What ``wanted`` leaves open takes the frozen value. Raises ConfigChanged
    with the difference.
    """
    try:
        frozen = RunConfig.model_validate(yaml.safe_load((folder / "run.yaml").read_text(encoding="utf-8")))
    except (OSError, ValueError, yaml.YAMLError):
        raise ConfigError(f"{folder}/run.yaml cannot be read; choose another --out, or delete the folder.") from None
    old, new = frozen.model_dump(mode="json"), wanted.model_dump(mode="json")
    new["method"] = resolve_method(new["method"])
    changed = difference(old, _fill(new, old))
    manifest = folder / "data" / "manifest.json"
    if not changed and manifest.is_file():
        before = json.loads(manifest.read_text(encoding="utf-8")).get("corpus_sha256")
        if before and Path(wanted.corpus).exists() and before != fingerprint(Path(wanted.corpus)):
            changed = [f"corpus: the text in {wanted.corpus} has changed"]
    if changed:
        raise ConfigChanged(
            f"{folder} was begun with other settings: {'; '.join(changed)}. "
            "Repeat the first command to go on, or choose another --out."
        )
    return frozen


_OPEN = {"auto", None}


def _fill(new: Any, old: Any) -> Any:
    if isinstance(new, dict) and isinstance(old, dict):
        return {k: _fill(v, old.get(k)) for k, v in new.items()}
    return old if not isinstance(new, list | dict) and new in _OPEN else new


def straighten_some(stories: Sequence[Story], share: float, seed: int) -> list[Story]:
    """Straighten the quotes of about ``share`` of the stories, chosen by their ids."""
    from textxfer.corpus.clean import straighten

    chosen: list[Story] = []
    for story in stories:
        draw = int.from_bytes(hashlib.sha256(f"{seed}/{story.id}".encode()).digest()[:4], "big") / 2**32
        if draw >= share:
            chosen.append(story)
            continue
        passages = {
            p.id: replace(
                p, text=straighten(p.text), choices=tuple(replace(c, text=straighten(c.text)) for c in p.choices)
            )
            for p in story.passages.values()
        }
        chosen.append(replace(story, passages=passages))
    return chosen


def read_corpus(config: RunConfig, progress: Progress | None = None) -> tuple[Reading, Split]:
    """The stories and how they are split. Raises CorpusError where there is too little."""
    data = config.data
    reading = read(Path(config.corpus), progress=progress)
    if data.straight_quotes:
        reading = replace(reading, stories=straighten_some(reading.stories, data.straight_quotes, data.seed))
    return reading, split(reading.stories, fraction=data.validation, seed=data.seed, holdout=data.holdout)


def write_tokens(
    config: RunConfig, reading: Reading, parts: Split, tokenizer: Any, end_of_text: int, data: Path
) -> dict[str, Any]:
    """Tokenise both sides into ``data``; its manifest, written last, says what was done."""
    assert config.data.context is not None
    common: dict[str, Any] = {"context": config.data.context, "end_of_text": end_of_text}
    train = token_files.write(parts.train, tokenizer, data / "train", keep=config.data.keep, rescore=True, **common)
    actions = parts.method != "passages"  # a held-out passage alone: its action is what the player gave
    validation = token_files.write(parts.validation, tokenizer, data / "validation", prose_only=not actions, **common)
    stories = reading.stories
    manifest = {
        "corpus_sha256": fingerprint(Path(config.corpus)),
        "stories": [
            {
                "id": s.id,
                "title": s.source.title,
                "author": s.source.author,
                "licence": s.source.licence,
                "url": s.source.url,
            }
            for s in stories
        ],
        "passages": parts.passages,
        "passages_trained": parts.passages_trained,
        "passages_lost": parts.passages_lost,
        "split": parts.method,
        "held_out": list(parts.held_out),
        "dropped": [{"name": r.name, "reason": r.reason} for r in (*reading.rejected, *parts.dropped)],
        "train": train.manifest,
        "validation": validation.manifest,
    }
    write_text(data / "manifest.json", json.dumps(manifest, indent=1, ensure_ascii=False))
    return manifest


def describe(manifest: dict[str, Any]) -> list[str]:
    """Lines for a person: tokens, what is covered, what was dropped."""
    train, validation = manifest["train"], manifest["validation"]
    whole = manifest["split"] != "passages"
    held_out = _count(len(manifest["held_out"]), "story", "stories") if whole else str(len(manifest["held_out"]))
    lines = [
        f"{_count(len(manifest['stories']), 'story', 'stories')}, {_count(manifest['passages'], 'passage')}: "
        f"{manifest['passages_trained']} to learn from, {held_out} held out, "
        f"{manifest['passages_lost']} lost behind them.",
        f"Training: {train['fresh_tokens']:,} tokens, {train['tokens']:,} with what is repeated as context; "
        f"{train['blocks']} blocks of {train['context']} ({train['filled']:.0%} filled).",
        f"Held out: {validation['scored_tokens']:,} tokens to be judged by.",
    ]
    dropped = manifest["dropped"]
    lines += [f"Dropped {d['name']}: {d['reason']}" for d in dropped[:10]]
    if len(dropped) > 10:
        lines.append(f"… and {len(dropped) - 10} more; data/manifest.json names them all.")
    return lines


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def new_folder(folder: Path) -> None:
    """Make a run's folder. Raises TrainingError when that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        os.unlink(probe)
    except OSError as error:
        raise TrainingError(f"{folder} cannot be written to ({error.strerror}); choose another --out.") from None
