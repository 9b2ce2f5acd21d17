"""The settings of a run: what they are, where they come from, which are allowed.

A run's settings are one tree of sections. They come, later ones winning, from
the defaults here, a YAML file, and ``key=value`` overrides with dotted keys
(``optim.lr=5e-4``). A key that is not known is refused with the nearest name.
What was left open (``None``) is resolved before training and frozen in the
run's ``run.yaml``, so that a resumed run cannot drift.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from textxfer.errors import ConfigError, unknown


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)


class DataConfig(_Section):
    context: int | None = Field(default=None, ge=16, description="tokens in a block; None: the model's, at most 1024")
    validation: float = Field(default=0.1, gt=0, le=0.5, description="share of the words held out")
    holdout: list[str] = Field(default_factory=list, description="stories held out whole, by id, title or author")
    keep: float = Field(default=1.0, ge=0, le=1, description="share of a context kept of a path too long to fit")
    seed: int = Field(default=0, description="of the split and the walks")
    straight_quotes: float = Field(default=0.0, ge=0, le=1, description="share of stories with straightened quotes")
    eval_tokens: int = Field(default=50_000, ge=100, description="scored tokens of the fixed evaluation set, at most")


class OptimConfig(_Section):
    name: Literal["adamw", "muon"] = "adamw"
    lr: float | None = Field(default=None, gt=0, description="peak learning rate; None: the method's own")
    weight_decay: float = Field(default=0.01, ge=0)
    betas: tuple[float, float] = (0.9, 0.95)
    clip: float = Field(default=1.0, gt=0, description="largest norm of the gradient")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="of embeddings and residuals")
    tokens_per_step: int | None = Field(default=None, ge=16, description="positions a step; None: 16384, on a CPU 4096")
    micro_batch: int | None = Field(default=None, ge=1, description="blocks that go through the model at once")
    max_skipped: int = Field(default=10, ge=1, description="non-finite steps in a row that end the run")


class ScheduleConfig(_Section):
    name: str = "cosine"
    steps: int | None = Field(default=None, ge=0, description="None: from epochs")
    epochs: float = Field(default=4.0, gt=0, description="passes over the training blocks, where steps is None")
    warmup: float = Field(default=0.05, ge=0, lt=1, description="share of the steps")
    final: float = Field(default=0.1, ge=0, le=1, description="last learning rate as a share of the peak")


class PrecisionConfig(_Section):
    dtype: Literal["auto", "float32", "bf16", "fp16"] = "auto"
    threads: int | None = Field(default=None, ge=1, description="CPU threads, frozen so that a resume is exact")


class EvalConfig(_Section):
    every_steps: int | None = Field(default=None, ge=1, description="None: a tenth of the steps")
    patience: int = Field(default=3, ge=1, description="evaluations without a better one that end the run")


class CheckpointConfig(_Section):
    every_steps: int | None = Field(default=None, ge=1, description="None: at each evaluation")
    keep: int = Field(default=2, ge=1, description="newest ones kept, besides the best")


class SampleConfig(_Section):
    prompts: list[str] | None = Field(default=None, description="None: an opening of the corpus, and two of ours")
    tokens: int = Field(default=60, ge=1)
    seed: int = 1


class RunConfig(_Section):
    """Everything that decides what a run computes."""

    corpus: str
    base: str = "gpt2"
    seed: int = 0
    method: dict[str, Any] = Field(default_factory=lambda: {"name": "lora"})
    data: DataConfig = DataConfig()
    optim: OptimConfig = OptimConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    precision: PrecisionConfig = PrecisionConfig()
    eval: EvalConfig = EvalConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    sample: SampleConfig = SampleConfig()


_FREE = {"method"}  # its keys belong to the method it names, which checks them


def known_keys(model: type[BaseModel] = RunConfig, prefix: str = "") -> list[str]:
    """Every dotted key that can be set."""
    keys: list[str] = []
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            keys += known_keys(kind, f"{prefix}{name}.")
        else:
            keys.append(prefix + name)
    return keys


def parse_override(text: str) -> tuple[str, Any]:
    """``"optim.lr=5e-4"`` → ``("optim.lr", 0.0005)``; the value is read as YAML.

    Raises ConfigError where there is no ``=`` or the key is not known.
    """
    key, sign, value = text.partition("=")
    key = key.strip()
    if not sign:
        raise ConfigError(f"--set wants key=value, got {text!r}; for example --set optim.lr=5e-4")
    keys = known_keys()
    if key not in keys and key.split(".")[0] not in _FREE:
        raise ConfigError(unknown("setting", key, keys))
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigError(f"--set {key}: {value!r} cannot be read as a value.") from None
    if isinstance(parsed, str):
        with contextlib.suppress(ValueError):  # YAML 1.1 takes 5e-4 for a string
            parsed = float(parsed)
    return key, parsed


def merge(tree: dict[str, Any], key: str, value: Any) -> None:
    """Put ``value`` at the dotted ``key`` of nested dicts."""
    *sections, last = key.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
    tree[last] = value


def make_config(values: Mapping[str, Any], overrides: Iterable[str] = ()) -> RunConfig:
    """Check ``values`` (nested) with ``overrides`` (``key=value``) put over them.

    Raises ConfigError with one line that names the first fault.
    """
    tree: dict[str, Any] = {k: dict(v) if isinstance(v, Mapping) else v for k, v in values.items()}
    tree.setdefault("method", {}).setdefault("name", "lora")
    for text in overrides:
        merge(tree, *parse_override(text))
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            raise ConfigError(unknown("setting", key, known_keys())) from None
        raise ConfigError(f"{key} is {fault['input']!r}: {fault['msg'].lower()}.") from None


def read_config(path: Path) -> dict[str, Any]:
    """A YAML file of settings, as nested dicts. Raises ConfigError."""
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read as YAML: {str(error).splitlines()[0]}.") from None
    if not isinstance(loaded, dict):
        raise ConfigError(f"{path} holds no settings; it must be a YAML mapping such as 'optim: {{lr: 5e-4}}'.")
    return loaded


def difference(old: Any, new: Any, prefix: str = "") -> list[str]:
    """Lines ``key: old → new`` where two nested settings differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        lines: list[str] = []
        for key in sorted({*old, *new}):
            lines += difference(old.get(key), new.get(key), f"{prefix}{key}.")
        return lines
    return [] if old == new else [f"{prefix.rstrip('.')}: {old} → {new}"]
