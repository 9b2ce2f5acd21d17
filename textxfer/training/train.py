"""``textxfer.train`` and ``textxfer.pretrain``: a corpus in, a run out."""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from accelerate import Accelerator

from textxfer.config import RunConfig, make_config, merge
from textxfer.corpus.read import Reading
from textxfer.corpus.split import Split
from textxfer.corpus.tokens import TokenSet
from textxfer.errors import TrainingError
from textxfer.methods.base import make_method
from textxfer.models.load import Base, find_base, load_base, set_dropout, tokenizer_file
from textxfer.runs import Run
from textxfer.training import checkpoint, prepare
from textxfer.training.aside import whole_folder, write_text
from textxfer.training.journal import Watch
from textxfer.training.loop import train_loop
from textxfer.training.loss import PackedLM
from textxfer.training.optim import mark_embeddings
from textxfer.training.samples import draw_samples, opening_of


def train(
    corpus: str | Path,
    base: str = "gpt2",
    method: str | Mapping[str, Any] = "lora",
    *,
    out: str | Path | None = None,
    steps: int | None = None,
    settings: Mapping[str, Any] | None = None,
    overrides: Iterable[str] = (),
    quiet: bool = False,
) -> Run:
    """Fine-tune ``base`` on the stories in ``corpus`` and return the finished Run.

    method: a name, or ``{"name": "lora", "r": 8}``. out: the run's folder,
    ``runs/<corpus name>`` by default; repeating the call goes on where an
    earlier one stopped, and returns at once where it had finished. settings:
    nested, as in a run.yaml. overrides: ``"optim.lr=5e-4"``.

    Raises ConfigError, CorpusError, ModelError, TrainingError; KeyboardInterrupt
    after a checkpoint when it was interrupted.
    """
    values: dict[str, Any] = dict(settings or {}) | {"corpus": str(corpus), "base": base}
    values["method"] = {"name": method} if isinstance(method, str) else dict(method)
    if steps is not None:
        merge(values, "schedule.steps", steps)
    wanted = make_config(values, overrides)
    folder = Path(out) if out is not None else Path("runs") / run_name(corpus)
    return Run(train_wanted(wanted, folder, Watch(quiet=quiet)))


def run_name(corpus: str | Path) -> str:
    """``corpus/`` → ``corpus``, ``My Tales.twee`` → ``my-tales``."""
    name = Path(corpus).resolve()
    stem = name.name if name.is_dir() else name.stem
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-") or "run"


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two processes never train in one folder. Raises TrainingError."""
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise TrainingError(
                f"Another process is training in {folder}; wait for it or choose another --out."
            ) from None
        yield


def train_wanted(wanted: RunConfig, folder: Path, watch: Watch, *, corpus: tuple[Reading, Split] | None = None) -> Path:
    """Train as ``wanted`` says in ``folder``, anew or from where it stopped.

    corpus: what was read and how it is split, where the caller knows already.
    """
    make_method(wanted.method)  # is it known?
    if (folder / "run.yaml").is_file():
        config = prepare.check_unchanged(folder, wanted)
        if Run(folder).finished:
            watch.note(f"{folder} is finished; nothing to do. Choose another --out to train again.")
            return folder
        base = load_base(config.base, options=make_method(config.method).load_options())
        with _alone(folder):
            return _go_on(config, base, folder, watch)
    tokenizer_file(find_base(wanted.base), wanted.base)
    reading, parts = corpus or prepare.read_corpus(wanted, watch.reading)
    base = load_base(wanted.base, options=make_method(wanted.method).load_options())
    config = prepare.resolve_hardware(wanted, parameters=base.parameters, context=base.context)
    opening = opening_of(reading.stories, parts)
    prompts = [opening, *prepare.PROMPTS] if opening else list(prepare.PROMPTS)
    config.sample.prompts = config.sample.prompts or prompts
    prepare.new_folder(folder)
    with _alone(folder):
        with whole_folder(folder / "data", "The tokens") as data:
            manifest = prepare.write_tokens(config, reading, parts, base.tokenizer, base.end_of_text, data)
            if opening:
                (data / "opening.txt").write_text(opening, encoding="utf-8")
        for line in prepare.describe(manifest):
            watch.note(line)
        config = prepare.resolve_steps(config, manifest["train"])
        write_text(
            folder / "run.yaml", yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        )
        return _go_on(config, base, folder, watch)


def _go_on(config: RunConfig, base: Base, folder: Path, watch: Watch) -> Path:
    """Train from wherever ``folder`` is to the end, and write what is served."""
    assert config.precision.threads is not None
    torch.set_num_threads(config.precision.threads)
    torch.manual_seed(config.seed)  # new parameters (an adapter's) begin the same each time
    method = make_method(config.method)
    mark_embeddings(base.model)
    set_dropout(base.model, config.optim.dropout)  # before the method adds layers with a dropout of their own
    attached = method.attach(base.model)
    module = PackedLM(attached.model)
    mixed = {"float32": "no", "bf16": "bf16", "fp16": "fp16"}[config.precision.dtype]
    accelerator = Accelerator(cpu=prepare.device().type == "cpu", mixed_precision=mixed)
    learning = sum(p.numel() for g in attached.groups for p in g.params)
    watch.note(
        f"{config.base}: {base.parameters / 1e6:.1f}M parameters, {learning / 1e6:.2f}M learn "
        f"({config.method['name']}); {config.precision.dtype} on {accelerator.device}; {config.schedule.steps} steps."
    )
    state, finished = train_loop(
        config,
        module,
        attached.groups,
        TokenSet.load(folder / "data" / "train"),
        TokenSet.load(folder / "data" / "validation"),
        folder,
        pad=base.end_of_text,
        accelerator=accelerator,
        watch=watch,
        sampler=lambda: draw_samples(module.model, base.tokenizer, config.sample),
    )
    if not finished:
        watch.note(f"Stopped at step {state.step}; the checkpoint is written. Repeat the command to go on.")
        raise KeyboardInterrupt
    _write_model(config, base, module, folder)
    result = {
        "run": str(folder),
        "steps": state.step,
        "tokens": state.tokens,
        "seconds": round(state.seconds, 1),
        "bits_per_byte": {"before": state.before, "after": state.best if state.best_step else state.before},
        "best_step": state.best_step,
    }
    _write_reports(config, state, result, folder)
    write_text(folder / "result.json", json.dumps(result))
    if state.skipped:
        watch.note(f"{state.skipped} steps gave no finite gradient and were skipped.")
    return folder


def _write_model(config: RunConfig, base: Base, module: PackedLM, folder: Path) -> None:
    """The best checkpoint's weights, as they are served. Raises TrainingError on a full disk."""
    chosen = checkpoint.best(folder)
    if chosen is not None:
        checkpoint.load_weights(chosen, module.model)
    with whole_folder(folder / "model", "The model") as model:
        module.model.set_attn_implementation("sdpa")  # what is stored must load without this kit
        make_method(config.method).save(module.model.eval(), model, config.base)
        base.tokenizer.save(str(model / "tokenizer.json"))
        opening = folder / "data" / "opening.txt"
        if opening.is_file():
            shutil.copy(opening, model / "opening.txt")


def _write_reports(config: RunConfig, state: checkpoint.Progress, result: dict[str, Any], folder: Path) -> None:
    from textxfer.evaluation.report import write_reports

    write_reports(folder, config, state.samples, result)
